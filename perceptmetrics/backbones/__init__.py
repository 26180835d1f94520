"""Backbones: the encoders that every task can stand on.

One file a family holds its specifications; ``vit.py`` is the one network that they all describe.
A file dropped in here, or an entry point in the group ``perceptmetrics.backbones``, adds more.
"""

from __future__ import annotations

from perceptmetrics.backbones.base import Backbone
from perceptmetrics.registry import Registry, unknown_name

BACKBONES: Registry[Backbone] = Registry(
    "backbone",
    Backbone,
    package="perceptmetrics.backbones.families",
    group="perceptmetrics.backbones",
)


def find_backbone(name: str) -> Backbone:
    """The backbone of that name; a family's name alone means its default size.

    Raises:
        UnknownNameError: Neither a backbone nor a family is called so.

    Example:
        >>> find_backbone("dinov2").name
        'dinov2-s14'
    """
    if name in BACKBONES:
        return BACKBONES.get(name)
    for backbone in BACKBONES:
        if backbone.family == name and backbone.default_of_family:
            return backbone
    known = set(BACKBONES.names()) | {backbone.family for backbone in BACKBONES}
    if name in BACKBONES.broken:
        raise BACKBONES.broken[name]
    raise unknown_name("backbone", name, known)


__all__ = ["BACKBONES", "Backbone", "find_backbone"]
