"""Any no-reference metric of pyiqa, by its name there: ``pyiqa:musiq``, ``pyiqa:maniqa``, ..."""

from __future__ import annotations

from perceptmetrics.bench.rivals.base import SCORERS, Rival

PYIQA = Rival(
    name="pyiqa",
    task="iqa",
    requirements=("pyiqa==0.1.16",),
    scorer=SCORERS / "pyiqa.py",
    higher_is_better=None,
    score_range=None,
    licence="PolyForm Noncommercial 1.0.0 and NTU S-Lab (pyiqa); the weights have their own",
    paper="Chen et al., IQA-PyTorch; each metric has its own",
    weights="a model hub (huggingface.co/chaofengc/IQA-PyTorch-Weights), at the first use",
    takes="a name of pyiqa.list_models('NR')",
)
