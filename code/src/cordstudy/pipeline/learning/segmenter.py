"""Segmenting any NIfTI image with trained models, on the image's own grid.

Owns: bringing an image to the orientation that models are trained in, and its mask back.
Does not own: inference (`predictor`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.pipeline.raw.volumes import RPI, read_volume, to_orientation


def output_path(image: Path, out: Path, model: str = "") -> Path:
    """Where the mask of an image goes: its name with `_seg`, in a folder of the model's where there are several."""
    return out / model / (image.name.removesuffix(".gz").removesuffix(".nii") + "_seg.nii.gz")


def segment(
    models: Mapping[str, Path],
    images: Sequence[Path],
    out: Path,
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> list[Path]:
    """Write a mask (uint8, 1 where the cord is) of each image by each model into `out`; their paths.

    `models` are folders by name. All images are read before anything is written. Raises StudyError for
    an image that is no 3D NIfTI, and where two images would have one mask. A mask that is there is replaced,
    a link by a file: never what it leads to.
    """
    from cordstudy.pipeline.learning.predictor import predict_files  # nnU-Net: 5 s to import

    names = list(models) if len(models) > 1 else [""]
    outputs = [[output_path(image, out, name) for name in names] for image in images]
    if len({paths[0] for paths in outputs}) < len(outputs):
        raise StudyError(
            f"two of the images have one name, so one mask in {out}", hint="segment them one by one"
        )
    with tempfile.TemporaryDirectory() as scratch:
        inputs = [Path(scratch) / f"{n:04d}.nii.gz" for n in range(len(images))]
        masks = [
            [Path(scratch) / f"{n:04d}_{k}.nii.gz" for k in range(len(models))]
            for n in range(len(images))
        ]
        for image, copy in zip(images, inputs):
            turned = to_orientation(read_volume(image), RPI)
            turned.set_qform(turned.affine, strip_shears=True)  # ITK reads no sheared axes
            turned.set_sform(turned.get_qform())
            nib.save(turned, copy)
        predict_files(
            list(models.values()),
            inputs,
            masks,
            folds=folds,
            mirror_axes=mirror_axes,
            tile_step=tile_step,
        )
        for image, made, paths in zip(images, masks, outputs):
            for mask, output in zip(made, paths):
                _bring_back(mask, nib.load(image), output)
    return [path for paths in outputs for path in paths]


def _bring_back(mask: Path, original: nib.Nifti1Image, output: Path) -> None:
    """Write a mask in the orientation, and with the header, of the image that it is of."""
    turned = to_orientation(nib.load(mask), nib.aff2axcodes(original.affine))
    header = original.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header["cal_max"] = header["cal_min"] = 0
    made = type(original)(np.asanyarray(turned.dataobj).astype(np.uint8), original.affine, header)
    nib.save(made, mask)
    write_file(output, mask.read_bytes())
