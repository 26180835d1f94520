"""Table A.7: three sizes of CLIP."""

from __future__ import annotations

from perceptmetrics.bench.columns import ABLATION
from perceptmetrics.bench.experiment import Setup
from perceptmetrics.bench.methods import PERCEPTCLIP
from perceptmetrics.bench.table import Row, Table

TABLE_A7 = Table(
    name="A.7",
    title="Sizes of CLIP's encoder",
    section="A.3",
    columns=ABLATION,
    rows=(
        Row(
            "ViT-B/32",
            PERCEPTCLIP,
            "0.932 0.944 0.8303 0.724 0.0073",
            setup=Setup(backbone="clip-b32"),
        ),
        Row(
            "ViT-B/16",
            PERCEPTCLIP,
            "0.938 0.949 0.8422 0.731 0.0071",
            setup=Setup(backbone="clip-b16"),
        ),
        Row("ViT-L/14", PERCEPTCLIP, "0.945 0.954 0.8528 0.741 0.0069", setup=Setup()),
    ),
)
