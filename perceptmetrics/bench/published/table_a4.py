"""Table A.4: quality, trained on three datasets together."""

from __future__ import annotations

from perceptmetrics.bench.experiment import PLCC, SRCC, Setup
from perceptmetrics.bench.methods import PERCEPTCLIP
from perceptmetrics.bench.table import Column, Row, Table

_DATASETS = {
    "LIVEC": "livec",
    "KonIQ-10k": "koniq10k",
    "SPAQ": "spaq",
    "LIVE": "live",
    "TID2013": "tid2013",
    "KADID-10k": "kadid10k",
}

TABLE_A4 = Table(
    name="A.4",
    title="Image quality: three datasets together against one",
    section="A.2.3",
    columns=tuple(
        Column(f"{header} | {measure.name}", measure, dataset)
        for header, dataset in _DATASETS.items()
        for measure in (SRCC, PLCC)
    ),
    rows=(
        Row(
            "PerceptCLIP",
            PERCEPTCLIP,
            "0.908 0.923 0.945 0.954 0.930 0.933 0.980 0.982 0.887 0.908 0.952 0.956",
            setup=Setup(),
        ),
        Row(
            "PerceptCLIP Multi-Dataset",
            PERCEPTCLIP,
            "0.922 0.933 0.944 0.953 0.930 0.934 0.980 0.983 0.900 0.915 0.953 0.956",
            setup=Setup(second_stage=True),
            joint=True,
        ),
    ),
    note="Two trainings make the second row: LIVEC, KonIQ-10k and SPAQ together, and LIVE, TID2013 "
    "and KADID-10k together. FLIVE is in neither.",
)
