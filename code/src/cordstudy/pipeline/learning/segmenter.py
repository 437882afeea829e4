"""Segmenting any NIfTI image with trained models, on the image's own grid.

Owns: bringing an image to the orientation that models are trained in, its mask back, and what is
told of a mask that may be wrong.
Does not own: inference (`predictor`), or what an image must be (`raw.volumes`).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import nibabel as nib
import numpy as np

from cordstudy.base.errors import StudyError, inline
from cordstudy.base.tables import write_file, write_json
from cordstudy.pipeline.raw.dataset_json import SIDES, Segmented, read_segmented
from cordstudy.pipeline.raw.grids import Voxels, axcodes, from_orientation, to_orientation
from cordstudy.pipeline.raw.headers import NO_IMAGE
from cordstudy.pipeline.raw.volumes import (
    check_contrast,
    read,
    read_volume,
    volume_bytes,
)

ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Segmenting:
    """A trained model as it segments: the name of its folder of masks, its own folder, and the
    settings of `predictor`; and what a mask's sidecar tells of it."""

    name: str
    folder: Path
    folds: tuple[int, ...]
    mirror_axes: tuple[int, ...]
    tile_step: float
    about: Mapping[str, object]

    @property
    def settings(self) -> tuple[tuple[int, ...], tuple[int, ...], float]:
        """What models that segment together have in common."""
        return self.folds, self.mirror_axes, self.tile_step


def output_path(image: Path, out: Path, model: str = "") -> Path:
    """Where the mask of an image goes: its name with `_seg`, in a folder of the model's where there
    are several."""
    stem = ENDING.sub("", image.name)
    return out / model / f"{stem}_seg.nii.gz"


def _untold(_: int) -> None:
    """Say nothing."""


class _Telling(Sequence[Path]):
    """Images that tell when one of them is begun."""

    def __init__(self, images: Sequence[Path], tell: Callable[[int], None]) -> None:
        self.images, self.tell = images, tell

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: Any) -> Any:
        return self.images[number]

    def __iter__(self) -> Iterator[Path]:
        for number, image in enumerate(self.images):
            self.tell(number)
            yield image


def segment(
    models: Sequence[Segmenting],
    images: Sequence[Path],
    out: Path,
    *,
    program: Mapping[str, object],
    tell: Callable[[int], None] = _untold,
) -> list[Path]:
    """Write a mask (uint8, 1 where the structure is) of each image by each model into `out`, and
    beside it a sidecar; the paths of the masks.

    `program` is what the sidecar tells of who calls; `tell` is told the number of each image as it
    begins. All images are read before anything is written. Raises StudyError for an image that is
    no 3D NIfTI or shows nothing, and where two images would have one mask; OSError where nothing
    can be written, before it segments. A mask that is empty, or touches the border of the image at
    a side where the structure rarely leaves it, is told on stderr and in the sidecar. A mask that
    is there is replaced, a link by a file: never what it leads to.
    """
    _check_names(images, out, [model.name for model in models])
    tasks = [read_segmented(model.folder) for model in models]
    with tempfile.TemporaryDirectory() as scratch:
        masks: dict[tuple[int, int], Path] = {}  # by the numbers of image and model
        turned: dict[str, list[Path]] = {}
        for orientation in dict.fromkeys(task.orientation for task in tasks):
            turned[orientation] = []
            for number, image in enumerate(images):
                copy = Path(scratch) / f"{orientation}_{number:04d}.nii.gz"
                _turn(image, copy, orientation)
                turned[orientation].append(copy)
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):  # can it be written? Segmenting may take an hour
            pass
        for orientation, copies in turned.items():
            alike = [n for n, task in enumerate(tasks) if task.orientation == orientation]
            outputs = [_scratch_masks(copy, len(alike)) for copy in copies]
            with _named(dict(zip(copies, images))):
                _predict([models[n] for n in alike], _Telling(copies, tell), outputs)
            for number, of_image in enumerate(outputs):
                masks |= {(number, n): mask for n, mask in zip(alike, of_image)}
        written = []
        for number, image in enumerate(images):
            for n, (model, task) in enumerate(zip(models, tasks)):
                output = output_path(image, out, model.name if len(models) > 1 else "")
                made_by = [program, model.about]
                _bring_back(masks[number, n], image, output, task=task, made_by=made_by)
                written.append(output)
    return written


def _predict(
    models: Sequence[Segmenting], turned: Sequence[Path], masks: Sequence[Sequence[Path]]
) -> None:
    """Write the masks of turned images, one a model: those that segment alike together."""
    from cordstudy.pipeline.learning.predictor import predict_files  # nnU-Net: 5 s to import

    for settings in dict.fromkeys(model.settings for model in models):
        alike = [number for number, model in enumerate(models) if model.settings == settings]
        folds, mirror_axes, tile_step = settings
        predict_files(
            [models[number].folder for number in alike],
            turned,
            [[of_image[number] for number in alike] for of_image in masks],
            folds=folds,
            mirror_axes=mirror_axes,
            tile_step=tile_step,
        )


@contextmanager
def _named(copies: Mapping[Path, Path]) -> Iterator[None]:
    """Have an error name the image that a copy is of."""
    try:
        yield
    except StudyError as error:
        message = str(error)
        for copy, image in copies.items():
            message = message.replace(str(copy), str(image))
        raise StudyError(message, hint=error.hint) from error


def _scratch_masks(turned: Path, count: int) -> list[Path]:
    """Where the masks of a turned image go, one a model."""
    stem = turned.name.removesuffix(".nii.gz")
    return [turned.with_name(f"{stem}_{number}.nii.gz") for number in range(count)]


def _check_names(images: Sequence[Path], out: Path, models: Iterable[str]) -> None:
    """Raise StudyError where two images would have one mask, where a mask would replace an image,
    and where there can be no folder for them."""
    named: dict[Path, Path] = {}
    for image in images:
        other = named.setdefault(output_path(image, out), image)
        if other is not image:
            raise StudyError(
                f"{other} and {image} have one name, so one mask in {out}",
                hint="segment them one by one",
            )
    given = {image.resolve() for image in images}
    for image in images:
        for model in ("", *models):
            output = output_path(image, out, model)
            if output.resolve() in given and not output.is_symlink():
                raise StudyError(
                    f"{output}: the mask of {image} would replace an image", hint="another --out"
                )
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise StudyError(f"{out}: no folder, as {there} is a file", hint="another --out")


def _turn(image: Path, copy: Path, orientation: str) -> None:
    """Write a copy of an image in an orientation that models are trained in."""
    volume = read(image)
    check_contrast(volume, image)
    write_file(copy, volume_bytes(to_orientation(volume.image, axcodes(orientation))))


def _bring_back(
    mask: Path,
    image: Path,
    output: Path,
    *,
    task: Segmented,
    made_by: Sequence[Mapping[str, object]],
) -> None:
    """Write a mask in the orientation, and with the header, of the image that it is of; a sidecar
    of another mask goes first, so that none is ever beside a mask that it does not tell of."""
    volume = read(image)
    sidecar = output.with_name(f"{output.name.removesuffix('.nii.gz')}.json")
    sidecar.unlink(missing_ok=True)
    turned = np.asarray(read_volume(mask).dataobj)
    codes = axcodes(task.orientation)
    voxels = from_orientation(turned, codes, volume.image).astype(np.uint8)
    write_file(output, volume_bytes(with_header_of(volume.original, voxels)))
    borders = touched(turned, task.orientation)
    _write_sidecar(sidecar, image, made_by=made_by, empty=not turned.any(), borders=borders)
    for remark in _remarks(turned, borders, task):
        click.echo(f"warning: {inline(output)}: {remark}", err=True)


def with_header_of(original: nib.Nifti1Image, voxels: Voxels) -> nib.Nifti1Image:
    """A mask at the places of an image, in whatever unit and version of NIfTI that has."""
    header = original.header.copy()
    header.set_data_dtype(np.uint8)
    header["cal_max"] = header["cal_min"] = 0
    if int(header["intent_code"]) in NO_IMAGE:
        header.set_intent("none")
    made = type(original)(voxels, original.affine, header)
    made.header.set_slope_inter(1, 0)
    return made


def touched(mask: Voxels, orientation: str) -> list[str]:
    """The sides at which a mask in an orientation touches the border of the field of view."""
    sides = []
    for axis, (first, last) in enumerate(zip(orientation, axcodes(orientation))):
        for index, letter in ((0, first), (-1, last)):
            if np.take(mask, index, axis=axis).any():
                sides.append(SIDES[letter])
    return sides


def _remarks(mask: Voxels, borders: Sequence[str], task: Segmented) -> list[str]:
    """What a person should look at."""
    if not mask.any():
        return [f"the mask is empty: nothing of the {task.structure} was found"]
    unexpected = [side for side in borders if side not in task.leaves]
    if not unexpected:
        return []
    return [f"the mask touches the border of the image ({', '.join(unexpected)})"]


def _write_sidecar(
    sidecar: Path,
    image: Path,
    *,
    made_by: Sequence[Mapping[str, object]],
    empty: bool,
    borders: Sequence[str],
) -> None:
    """Write what is known of a mask beside it, in BIDS' words."""
    content = {
        "GeneratedBy": list(made_by),
        "Sources": [image.name],
        "SpatialReference": image.name,
        "Empty": empty,
        "TouchesBorder": list(borders),
    }
    write_json(sidecar, content)
