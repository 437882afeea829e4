"""Two small BIDS folders as somebody has them on a disk: no dataset of DataLad's, images of noise
with a bright cord, masks in derivatives."""

import json
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (40, 40, 16)
VOXEL_MM = (1.5, 1.5, 2.5)


def write_bids(
    folder: Path, *, people: int, ending: str = "_seg", contrasts: tuple[str, ...] = ("T2w",)
) -> Path:
    """A BIDS folder of so many people with an image and a mask of each contrast."""
    rows = ["participant_id\tgender\tage\tdiagnosis"]
    for number in range(1, people + 1):
        name = f"sub-{number:02}"
        rows.append(f"{name}\t{'FM'[number % 2]}\t{20 + number}\tHC")
        for contrast in contrasts:
            image, mask = _image_and_mask(zlib.crc32(f"{folder.name}/{name}/{contrast}".encode()))
            stem = f"{name}/anat/{name}_{contrast}"
            _save(folder / f"{stem}.nii.gz", image)
            _save(folder / f"derivatives/labels/{stem}{ending}.nii.gz", mask)
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    description = {"Name": folder.name, "BIDSVersion": "1.9.0", "License": "CC0"}
    (folder / "dataset_description.json").write_text(json.dumps(description))
    return folder


def _image_and_mask(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright cord from the first slice to the last, and where that is."""
    x, y, _ = np.indices(SHAPE)
    centre = 18 + seed % 4
    mask = ((x - centre) ** 2 + (y - 20) ** 2 <= 16).astype(np.uint8)
    noise = np.random.default_rng(seed).normal(100, 10, SHAPE)
    return (noise + 200 * mask).astype(np.int16), mask


def _save(path: Path, voxels: np.ndarray) -> None:
    image = nib.Nifti1Image(voxels, np.diag((*VOXEL_MM, 1.0)))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
