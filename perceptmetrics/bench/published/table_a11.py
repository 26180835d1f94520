"""Table A.11: PLCC over LoRA's rank and alpha."""

from __future__ import annotations

from perceptmetrics.adaptation import LoRAConfig
from perceptmetrics.bench.experiment import PLCC, Setup
from perceptmetrics.bench.methods import PERCEPTCLIP
from perceptmetrics.bench.table import Column, Row, Table

TABLE_A11 = Table(
    name="A.11",
    title="PLCC on KonIQ-10k: LoRA's rank (rows) and alpha (columns)",
    section="A.3",
    columns=(
        Column("4", PLCC, "koniq10k", alpha=4),
        Column("8", PLCC, "koniq10k", alpha=8),
        Column("16", PLCC, "koniq10k", alpha=16),
    ),
    rows=(
        Row("8", PERCEPTCLIP, "0.954 0.954 0.954", setup=Setup(lora=LoRAConfig(rank=8))),
        Row("16", PERCEPTCLIP, "0.954 0.954 0.954", setup=Setup(lora=LoRAConfig(rank=16))),
        Row("32", PERCEPTCLIP, "0.954 0.953 0.953", setup=Setup(lora=LoRAConfig(rank=32))),
    ),
    note="The corner of the header reads rα: rank down, alpha across, as in Table A.10. The "
    "caption spells the dataset kon10k.",
)
