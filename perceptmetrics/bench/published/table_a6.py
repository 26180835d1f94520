"""Table A.6: emotion, trained on two datasets together."""

from __future__ import annotations

from perceptmetrics.bench.experiment import ACCURACY, Setup
from perceptmetrics.bench.methods import PERCEPTCLIP
from perceptmetrics.bench.table import Column, Row, Table

TABLE_A6 = Table(
    name="A.6",
    title="Emotion: accuracy, two datasets together against one",
    section="A.2.3",
    columns=(
        Column("EmoSet-8", ACCURACY, "emoset"),
        Column("EmotionROI-6", ACCURACY, "emotionroi"),
    ),
    rows=(
        Row("PerceptCLIP", PERCEPTCLIP, "0.8528 0.7485", setup=Setup()),
        Row(
            "PerceptCLIP Multi-Dataset",
            PERCEPTCLIP,
            "0.8511 0.7591",
            setup=Setup(second_stage=True),
            joint=True,
        ),
    ),
    note="The header names no measure; the first row is the accuracy of Table 4. The paper does "
    "not say how EmoSet's one split goes with EmotionROI's five: here it is the same in each fold.",
)
