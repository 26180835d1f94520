"""Table 4: emotions of EmoSet and EmotionROI, six rivals."""

from __future__ import annotations

from perceptmetrics.bench.experiment import ACCURACY, Setup
from perceptmetrics.bench.methods import (
    MDAN,
    MRCNN,
    MVP,
    PERCEPTCLIP,
    PT_DPC,
    SIMEMOTION,
    STIMULI_VEA,
)
from perceptmetrics.bench.table import Column, Row, Table

TABLE_4 = Table(
    name="4",
    title="Emotion: accuracy over all classes, and positive against negative",
    section="5.3",
    columns=(
        Column("EmoSet | 8", ACCURACY, "emoset"),
        Column("EmoSet | 2", ACCURACY, "emoset", output="polarity"),
        Column("EmotionROI | 6", ACCURACY, "emotionroi"),
        Column("EmotionROI | 2", ACCURACY, "emotionroi", output="polarity"),
    ),
    rows=(
        Row("MRCNN", MRCNN, "0.7539 0.9228 - -"),
        Row("MDAN", MDAN, "0.7575 0.9371 0.6166 -"),
        Row("StimuliVEA", STIMULI_VEA, "0.7840 0.9458 0.6162 -"),
        Row("PT-DPC", PT_DPC, "0.7713 0.9246 0.6970 0.8855"),
        Row("SimEmotion", SIMEMOTION, "0.7906 0.9428 0.7054 0.9040"),
        Row("MVP", MVP, "0.8192 0.9644 0.7189 0.9255"),
        Row("PerceptCLIP (Ours)", PERCEPTCLIP, "0.8528 0.9780 0.7485 0.9288", setup=Setup()),
    ),
    note="The paper does not say whether two classes are trained for, or the probabilities of all "
    "classes are summed into two: the sum of the same training is taken.",
)
