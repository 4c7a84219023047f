"""Small images, varied and described: ready-made parts for augmentation and features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from parbench_lab.errors import UsageError

Floats = NDArray[np.float64]

ORIENTATIONS = 8
CELLS = 4


def jitter_image(
    image: Any,
    rng: np.random.Generator,
    *,
    rotation_degrees: float = 12.0,
    shift_share: float = 0.08,
    zoom_share: float = 0.1,
    noise: float = 0.02,
) -> Floats:
    """Return an image turned, moved, scaled and made noisy, each by a little.

    Parameters
    ----------
    image
        Shape ``(height, width)``, or with channels last.
    rng
        Where the changes are drawn from.
    rotation_degrees
        The angle is drawn evenly between minus this and this.
    shift_share, zoom_share
        Likewise the shift, as a share of each side, and the change of scale.
    noise
        Standard deviation of Gaussian noise, as a share of the image's range of values.

    Examples
    --------
    >>> jitter_image(np.eye(8), np.random.default_rng(0)).shape
    (8, 8)
    """
    from scipy import ndimage  # noqa: PLC0415 - heavy; only those who augment pay

    pixels = np.asarray(image, dtype=np.float64)
    if pixels.ndim not in {2, 3}:
        raise UsageError(
            f"an image has 2 axes, or 3 with channels, but one has shape {pixels.shape}: "
            "give a function of your own"
        )
    angle = np.deg2rad(rng.uniform(-rotation_degrees, rotation_degrees))
    scale = 1.0 + rng.uniform(-zoom_share, zoom_share)
    sides = np.array(pixels.shape[:2])
    moved = rng.uniform(-shift_share, shift_share, 2) * sides
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    middle = (sides - 1) / 2
    offset = middle - turn @ (middle + moved)
    planes = pixels if pixels.ndim == 3 else pixels[:, :, None]
    turned = [
        ndimage.affine_transform(planes[:, :, channel], turn, offset, order=1, mode="nearest")
        for channel in range(planes.shape[2])
    ]
    changed = np.stack(turned, axis=-1).reshape(pixels.shape)
    spread = noise * float(np.ptp(pixels))
    return np.asarray(changed + spread * rng.standard_normal(pixels.shape))


def image_features(images: Any) -> Floats:
    """Return histograms of the directions of edges, a row per image.

    Each image is divided into 4 x 4 cells; in each the strength of the edges is added up by
    direction (8 of them, a half turn in all), and the whole is scaled to length 1: the idea of
    Dalal and Triggs without blocks.

    Parameters
    ----------
    images
        Shape ``(n, height, width)``, sides of at least 4 pixels.

    Returns
    -------
    Shape ``(n, 128)``.

    References
    ----------
    .. [1] Dalal, Triggs (2005), Histograms of oriented gradients for human detection, CVPR.

    Examples
    --------
    >>> stripes = np.tile([0.0, 0.0, 1.0, 1.0], (2, 8, 2))
    >>> image_features(stripes).shape
    (2, 128)
    """
    pixels = np.asarray(images, dtype=np.float64)
    if pixels.ndim != 3 or min(pixels.shape[1:]) < CELLS:
        raise UsageError(
            f"images must have shape (n, height, width) with sides of {CELLS} pixels or more but "
            f"have {pixels.shape}: give a function of your own"
        )
    down, right = np.gradient(pixels, axis=(1, 2))
    strength = np.hypot(down, right)
    direction = np.floor(np.arctan2(down, right) / np.pi * ORIENTATIONS).astype(int) % ORIENTATIONS
    rows, columns = (np.arange(CELLS) * side // CELLS for side in pixels.shape[1:])
    histogram = np.stack(
        [_added_in_cells(strength * (direction == k), rows, columns) for k in range(ORIENTATIONS)],
        axis=-1,
    ).reshape(len(pixels), -1)
    length = np.sqrt((histogram**2).sum(axis=1, keepdims=True))
    return np.asarray(histogram / np.where(length > 0, length, 1.0))


def _added_in_cells(values: Floats, rows: NDArray[Any], columns: NDArray[Any]) -> Floats:
    return np.add.reduceat(np.add.reduceat(values, rows, axis=1), columns, axis=2)
