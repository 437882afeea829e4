"""What the interactive viewer of the report needs: NiiVue itself, and small volumes to show.

Owns: taking NiiVue's JavaScript out of the installed ipyniivue, and cutting a case to what is worth showing.
Does not own: the page and its script (`report`).

Everything is text in the page, so that it opens from disk with no network. Volumes are whole NIfTI files.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from importlib.metadata import distribution

import deflate
import nibabel as nib
import numpy as np

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.measures import bounding_box
from cordstudy.pipeline.raw.volumes import volume_bytes
from cordstudy.pipeline.report.figures import Case

MARGIN_MM = (18.0, 18.0, 6.0)
"""What is shown around all masks of a case."""
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
    script = package.locate_file(f"{PACKAGE}/static/widget.js").read_text(encoding="utf-8")
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


def volumes(case: Case) -> dict[str, str]:
    """The image (8 bits) and the masks of a case about what they hold, each a .nii.gz in base64.

    Only every n-th voxel along an axis where it would be more than `MOST_VOXELS`.
    """
    held = np.any(list(case.masks.values()), axis=0)
    box = bounding_box(held if held.any() else ~held)
    cut = tuple(
        slice(max(0, one.start - round(margin / mm)), min(size, one.stop + round(margin / mm)))
        for one, margin, mm, size in zip(box, MARGIN_MM, case.spacing_mm, case.voxels.shape)
    )
    step = 1
    while np.prod([-(-(one.stop - one.start) // step) for one in cut]) > MOST_VOXELS:
        step += 1
    cut = tuple(slice(one.start, one.stop, step) for one in cut)
    affine = case.image.affine.copy()
    affine[:3, 3] = nib.affines.apply_affine(case.image.affine, [one.start for one in cut])
    affine[:3, :3] *= step
    shown = case.voxels[cut].astype(float)
    low, high = np.percentile(shown, (0.5, 99.5))
    grey = np.clip((shown - low) / max(high - low, 1e-9) * 255, 0, 255).round()
    arrays = {"image": grey, **{name: mask[cut] for name, mask in case.masks.items()}}
    return {
        name: base64.b64encode(
            volume_bytes(nib.Nifti1Image(array.astype(np.uint8), affine))
        ).decode()
        for name, array in arrays.items()
    }


def centre_mm(case: Case) -> list[float]:
    """The place to look at first: the middle of the reference, of the image where it is empty."""
    mask = case.masks["reference"]
    places = np.argwhere(mask)
    middle = places[len(places) // 2] if len(places) else np.array(mask.shape) // 2
    return [round(float(one), 2) for one in nib.affines.apply_affine(case.image.affine, middle)]
