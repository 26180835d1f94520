"""Table 5: small datasets gain from large ones of the same task."""

from __future__ import annotations

from perceptmetrics.bench.experiment import ACCURACY, MSE, PLCC, SRCC, Setup
from perceptmetrics.bench.methods import PERCEPTCLIP, PREVIOUS_BEST
from perceptmetrics.bench.table import Column, Row, Table

TABLE_5 = Table(
    name="5",
    title="Several datasets together against one",
    section="5.4",
    columns=(
        Column("IQA | LIVEC | SRCC", SRCC, "livec"),
        Column("IQA | LIVEC | PLCC", PLCC, "livec"),
        Column("IQA | TID2013 | SRCC", SRCC, "tid2013"),
        Column("IQA | TID2013 | PLCC", PLCC, "tid2013"),
        Column("VEA | EmoROI-6 | ACC", ACCURACY, "emotionroi"),
        Column("Memorability Prediction | THINGS | SRCC", SRCC, "things"),
        Column("Memorability Prediction | THINGS | MSE", MSE, "things"),
    ),
    rows=(
        Row("Previous SOTA", PREVIOUS_BEST, "0.904 0.910 0.892 0.908 0.7189 - -"),
        Row(
            "PerceptCLIP (Ours)",
            PERCEPTCLIP,
            "0.908 0.923 0.887 0.908 0.7485 0.452 0.0058",
            setup=Setup(),
        ),
        Row(
            "PerceptCLIP Multi-Dataset (Ours)",
            PERCEPTCLIP,
            "0.922 0.933 0.900 0.915 0.7591 0.454 0.0054",
            setup=Setup(second_stage=True),
            joint=True,
        ),
    ),
    note="The previous best PLCC on LIVEC is given as 0.910, LIQE's, which has the best SRCC; "
    "Table 1 has 0.914 for QPT-ResNet50. No section says how THINGS was divided.",
)
