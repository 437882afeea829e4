"""How a scanner sees an anatomy: contrasts, grids, artefacts.

Owns: the tissue table of each contrast, the voxel grid of an acquisition, partial
volume, distortion, bias field, ghost and noise.
Does not own: the anatomy (`anatomy`, `tissues`), nor which acquisitions a data set has
(`originals`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cordstudy.pipeline.phantom.anatomy import Anatomy
from cordstudy.pipeline.phantom.tissues import INDEX, TISSUES, Values, frame, is_cord, tissue_at

Shape = tuple[int, int, int]
Volume = NDArray[np.float32]
Matrix = NDArray[np.float64]

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
SPREAD = {
    "vessel": 0.8,
    "clutter": 0.5,
    "mucosa": 0.5,
    "fat": 0.35,
    "marrow": 0.35,
    "disc": 0.35,
    "muscle": 0.25,
}
"""How much the signal of a tissue differs between sessions: of its logarithm, one deviation."""
USUAL_SPREAD = 0.15
SAMPLE_MM = 1.7
"""How far apart the samples of a voxel may lie."""


@dataclass(frozen=True)
class Acquisition:
    """One image of a data set: contrast, grid and artefacts.

    `shape` counts voxels and `spacing_mm` is in mm along right, anterior and superior;
    `orientation` is how the file stores them (nibabel axis codes).
    """

    contrast: str
    shape: Shape
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

    image: Volume
    cord: Volume
    affine: Matrix


def acquire(anatomy: Anatomy, acquisition: Acquisition, rng: np.random.Generator) -> Scan:
    """Image one anatomy once. The mask follows every geometric distortion of the image."""
    affine = _affine(acquisition, rng)
    table = _tissue_table(acquisition.contrast, rng)
    warp = _distortion(acquisition, rng)
    image, cord = _integrate(anatomy, acquisition, affine, table, warp)
    degraded = _degrade(image, acquisition, rng)
    return Scan(image=degraded.astype(np.float32), cord=cord.astype(np.float32), affine=affine)


def _tissue_table(contrast: str, rng: np.random.Generator) -> Volume:
    """Signal a tissue code; scanners and protocols differ, so each session draws its own."""
    means = np.array((3, *SIGNAL[contrast]), np.float64)
    spread = np.array([SPREAD.get(name, USUAL_SPREAD) for name in TISSUES])
    drawn = means * np.exp(spread * rng.standard_normal(len(means)))
    grey_over_white = means[INDEX["grey"]] / means[INDEX["white"]]
    drawn[INDEX["grey"]] = drawn[INDEX["white"]] * grey_over_white ** rng.uniform(0.4, 1.2)
    return np.minimum(drawn, 255.0).astype(np.float32)


def _affine(acquisition: Acquisition, rng: np.random.Generator) -> Matrix:
    """RAS affine: the field of view about the neck, a little rotated and shifted."""
    about_x, about_y, about_z = np.deg2rad(rng.uniform(-1, 1, 3) * acquisition.oblique_deg)
    affine = np.eye(4)
    affine[:3, :3] = _rotation(about_x, about_y, about_z) * np.array(acquisition.spacing_mm)
    middle = (np.array(acquisition.shape) - 1) / 2
    centre = np.array(acquisition.centre_mm) + rng.uniform(-6, 6, 3)
    affine[:3, 3] = centre - affine[:3, :3] @ middle
    return np.round(affine, 4)


def _rotation(about_x: float, about_y: float, about_z: float) -> Matrix:
    """The product of three rotations, each by an angle in radians; 3 × 3."""
    cx, sx = np.cos(about_x), np.sin(about_x)
    cy, sy = np.cos(about_y), np.sin(about_y)
    cz, sz = np.cos(about_z), np.sin(about_z)
    around_x: Matrix = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    around_y: Matrix = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_z: Matrix = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return around_x @ around_y @ around_z


def _distortion(acquisition: Acquisition, rng: np.random.Generator) -> Values:
    """Displacement along the phase axis (y), mm, one value a voxel column (x, 1, z)."""
    x, _, z = acquisition.shape
    field: Values = ndimage.gaussian_filter(rng.standard_normal((x, z)), (14, 1.2), mode="wrap")
    displacement: Values = acquisition.distortion_mm * field / (field.std() + 1e-6)
    return displacement[:, np.newaxis, :]


def _integrate(
    anatomy: Anatomy, acquisition: Acquisition, affine: Matrix, table: Volume, warp: Values
) -> tuple[Volume, Volume]:
    """Mean signal and cord share of every voxel, from samples spread through it."""
    shape = acquisition.shape
    samples = [max(1, round(spacing / SAMPLE_MM)) for spacing in acquisition.spacing_mm]
    signal, cord = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    axes = [np.arange(count, dtype=np.float32) for count in shape]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    single_affine, single_warp = affine.astype(np.float32), warp.astype(np.float32)
    for shift in _shifts(samples):
        i, j, k = (axis + np.float32(step) for axis, step in zip(grid, shift))
        x, y, z = _in_space(single_affine, i, j, k, shape)
        points = frame(anatomy, x, y + single_warp, z)
        signal += table[tissue_at(anatomy, points)]
        cord += is_cord(anatomy, points)
    count = np.float32(np.prod(samples))
    return signal / count, cord / count


def _shifts(samples: list[int]) -> Matrix:
    """From a voxel's centre to each of its samples, in voxels, of shape (all samples, 3)."""
    offsets = [(np.arange(count) + 0.5) / count - 0.5 for count in samples]
    return np.stack(np.meshgrid(*offsets, indexing="ij"), -1).reshape(-1, 3)


def _in_space(affine: Volume, i: Volume, j: Volume, k: Volume, shape: Shape) -> list[Volume]:
    """The coordinates x, y and z (mm) of voxel indices that broadcast to `shape`."""
    coordinates = []
    for row in affine[:3]:
        along = row[0] * i + row[1] * j + row[2] * k + row[3]
        coordinates.append(np.broadcast_to(along, shape))
    return coordinates


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Volume:
    """A smooth field of unit variance on a grid; `sigma` in voxels."""
    coarse = [max(2, int(np.ceil(length / sigma)) + 2) for length in shape]
    values = rng.standard_normal(coarse)
    factors = [length / short for length, short in zip(shape, coarse)]
    zoomed: Matrix = ndimage.zoom(values, factors, order=3, mode="nearest")
    scaled: Matrix = zoomed / (zoomed.std() + 1e-6)
    return scaled.astype(np.float32)


def _degrade(image: Values, acquisition: Acquisition, rng: np.random.Generator) -> Values:
    """Texture, point spread, coil sensitivity, ghost, Rician noise; signal about 0 to 1000."""
    image = image * (1 + rng.uniform(0.02, 0.09) * _smooth(rng, image.shape, 3))
    image = ndimage.gaussian_filter(image, rng.uniform(0.35, 0.75))
    image = image * _coil(acquisition.bias, image.shape, rng)
    if acquisition.ghost:
        strength = acquisition.ghost * rng.uniform(0.5, 1.5)
        image = image + strength * np.roll(image, image.shape[1] // 2, axis=1)
    level = acquisition.noise * rng.uniform(0.5, 1.6) * np.percentile(image, 95)
    real = rng.standard_normal(image.shape, dtype=np.float32) * level
    imaginary = rng.standard_normal(image.shape, dtype=np.float32) * level
    noisy: Values = np.sqrt((image + real) ** 2 + imaginary**2)
    return noisy * (rng.uniform(600, 1400) / np.percentile(noisy, 99))


def _coil(bias: float, shape: tuple[int, ...], rng: np.random.Generator) -> Values:
    """The sensitivity of a coil behind the neck: 1 where it lies, less and less evenly ahead."""
    y = np.linspace(0, 1, shape[1], dtype=np.float32)[np.newaxis, :, np.newaxis]
    uneven = bias * _smooth(rng, shape, 40) * 0.6
    return np.exp(uneven - rng.uniform(0, 2.2) * bias * y)
