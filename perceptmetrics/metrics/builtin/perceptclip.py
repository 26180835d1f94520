"""The paper's own models: CLIP ViT-L/14 with its authors' weights, converted on first use.

Their licence is not stated, so they are fetched from their authors and never redistributed.
"""

from __future__ import annotations

from perceptmetrics.card import MetricCard
from perceptmetrics.metrics.base import MetricSpec, OfficialCheckpoint
from perceptmetrics.tasks.builtin.emotion import EMOTION
from perceptmetrics.views import ENLARGED, CentreCrop, RandomCrops, StretchedCrops, View

_PAPER = "Zalcher et al., Don't Judge Before You CLIP: A Unified Approach for Perceptual Tasks"


def _official(
    name: str,
    task: str,
    repo: str,
    file: str,
    view: View,
    outputs: tuple[str, ...],
    training_data: str,
    direction: str,
    unit: str,
    score_range: tuple[float, float] | None = None,
    rescale: tuple[float, float] | None = None,
    notes: tuple[str, ...] = (),
) -> MetricSpec:
    card = MetricCard(
        name=name,
        task=task,
        outputs=outputs,
        score_range=score_range,
        direction=direction,
        unit=unit,
        training_data=training_data,
        licence="not stated by its authors; converted on your machine, never redistributed",
        paper=_PAPER,
        backbone="clip-l14",
        view=str(view),
        validated_how="by its authors: Tables 1, 3 and 4 of the paper; not measured by us",
        notes=(*notes, ENLARGED),
    )
    checkpoint = OfficialCheckpoint(f"PerceptCLIP/{repo}", file, view, card, rescale=rescale)
    return MetricSpec(name, task, checkpoint)


IQA = _official(
    "perceptclip-iqa",
    "iqa",
    "PerceptCLIP_IQA",
    "perceptCLIP_IQA.pth",
    RandomCrops(),
    ("quality",),
    "KonIQ-10k (10,073 photographs)",
    "higher is better quality",
    "open scale: the PLCC loss leaves it free",
    notes=(
        "the official card does not state a resize; short side 384 is LoDa's, whose recipe the "
        "paper follows",
    ),
)
IQA_SQUEEZED = _official(
    "perceptclip-iqa@squeezed",
    "iqa",
    "PerceptCLIP_IQA",
    "perceptCLIP_IQA.pth",
    StretchedCrops(),
    ("quality",),
    "KonIQ-10k (10,073 photographs)",
    "higher is better quality",
    "0 to 1 over the outputs that a copy in the wild saw",
    (0.0, 1.0),
    rescale=(-6.52, 3.11),
    notes=(
        "as a copy in the wild does it: every image is squeezed to 512 high and 384 wide before "
        "cropping, and outputs from -6.52 to 3.11 become 0 to 1",
    ),
)
MEMORABILITY = _official(
    "perceptclip-memorability",
    "memorability",
    "PerceptCLIP_Memorability",
    "perceptCLIP_Memorability.pth",
    CentreCrop(),
    ("memorability",),
    "LaMem (58,741 images)",
    "higher is better remembered",
    "hit rate in a memory game",
    (0.0, 1.0),
)
EMOTION_8 = _official(
    "perceptclip-emotion",
    "emotion",
    "PerceptCLIP_Emotions",
    "perceptCLIP_Emotions.pth",
    CentreCrop(),
    EMOTION.outputs,
    "EmoSet-118K (118,102 images)",
    EMOTION.direction,
    EMOTION.unit,
    (0.0, 1.0),
)
