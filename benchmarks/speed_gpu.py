"""Section ``gpu`` of ``speed.py``: forwards of ViT-L/14 on a GPU, by its own clock."""

from __future__ import annotations

import copy
from functools import partial

import speed_models as models
import torch
from speed_measure import Section, compared, flops, gemm_peak, gpu_seconds, in_turn
from speed_training import data, normalised

from perceptmetrics.backbones import BACKBONES
from perceptmetrics.model import PerceptualModel
from perceptmetrics.precision import narrow

BACKBONE, BATCH = "clip-l14", 256


def gpu(rounds: int, quiet: bool) -> Section:
    """Official in float32; ours in four precisions, each beside the peak of its own products."""
    if not torch.cuda.is_available():
        return {"forward": "not measured: there is no GPU"}
    official = models.Official(BACKBONES.get(BACKBONE)).eval()
    model = models.as_metric(models.ours(official, BACKBONE), BACKBONE).model.cuda()
    official.cuda()
    cuts, _ = data(BACKBONE, BATCH)
    pixels, cuts = normalised(cuts, official.spec).cuda(), cuts.cuda()
    found: Section = {"device": torch.cuda.get_device_name(), "batch": BATCH}
    with torch.no_grad():
        scores = official(pixels)
        done = flops(partial(model, cuts))
        for label, side in _precisions(model).items():
            dtype = side.encoder.patch_embed.proj.weight.dtype
            ways = {"official": partial(official, pixels), "ours": partial(side, cuts)}
            took = in_turn(ways, gpu_seconds, rounds)
            row = compared(took["official"], took["ours"])
            peak = gemm_peak(dtype, "cuda", gpu_seconds, 8192, 20)
            found[label] = {
                **row,
                "largest change of a score, share of their spread": float(
                    (side(cuts).float() - scores).abs().max() / scores.std()
                ),
                "peak, operations a second": peak,
                "share of the peak": done / row["ours"] / peak,
            }
    return found


def _precisions(model: PerceptualModel) -> dict[str, PerceptualModel]:
    fast = copy.deepcopy(model)
    narrow([fast])
    return {
        "float32": model,
        "float16": copy.deepcopy(model).half(),
        "bfloat16": copy.deepcopy(model).bfloat16(),
        "fast": fast,
    }
