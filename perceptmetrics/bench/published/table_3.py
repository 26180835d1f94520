"""Table 3: memorability on LaMem, five rivals."""

from __future__ import annotations

from perceptmetrics.bench.experiment import MSE, SRCC, Setup
from perceptmetrics.bench.methods import (
    AMNET,
    LEONARDI,
    MEMNET,
    PERCEPTCLIP,
    SQUALLI_HOUSSAINI,
    VITMEM,
)
from perceptmetrics.bench.table import Column, Row, Table

TABLE_3 = Table(
    name="3",
    title="Memorability: mean SRCC and MSE over the 5 splits of LaMem",
    section="5.2",
    columns=(
        Column("LaMem | SRCC", SRCC, "lamem"),
        Column("LaMem | MSE", MSE, "lamem"),
    ),
    rows=(
        Row("MemNet", MEMNET, "0.640 Unknown"),
        Row("AMNet", AMNET, "0.677 0.0082"),
        Row("Leonardi et al", LEONARDI, "0.687 0.0079"),
        Row("ViTMem", VITMEM, "0.711 0.0076"),
        Row("Squalli-Houssaini et al", SQUALLI_HOUSSAINI, "0.720 0.0092"),
        Row("PerceptCLIP (Ours)", PERCEPTCLIP, "0.741 0.0069", setup=Setup()),
    ),
)
