"""The five columns that the paper's ablations share (Tables 6, 7, A.7 and A.8)."""

from __future__ import annotations

from perceptmetrics.bench.experiment import ACCURACY, MSE, PLCC, SRCC
from perceptmetrics.bench.table import Column

ABLATION = (
    Column("IQA | KonIQ-10k | SRCC", SRCC, "koniq10k"),
    Column("IQA | KonIQ-10k | PLCC", PLCC, "koniq10k"),
    Column("VEA | EmoSet-8 | ACC", ACCURACY, "emoset"),
    Column("Memorability | LaMem | SRCC", SRCC, "lamem"),
    Column("Memorability | LaMem | MSE", MSE, "lamem"),
)
