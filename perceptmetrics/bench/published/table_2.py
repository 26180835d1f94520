"""Table 2: quality, trained on one dataset, judged on another."""

from __future__ import annotations

from perceptmetrics.bench.experiment import SRCC, Setup
from perceptmetrics.bench.methods import DEIQT, HYPERIQA, LODA, PERCEPTCLIP, QPT, TRES
from perceptmetrics.bench.table import Column, Row, Table

TABLE_2 = Table(
    name="2",
    title="Image quality across datasets: SRCC on a set that was not trained on",
    section="5.1",
    columns=(  # train dataset | test dataset
        Column("FLIVE | KonIQ", SRCC, "koniq10k", trained_on=("flive",), whole=True),
        Column("FLIVE | LIVEC", SRCC, "livec", trained_on=("flive",), whole=True),
        Column("LIVEC | KonIQ", SRCC, "koniq10k", trained_on=("livec",), whole=True),
        Column("KonIQ | LIVEC", SRCC, "livec", trained_on=("koniq10k",), whole=True),
    ),
    rows=(
        Row("HyperIQA", HYPERIQA, "0.758 0.735 0.772 0.785"),
        Row("TReS", TRES, "0.713 0.740 0.733 0.786"),
        Row("DEIQT", DEIQT, "0.733 0.781 0.744 0.794"),
        Row("QPT-ResNet50", QPT, "- - 0.749 0.821"),
        Row("LoDa", LODA, "0.763 0.805 0.745 0.811"),
        Row("PerceptCLIP (Ours)", PERCEPTCLIP, "0.812 0.825 0.794 0.875", setup=Setup()),
    ),
    note="The paper does not say whether all images of the other dataset are judged or a test "
    "part, nor how the ten trainings are summed up: all images and the median are taken.",
)
