"""The encoder as it was before a metric was trained: what its attention is compared with."""

from __future__ import annotations

from pathlib import Path

import torch

from perceptmetrics.backbones.vit import VisionTransformer
from perceptmetrics.explanation.attention import readable_encoder
from perceptmetrics.locate import find_base
from perceptmetrics.metric import Metric
from perceptmetrics.weights.adapter import Adapter


def pretrained_encoder(metric: Metric, base: Path | None = None) -> VisionTransformer:
    """Loads the base that a metric's adapter stands on, without the adapter.

    A metric has LoRA merged into its matrices, so the pretrained ones are read again.

    Args:
        metric: A metric whose base weights are on this machine or can be fetched.
        base: A file of base weights to use instead of the cache.

    Returns:
        An encoder in eval mode, where the metric is and in its precision; the metric's own if its
        strategy left the encoder as it was.

    Raises:
        OptionError: The metric's backbone does not expose its attention.
        WeightsError: The base is missing, or is not the one that the metric stands on.

    Example:
        >>> import perceptmetrics as pm
        >>> metric = pm.create_metric("memorability")  # doctest: +SKIP
        >>> pretrained_encoder(metric).spec.name  # doctest: +SKIP
        'clip-b16'
    """
    encoder = readable_encoder(metric.model.encoder)
    if metric.model.strategy == "frozen":
        return encoder
    # The card names another base than the configuration where the user asked for another.
    other = metric.card.base_sha256 not in ("", metric.config.base_sha256)
    adapter = Adapter(metric.config, metric.card, {})
    loaded = find_base(adapter, encoder.spec, base, other)
    with torch.device("meta"):
        pretrained = VisionTransformer(encoder.spec)
    pretrained.load_state_dict(loaded.tensors, assign=True)
    pretrained.requires_grad_(False)
    return pretrained.to(encoder.pos_embed.device, encoder.pos_embed.dtype).eval()
