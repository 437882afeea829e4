"""What the interactive viewer of the report needs: NiiVue itself, and small volumes to show.

Owns: taking NiiVue's JavaScript out of the installed ipyniivue, and cutting a picture to what is
worth showing.
Does not own: the page and its script (`page`).

Everything is text in the page, so that it opens from disk with no network. Volumes are whole NIfTI
files.
"""

from __future__ import annotations

import base64
import math
import re
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import deflate
import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.affines import apply_affine
from scipy import ndimage

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.masks import Mask, bounding_box
from cordstudy.pipeline.raw.volumes import volume_bytes
from cordstudy.pipeline.report.pictures import Picture

MARGIN_MM = (18.0, 18.0, 6.0)
"""What is shown around all masks of a picture."""
MOST_VOXELS = 250_000
PACKAGE = "ipyniivue"


@dataclass(frozen=True)
class Viewer:
    """NiiVue: its module, compressed (gzip) and in base64, its version and licence."""

    module: str
    version: str
    licence: str


def niivue() -> Viewer:
    """NiiVue as ipyniivue ships it, with its class exported beside the notebook widget.

    Raises StudyError where the file is not as in the version that the lock pins.
    """
    package = distribution(PACKAGE)
    widget = Path(str(package.locate_file(f"{PACKAGE}/static/widget.js")))
    script = widget.read_text(encoding="utf-8")
    made = re.search(r'"Creating new Niivue instance".{0,100}?=new (\w+)\(', script)
    exported = re.search(r"export\{(\w+) as default\};?\s*$", script)
    version = re.search(r'name:"@niivue/niivue",version:"([\d.]+)"', script)
    if not (made and exported and version):
        raise StudyError(
            f"{PACKAGE} {package.version}: NiiVue is not where it was", hint="make -C code env"
        )
    script = f"{script[: exported.start()]}export{{{made[1]} as Niivue}};"
    licence = next(file for file in package.files or () if file.name == "LICENSE")
    packed = deflate.gzip_compress(script.encode(), 12)
    return Viewer(base64.b64encode(packed).decode(), version[1], licence.read_text("utf-8").strip())


def volumes(picture: Picture) -> dict[str, str]:
    """The image (8 bits) and the outlines of the masks of a picture about what they hold, each a
    .nii.gz in base64.

    Only every n-th voxel along an axis where it would be more than `MOST_VOXELS`.
    """
    cut, step = _cut(picture)
    affine = picture.image.affine.copy()
    first = [part.start for part in cut]
    affine[:3, 3] = apply_affine(picture.image.affine, first)
    affine[:3, :3] *= step
    packed = {"image": _packed(_grey(picture.voxels[cut]), affine)}
    for name, mask in picture.masks.items():
        packed[name] = _packed(_outline(mask[cut]), affine)
    return packed


def _outline(mask: Mask) -> Mask:
    """The voxels of a mask at its edge in their axial slice: filled masks would hide the image, and
    one over another have a colour of neither."""
    in_slice = np.ones((3, 3, 1), bool)
    return np.asarray(mask & ~ndimage.binary_erosion(mask, in_slice))


def _cut(picture: Picture) -> tuple[tuple[slice, ...], int]:
    """What is shown: the box about all masks with a margin, and every how many-th voxel of it."""
    held = picture.any_mask
    box = bounding_box(held if held.any() else ~held)
    shape = picture.voxels.shape
    wide = []
    for part, margin, mm, size in zip(box, MARGIN_MM, picture.spacing_mm, shape):
        margin_voxels = round(margin / mm)
        wide.append((max(0, part.start - margin_voxels), min(size, part.stop + margin_voxels)))
    step = 1
    while math.prod(-(-(stop - start) // step) for start, stop in wide) > MOST_VOXELS:
        step += 1
    return tuple(slice(start, stop, step) for start, stop in wide), step


def _grey(voxels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Values from 0 to 255, but for the few darkest and brightest."""
    shown = voxels.astype(float)
    low, high = np.percentile(shown, (0.5, 99.5))
    return np.asarray(np.clip((shown - low) / max(high - low, 1e-9) * 255, 0, 255).round())


def _packed(voxels: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> str:
    """A volume of 8 bits as a .nii.gz in base64."""
    image = nib.Nifti1Image(voxels.astype(np.uint8), affine)
    return base64.b64encode(volume_bytes(image)).decode()


def centre_mm(picture: Picture) -> list[float]:
    """The place to look at first: the voxel of the reference that is nearest to its centroid, the
    middle of the image where it is empty."""
    mask = picture.masks["reference"]
    places = np.argwhere(mask)
    middle = np.array(mask.shape) // 2
    if len(places):
        away_mm = (places - places.mean(axis=0)) * picture.spacing_mm
        middle = places[np.hypot.reduce(away_mm, axis=1).argmin()]
    return [round(float(mm), 2) for mm in apply_affine(picture.image.affine, middle)]
