"""Segmenting any NIfTI image with trained models, on the image's own grid.

Owns: bringing an image to the orientation that models are trained in, and its mask back.
Does not own: inference (`predictor`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import nibabel as nib
import numpy as np

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.pipeline.raw.volumes import RPI, read_volume, to_orientation


def output_path(image: Path, out: Path, model: str = "") -> Path:
    """Where the mask of an image goes: its name with `_seg`, in a folder of the model's where there
    are several."""
    stem = image.name.removesuffix(".gz").removesuffix(".nii")
    return out / model / f"{stem}_seg.nii.gz"


def segment(
    models: Mapping[str, Path],
    images: Sequence[Path],
    out: Path,
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> list[Path]:
    """Write a mask (uint8, 1 where the cord is) of each image by each model into `out`; the paths.

    `models` are folders by name. All images are read before anything is written. Raises StudyError
    for an image that is no 3D NIfTI, and where two images would have one mask. A mask that is there
    is replaced, a link by a file: never what it leads to.
    """
    from cordstudy.pipeline.learning.predictor import predict_files  # nnU-Net: 5 s to import

    folders = list(models) if len(models) > 1 else [""]
    _check_names(images, out)
    turned_images, scratch_masks = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for number, image in enumerate(images):
            turned = Path(scratch) / f"{number:04d}.nii.gz"
            _turn(image, turned)
            turned_images.append(turned)
            stem = f"{number:04d}"
            scratch_masks.append([Path(scratch, f"{stem}_{k}.nii.gz") for k in range(len(models))])
        predict_files(
            list(models.values()),
            turned_images,
            scratch_masks,
            folds=folds,
            mirror_axes=mirror_axes,
            tile_step=tile_step,
        )
        written = []
        for image, masks in zip(images, scratch_masks):
            for mask, folder in zip(masks, folders):
                output = output_path(image, out, folder)
                _bring_back(mask, image, output)
                written.append(output)
    return written


def _check_names(images: Sequence[Path], out: Path) -> None:
    """Raise StudyError where two images would have one mask."""
    if len({output_path(image, out) for image in images}) < len(images):
        raise StudyError(
            f"two of the images have one name, so one mask in {out}",
            hint="segment them one by one",
        )


def _turn(image: Path, copy: Path) -> None:
    """Write a copy of an image in the orientation that models are trained in."""
    turned = to_orientation(read_volume(image), RPI)
    turned.set_qform(turned.affine, strip_shears=True)  # ITK reads no sheared axes
    turned.set_sform(turned.get_qform())
    nib.save(turned, copy)


def _bring_back(mask: Path, image: Path, output: Path) -> None:
    """Write a mask in the orientation, and with the header, of the image that it is of."""
    original = _load_nifti(image)
    turned = to_orientation(_load_nifti(mask), nib.aff2axcodes(original.affine))
    header = original.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header["cal_max"] = header["cal_min"] = 0
    voxels = np.asanyarray(turned.dataobj).astype(np.uint8)
    nib.save(type(original)(voxels, original.affine, header), mask)
    write_file(output, mask.read_bytes())


def _load_nifti(path: Path) -> nib.Nifti1Image:
    """An image that is known to be NIfTI, of whichever version."""
    return cast(nib.Nifti1Image, nib.load(path))
