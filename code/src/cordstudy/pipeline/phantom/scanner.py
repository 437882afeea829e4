"""How a scanner sees an anatomy: contrasts, grids, artefacts.

Owns: the tissue table of each contrast, the voxel grid of an acquisition, partial
volume, distortion, bias field, ghost and noise.
Does not own: the anatomy (`anatomy`), nor which acquisitions a data set has (`phantom`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cordstudy.pipeline.phantom.anatomy import INDEX, TISSUES, Anatomy, frame, is_cord, tissue_at

# Mean signal of the tissues of `TISSUES` after air, which is 3. Relative values, after the look of
# each sequence at 3 T.
SIGNAL = {
    "T1w": (215, 88, 30, 125, 85, 42, 140, 122, 70, 95, 125, 100, 105),
    "T2w": (140, 38, 22, 68, 75, 220, 72, 84, 22, 135, 85, 95, 80),
    "T2star": (95, 72, 22, 48, 92, 195, 112, 145, 165, 160, 125, 110, 95),
    "MTon": (130, 52, 22, 55, 70, 165, 88, 104, 130, 115, 95, 85, 80),
    "MToff": (175, 95, 25, 85, 85, 78, 140, 128, 120, 118, 125, 105, 105),
    "DWI": (22, 34, 12, 22, 34, 22, 165, 150, 10, 145, 140, 40, 40),
    "UNIT1": (200, 95, 40, 130, 85, 22, 172, 135, 90, 110, 140, 90, 95),
    "EPI": (38, 58, 14, 30, 52, 190, 122, 138, 70, 150, 125, 70, 60),
}


@dataclass(frozen=True)
class Acquisition:
    """One image of a data set: contrast, grid and artefacts.

    `shape` counts voxels and `spacing_mm` is in mm along right, anterior and superior;
    `orientation` is how the file stores them (nibabel axis codes).
    """

    contrast: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    noise: float = 0.03
    bias: float = 0.3
    distortion_mm: float = 0.0
    ghost: float = 0.0
    oblique_deg: float = 6.0
    centre_mm: tuple[float, float, float] = (0.0, 6.0, 0.0)


@dataclass(frozen=True)
class Scan:
    """What came out: `image` (float32) and `cord` (share of the cord in each voxel, 0 to 1,
    float32), both in RAS order of shape (x, y, z), with their `affine` (4 x 4, mm)."""

    image: np.ndarray
    cord: np.ndarray
    affine: np.ndarray


def acquire(anatomy: Anatomy, acquisition: Acquisition, rng: np.random.Generator) -> Scan:
    """Image one anatomy once. The mask follows every geometric distortion of the image."""
    affine = _affine(acquisition, rng)
    table = _tissue_table(acquisition.contrast, rng)
    warp = _distortion(acquisition, rng)
    image, cord = _integrate(anatomy, acquisition, affine, table, warp)
    image = _degrade(image, acquisition, rng)
    return Scan(image=image.astype(np.float32), cord=cord.astype(np.float32), affine=affine)


def _tissue_table(contrast: str, rng: np.random.Generator) -> np.ndarray:
    """Signal a tissue code; scanners and protocols differ, so each session draws its own."""
    means = np.array((3, *SIGNAL[contrast]), np.float64)
    loose = {
        "vessel": 0.8,
        "clutter": 0.5,
        "mucosa": 0.5,
        "fat": 0.35,
        "marrow": 0.35,
        "disc": 0.35,
        "muscle": 0.25,
    }
    spread = np.array([loose.get(name, 0.15) for name in TISSUES])
    drawn = means * np.exp(spread * rng.standard_normal(len(means)))
    grey_over_white = means[INDEX["grey"]] / means[INDEX["white"]]
    drawn[INDEX["grey"]] = drawn[INDEX["white"]] * grey_over_white ** rng.uniform(0.4, 1.2)
    return np.minimum(drawn, 255.0).astype(np.float32)


def _affine(acquisition: Acquisition, rng: np.random.Generator) -> np.ndarray:
    """RAS affine: the field of view about the neck, a little rotated and shifted."""
    angle = np.deg2rad(rng.uniform(-1, 1, 3) * acquisition.oblique_deg)
    (cx, sx), (cy, sy), (cz, sz) = ((np.cos(a), np.sin(a)) for a in angle)
    rotation = (
        np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    )
    affine = np.eye(4)
    affine[:3, :3] = rotation * np.array(acquisition.spacing_mm)
    middle = (np.array(acquisition.shape) - 1) / 2
    centre = np.array(acquisition.centre_mm) + rng.uniform(-6, 6, 3)
    affine[:3, 3] = centre - affine[:3, :3] @ middle
    return np.round(affine, 4)


def _distortion(acquisition: Acquisition, rng: np.random.Generator) -> np.ndarray:
    """Displacement along the phase axis (y), mm, one value a voxel column (x, 1, z)."""
    x, _, z = acquisition.shape
    field = ndimage.gaussian_filter(rng.standard_normal((x, z)), (14, 1.2), mode="wrap")
    return (acquisition.distortion_mm * field / (field.std() + 1e-6))[:, None, :]


def _integrate(anatomy, acquisition, affine, table, warp) -> tuple[np.ndarray, np.ndarray]:
    """Mean signal and cord share of every voxel, from samples spread through it."""
    shape = acquisition.shape
    samples = [max(1, round(s / 1.7)) for s in acquisition.spacing_mm]
    signal, cord = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    offsets = [(np.arange(n) + 0.5) / n - 0.5 for n in samples]
    grid = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij", sparse=True)
    for shift in np.stack(np.meshgrid(*offsets, indexing="ij"), -1).reshape(-1, 3):
        i, j, k = (g + np.float32(s) for g, s in zip(grid, shift))
        m = affine.astype(np.float32)
        x, y, z = (
            np.broadcast_to(m[r, 0] * i + m[r, 1] * j + m[r, 2] * k + m[r, 3], shape)
            for r in range(3)
        )
        f = frame(anatomy, x, y + warp.astype(np.float32), z)
        signal += table[tissue_at(anatomy, f)]
        cord += is_cord(anatomy, f)
    count = np.float32(np.prod(samples))
    return signal / count, cord / count


def _smooth(rng: np.random.Generator, shape, sigma: float) -> np.ndarray:
    """A smooth field of unit variance on a grid; `sigma` in voxels."""
    coarse = [max(2, int(np.ceil(n / sigma)) + 2) for n in shape]
    values = rng.standard_normal(coarse)
    zoomed = ndimage.zoom(values, [n / c for n, c in zip(shape, coarse)], order=3, mode="nearest")
    return (zoomed / (zoomed.std() + 1e-6)).astype(np.float32)


def _degrade(image: np.ndarray, acquisition: Acquisition, rng: np.random.Generator) -> np.ndarray:
    """Texture, point spread, coil sensitivity, ghost, Rician noise; signal about 0 to 1000."""
    image = image * (1 + rng.uniform(0.02, 0.09) * _smooth(rng, image.shape, 3))
    image = ndimage.gaussian_filter(image, rng.uniform(0.35, 0.75))
    y = np.linspace(0, 1, image.shape[1], dtype=np.float32)[None, :, None]
    coil = np.exp(
        acquisition.bias * _smooth(rng, image.shape, 40) * 0.6
        - rng.uniform(0, 2.2) * acquisition.bias * y
    )
    image = image * coil
    if acquisition.ghost:
        image = image + acquisition.ghost * rng.uniform(0.5, 1.5) * np.roll(
            image, image.shape[1] // 2, axis=1
        )
    level = acquisition.noise * rng.uniform(0.5, 1.6) * np.percentile(image, 95)
    real, imaginary = (rng.standard_normal(image.shape, dtype=np.float32) * level for _ in range(2))
    noisy = np.sqrt((image + real) ** 2 + imaginary**2)
    return noisy * (rng.uniform(600, 1400) / np.percentile(noisy, 99))
