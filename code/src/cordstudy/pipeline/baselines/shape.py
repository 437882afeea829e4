"""The `shape` step: the mean shape of the training masks, outlined in every test image.

Owns: the shape, fitting it to masks, drawing it on the grid of an image.
Does not own: which image becomes which mask (`raw.predictions`).

A baseline that looks at no voxel of an image: what it reaches is what can be reached by knowing
where structures lie in images like those of the training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.pipeline.raw.grids import RPI, from_orientation, on_grid_of, to_orientation
from cordstudy.pipeline.raw.layout import read_cases
from cordstudy.pipeline.raw.mask_values import cut
from cordstudy.pipeline.raw.names import TRAIN, mask_path
from cordstudy.pipeline.raw.predictions import masks_option, room_for_masks
from cordstudy.pipeline.raw.volumes import read_volume, scaled, volume_bytes

LEVELS = 64
"""Heights at which a shape is known, from the bottom of an image to its top."""
Floats = NDArray[np.float64]
Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Shape:
    """Round slices: at each level of an image, what holds for the mean of some masks."""

    share: Floats
    """Of the masks, how many have voxels at a level."""
    middle: Floats
    """Where its middle is, two columns: as shares of the image's width and depth."""
    area_mm2: Floats


def fit(masks: Iterable[tuple[Mask, Sequence[float]]]) -> Shape:
    """The mean shape of masks in RPI, each with its spacing in mm. Raises StudyError for none."""
    count, held = 0, np.zeros(LEVELS)
    middle, area_mm2 = np.zeros((LEVELS, 2)), np.zeros(LEVELS)
    for mask, spacing_mm in masks:
        count += 1
        for level in range(LEVELS):
            place = np.argwhere(mask[:, :, _slice_at(level, mask.shape[2])])
            if len(place):
                held[level] += 1
                middle[level] += (place.mean(axis=0) + 0.5) / mask.shape[:2]
                area_mm2[level] += len(place) * spacing_mm[0] * spacing_mm[1]
    if not held.any():
        raise StudyError("the masks to learn a shape from are empty, or none", hint="see cases.tsv")
    found = np.maximum(held, 1)
    return Shape(held / count, middle / found[:, None], area_mm2 / found)


def _slice_at(level: int, slices: int) -> int:
    return int((level + 0.5) / LEVELS * slices)


def draw(shape: Shape, size: Sequence[int], spacing_mm: Sequence[float]) -> Mask:
    """The shape in an image of some size: a disc in each slice where half of the masks had any."""
    mask = np.zeros(size, np.uint8)
    for number in range(size[2]):
        level = int((number + 0.5) / size[2] * LEVELS)
        if shape.share[level] >= 0.5:
            across, deep = (_distances_mm(shape, level, axis, size, spacing_mm) for axis in (0, 1))
            squared = across[:, None] ** 2 + deep[None, :] ** 2
            mask[:, :, number] = squared <= shape.area_mm2[level] / math.pi
    return mask


def _distances_mm(
    shape: Shape, level: int, axis: int, size: Sequence[int], spacing_mm: Sequence[float]
) -> Floats:
    """How far the voxels along an axis are from the middle of the structure."""
    middles = np.arange(size[axis]) + 0.5
    apart = middles - shape.middle[level, axis] * size[axis]
    return np.asarray(apart * float(spacing_mm[axis]))


def training_masks(dataset: Path) -> Iterable[tuple[Mask, Sequence[float]]]:
    """The masks that a raw dataset has to train on, in RPI, each with its spacing."""
    for case in read_cases(dataset):
        if case.is_to_train:
            path = dataset / mask_path(TRAIN, case.case_id)
            image = to_orientation(read_volume(path), RPI)
            yield cut(scaled(image), path), image.header.get_zooms()[:3]


def outlined(shape: Shape, image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The shape as a mask on the grid of an image."""
    turned = to_orientation(image, RPI)
    drawn = draw(shape, turned.shape, turned.header.get_zooms()[:3])
    return on_grid_of(from_orientation(drawn, RPI, image).astype(np.uint8), image)


@click.command("shape")
@click.argument("training", type=click.Path(path_type=Path, exists=True))
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@masks_option
def command(training: Path, datasets: tuple[Path, ...], out: Path) -> None:
    """Outline the mean shape of the TRAINING masks in the test images of raw DATASETS.

    \b
    Example:
      code/study run --dry-run shape:mean-shape     tells the whole command of a study
    """
    shape = fit(training_masks(training))
    for image, mask in room_for_masks(datasets, out):
        write_file(mask, volume_bytes(outlined(shape, read_volume(image))))
