"""Segmenting any NIfTI image with a trained model, on the image's own grid.

Owns: bringing an image to the orientation that models are trained in, and its mask back.
Does not own: inference (`predictor`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from cordstudy.errors import StudyError
from cordstudy.pipeline.volumes import RPI, read_volume, to_orientation


def output_path(image: Path, out: Path) -> Path:
    """Where the mask of an image goes: its name with `_seg`."""
    return out / (image.name.removesuffix(".gz").removesuffix(".nii") + "_seg.nii.gz")


def segment(
    model: Path,
    images: Sequence[Path],
    out: Path,
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> list[Path]:
    """Write a mask (uint8, 1 where the cord is) for each image into `out`; their paths.

    All images are read before anything is written. Raises StudyError for an image that is no
    3D NIfTI, and where two images would have one mask.
    """
    from cordstudy.pipeline.predictor import predict_files  # nnU-Net: 5 s to import

    outputs = [output_path(image, out) for image in images]
    if len(set(outputs)) < len(outputs):
        raise StudyError(f"two of the images have one name, so one mask in {out}", hint="segment them one by one")
    with tempfile.TemporaryDirectory() as scratch:
        inputs = [Path(scratch) / f"{n:04d}.nii.gz" for n in range(len(images))]
        masks = [Path(scratch) / f"{n:04d}_mask.nii.gz" for n in range(len(images))]
        for image, copy in zip(images, inputs):
            turned = to_orientation(read_volume(image), RPI)
            turned.set_qform(turned.affine, strip_shears=True)  # ITK reads no sheared axes
            turned.set_sform(turned.get_qform())
            nib.save(turned, copy)
        predict_files(model, inputs, masks, folds=folds, mirror_axes=mirror_axes, tile_step=tile_step)
        for image, mask, output in zip(images, masks, outputs):
            original = nib.load(image)
            turned = to_orientation(nib.load(mask), nib.aff2axcodes(original.affine))
            header = original.header.copy()
            header.set_data_dtype(np.uint8)
            header.set_slope_inter(1, 0)
            header["cal_max"] = header["cal_min"] = 0
            output.parent.mkdir(parents=True, exist_ok=True)
            nib.save(type(original)(np.asanyarray(turned.dataobj).astype(np.uint8), original.affine, header), output)
    return outputs
