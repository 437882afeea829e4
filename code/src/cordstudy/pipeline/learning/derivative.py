"""Masks of a test set as a BIDS derivative: on the images' own grids, each with its sidecar.

Owns: bringing the masks that a model made of converted images back to the images that those come
from; a folder that is whole or not there.
Does not own: names (`sources.mask_names`), or what sidecars and descriptions say (the caller).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file, write_json
from cordstudy.pipeline.learning.segmenter import with_header_of
from cordstudy.pipeline.raw.grids import described, voxels_on
from cordstudy.pipeline.raw.volumes import read, read_volume, volume_bytes
from cordstudy.pipeline.sources.names import ENDING


@dataclass(frozen=True)
class Mask:
    """One mask of a derivative."""

    pred: Path
    """The mask as a model made it, of the converted image."""
    image: Path
    """The image of the source, as it lies there."""
    name: str
    """Where the mask goes, relative to the derivative."""
    sidecar: Mapping[str, object]


def write_derivative(masks: Sequence[Mask], texts: Mapping[str, str], out: Path) -> list[Path]:
    """Write masks (uint8, 1 where the structure is) and texts, by their names, into a new folder;
    the paths of the masks.

    A mask has its image's grid and header, whatever way that runs. Raises StudyError, and leaves
    nothing, where the folder holds something, two masks have one name, or a mask is not on the
    grid of its image.
    """
    check_new(out)
    _check_names(masks)
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        for mask in masks:
            write_file(unfinished / mask.name, _brought_back(mask))
            stem = mask.name.removesuffix(ENDING)
            write_json(unfinished / f"{stem}.json", mask.sidecar)
        for name, text in texts.items():
            write_file(unfinished / name, text)
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return [out / mask.name for mask in masks]


def check_new(out: Path) -> None:
    """Raise StudyError for a folder that holds something, and for what is no folder."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise StudyError(f"{out}: no folder", hint="another --out")
    if out.is_dir() and any(out.iterdir()):
        raise StudyError(f"{out}: it is not empty", hint="another --out, or remove it")


def _check_names(masks: Sequence[Mask]) -> None:
    named: dict[str, Mask] = {}
    for mask in masks:
        other = named.setdefault(mask.name, mask)
        if other is not mask:
            raise StudyError(
                f"{other.image} and {mask.image} have one mask, {mask.name}",
                hint="have the source name them apart",
            )


def _brought_back(mask: Mask) -> bytes:
    """The file of a mask with the grid and header of its image."""
    volume, pred = read(mask.image), read_volume(mask.pred)
    voxels = voxels_on(pred, volume.image)
    if voxels is None:
        raise StudyError(
            f"{mask.pred}: not on the grid of {mask.image}: {described(pred)}, "
            f"the image {described(volume.image)}",
            hint="is the source at its pin? code/study inputs",
        )
    return volume_bytes(with_header_of(volume.original, voxels.astype(np.uint8)))
