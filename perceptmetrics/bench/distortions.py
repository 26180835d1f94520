"""Six distortions of a photograph, each in five levels, in the manner of KADID-10k.

Our own, and plain: each is a line or two of arithmetic on 8-bit RGB. Levels are numbered from 1,
weak, to 5, strong. The mean squared difference from the photograph grows with the level, which is
all that a check of monotony needs.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from perceptmetrics.errors import OptionError
from perceptmetrics.registry import unknown_name

Pixels = npt.NDArray[np.uint8]

LEVELS = 5
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow turns colour into grey


@dataclass(frozen=True)
class Distortion:
    """One way to spoil a photograph.

    Attributes:
        name: What it is called.
        unit: What its strength counts.
        strengths: Of levels 1 to 5.
        apply: (H, W, 3) uint8, strength, seed -> (H, W, 3) uint8.

    Raises:
        OptionError: Another number of strengths than five.
    """

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[Pixels, float, int], Pixels]

    def __post_init__(self) -> None:
        if len(self.strengths) != LEVELS:
            raise OptionError(
                f"distortion {self.name!r} has {len(self.strengths)} strengths, expected {LEVELS}"
            )

    def at(self, level: int, image: Pixels, seed: int = 0) -> Pixels:
        """The photograph under one level of it.

        Args:
            level: 1 to 5; 0 is the photograph itself.
            image: (H, W, 3) uint8; it is not changed.
            seed: Of a local generator, for noise. All levels share one draw.

        Returns:
            (H, W, 3) uint8.

        Raises:
            OptionError: No such level, or no 8-bit RGB.

        Example:
            >>> grey = np.full((2, 2, 3), 100, np.uint8)
            >>> distortion("brightness").at(1, grey)[0, 0]
            array([85, 85, 85], dtype=uint8)
        """
        if not 0 <= level <= LEVELS:
            raise OptionError(f"level {level} of {self.name}: expected 0 to {LEVELS}")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise OptionError(
                f"an image of shape {image.shape} and type {image.dtype}: expected (H, W, 3) uint8"
            )
        return image if level == 0 else self.apply(image, self.strengths[level - 1], seed)


def _rounded(values: npt.NDArray[np.floating[Any]]) -> Pixels:
    return np.asarray(np.rint(values.clip(0, 255)), np.uint8)


def _blur(image: Pixels, sigma: float, seed: int) -> Pixels:
    """Each channel under a Gaussian of ``sigma`` pixels; the borders are mirrored."""
    from scipy.ndimage import gaussian_filter

    return _rounded(gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode="reflect"))


def _noise(image: Pixels, deviation: float, seed: int) -> Pixels:
    """White Gaussian noise, drawn for each channel by itself."""
    drawn = np.random.default_rng(seed).standard_normal(image.shape)
    return _rounded(image + deviation * drawn)


def _jpeg(image: Pixels, quality: float, seed: int) -> Pixels:
    """Through libjpeg and back, with halved colour resolution (4:2:0)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(quality), subsampling="4:2:0")
    with Image.open(file) as decoded:
        return np.asarray(decoded.convert("RGB"))


def _saturation(image: Pixels, share: float, seed: int) -> Pixels:
    """So much of each pixel's distance from its own grey."""
    grey = (image @ LUMA)[..., None]
    return _rounded(grey + share * (image - grey))


def _brightness(image: Pixels, share: float, seed: int) -> Pixels:
    """Every value times ``share``: darker."""
    return _rounded(image * share)


def _contrast(image: Pixels, share: float, seed: int) -> Pixels:
    """So much of each value's distance from the photograph's mean grey."""
    mean = float((image @ LUMA).mean())
    return _rounded(mean + share * (image - mean))


DISTORTIONS = (
    Distortion("blur", "sigma in pixels", (0.6, 1.2, 2.0, 3.2, 5.0), _blur),
    Distortion("noise", "standard deviation of 255", (6.0, 12.0, 20.0, 32.0, 50.0), _noise),
    Distortion("jpeg", "quality of libjpeg", (45.0, 30.0, 18.0, 10.0, 4.0), _jpeg),
    Distortion("saturation", "share of the colour kept", (0.8, 0.6, 0.4, 0.2, 0.0), _saturation),
    Distortion("brightness", "share of the light kept", (0.85, 0.7, 0.55, 0.4, 0.25), _brightness),
    Distortion("contrast", "share of the contrast kept", (0.8, 0.62, 0.45, 0.3, 0.15), _contrast),
)


def distortion(name: str) -> Distortion:
    """A distortion by name.

    Raises:
        UnknownNameError: None of that name.

    Example:
        >>> [one.name for one in DISTORTIONS]
        ['blur', 'noise', 'jpeg', 'saturation', 'brightness', 'contrast']
    """
    for one in DISTORTIONS:
        if one.name == name:
            return one
    raise unknown_name("distortion", name, [one.name for one in DISTORTIONS])
