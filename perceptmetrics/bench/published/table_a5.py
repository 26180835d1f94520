"""Table A.5: memorability, trained on two datasets together."""

from __future__ import annotations

from perceptmetrics.bench.experiment import MSE, SRCC, Setup
from perceptmetrics.bench.methods import PERCEPTCLIP
from perceptmetrics.bench.table import Column, Row, Table

TABLE_A5 = Table(
    name="A.5",
    title="Memorability: two datasets together against one",
    section="A.2.3",
    columns=(
        Column("LaMem | SRCC", SRCC, "lamem"),
        Column("LaMem | MSE", MSE, "lamem"),
        Column("THINGS | SRCC", SRCC, "things"),
        Column("THINGS | MSE", MSE, "things"),
    ),
    rows=(
        Row("PerceptCLIP", PERCEPTCLIP, "0.741 0.0069 0.452 0.0058", setup=Setup()),
        Row(
            "PerceptCLIP Multi-Dataset",
            PERCEPTCLIP,
            "0.740 0.0069 0.454 0.0054",
            setup=Setup(second_stage=True),
            joint=True,
        ),
    ),
    note="THINGS is trained on here, unlike in Table A.1. No section says how it was divided.",
)
