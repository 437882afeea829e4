"""The `phantom` step: a synthetic BIDS data set that stands in for a source of the study.

Owns: drawing the participants of a source and writing their images, masks and sidecars. Same seed,
same bytes.
Does not own: anatomy (`anatomy`, `tissues`), image formation (`scanner`), the table of originals
(`originals`), the other texts of a source (`descriptions`), nor the history that the tree is
committed to (`provenance`).
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import click
import nibabel as nib
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import DTypeLike
from scipy import ndimage

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import progress, workers
from cordstudy.base.tables import write_file
from cordstudy.pipeline.phantom.anatomy import Anatomy, draw_anatomy, generator
from cordstudy.pipeline.phantom.descriptions import (
    check_texts,
    dump,
    image_sidecar,
    mask_sidecar,
    write_texts,
)
from cordstudy.pipeline.phantom.originals import (
    LEAVE_OUT,
    NO_IMAGES,
    NO_MASK,
    ORIGINALS,
    SOFT_MASK,
    Image,
    Original,
    Person,
)
from cordstudy.pipeline.phantom.scanner import Acquisition, Scan, acquire
from cordstudy.pipeline.phantom.tissues import Values


def write_source(name: str, folder: Path, *, seed: int, participants: int | None = None) -> None:
    """Write one source as a BIDS tree into `folder`, which must be empty of data.

    `participants` keeps only so many that have everything, and one of each trouble.
    Raises StudyError for an unknown source, and for a folder with another dataset's texts.
    """
    if name not in ORIGINALS:
        known = ", ".join(ORIGINALS)
        raise StudyError(f"there is no phantom source {name!r}", hint=f"one of: {known}")
    original = _shorten(ORIGINALS[name], participants)
    check_texts(folder)
    write_texts(name, original, folder, seed)
    imaged = [person for person in original.participants if person.trouble != NO_IMAGES]
    with ProcessPoolExecutor(workers()) as pool:
        jobs = [pool.submit(_write_person, name, original, one, folder, seed) for one in imaged]
        for job in progress(as_completed(jobs), total=len(jobs), what=f"phantom {name}"):
            job.result()


def _shorten(original: Original, participants: int | None) -> Original:
    whole = [person for person in original.participants if not person.trouble]
    troubled = [person for person in original.participants if person.trouble]
    kept = sorted(whole[:participants] + troubled, key=lambda person: person.name)
    return replace(original, participants=tuple(kept))


def _write_person(name: str, original: Original, person: Person, folder: Path, seed: int) -> None:
    """All images of one participant."""
    anatomy = draw_anatomy(
        generator(seed, name, person.name),
        pathology=person.pathology,
        cord_scale=original.cord_scale,
    )
    for image in original.images:
        rng = generator(seed, name, person.name, image.entities)
        _write_image(original, person, image, anatomy, folder, rng)


def _write_image(
    original: Original,
    person: Person,
    image: Image,
    anatomy: Anatomy,
    folder: Path,
    rng: np.random.Generator,
) -> None:
    """One image with its sidecar and, unless the participant lacks it, its mask."""
    acquisition = _at_site(image.acquisition, rng)
    if person.trouble == LEAVE_OUT:
        acquisition = replace(acquisition, noise=acquisition.noise * 8, ghost=0.5)
    scan = acquire(anatomy, acquisition, rng)
    prefix, below = _names(original, person)
    stem = f"{prefix}_{image.entities}"
    place = folder / below / image.datatype
    _save(scan.image, scan, place / f"{stem}.nii.gz", acquisition.orientation, np.uint16)
    dump(image_sidecar(person, acquisition), place / f"{stem}.json")
    if image.datatype == "dwi":
        write_file(place / f"{stem}.bval", "800\n")
        write_file(place / f"{stem}.bvec", "0\n0\n1\n")
    if person.trouble != NO_MASK:
        _write_mask(original, person, image, scan, folder)


def _at_site(acquisition: Acquisition, rng: np.random.Generator) -> Acquisition:
    """The protocol as one site runs it: fields of view and voxel sizes differ between sites, and
    some take a thin slab."""
    x, y, z = acquisition.shape
    spacing_x, spacing_y, spacing_z = acquisition.spacing_mm
    wider = rng.uniform(0.85, 1.3)
    deeper = rng.uniform(0.85, 1.2)
    longer = rng.uniform(0.3, 1.1)
    return replace(
        acquisition,
        shape=(round(x * wider), round(y * deeper), round(z * longer)),
        spacing_mm=(
            round(spacing_x * rng.uniform(0.8, 1.15), 2),
            round(spacing_y * rng.uniform(0.8, 1.15), 2),
            round(spacing_z * rng.uniform(0.8, 1.15), 2),
        ),
    )


def _names(original: Original, person: Person) -> tuple[str, str]:
    """The prefix of file names and the folder of a participant (with its session)."""
    entities = [f"sub-{person.name}"]
    if original.session:
        entities.append(f"ses-{original.session}")
    return "_".join(entities), "/".join(entities)


def _write_mask(original: Original, person: Person, image: Image, scan: Scan, folder: Path) -> None:
    prefix, below = _names(original, person)
    stem = f"{prefix}_{image.entities}{original.mask_suffix}"
    if original.mask_suffix.startswith("_task"):  # it stands for the image's entities, too
        stem = f"{prefix}{original.mask_suffix}"
    path = folder / original.labels / below / image.datatype / f"{stem}.nii.gz"
    orientation = image.acquisition.orientation
    if person.trouble == SOFT_MASK:
        _save(np.round(_soft(scan.cord), 3), scan, path, orientation, np.float32)
    else:
        _save(scan.cord >= 0.5, scan, path, orientation, np.uint8)
    dump(mask_sidecar(image), path.with_name(f"{stem}.json"))


def _soft(cord: Values) -> Values:
    """A mask with a soft rim and the same voxels at 0.5 or more, where the cord's share of a
    voxel is all or nothing (thin voxels are sampled once)."""
    if ((cord > 0) & (cord < 1)).any():
        return cord
    blurred: Values = ndimage.gaussian_filter(cord, 0.6)
    return (cord + blurred) / 2


def _save(array: np.ndarray, scan: Scan, path: Path, orientation: str, dtype: DTypeLike) -> None:
    """Store RAS voxels in the orientation (axis codes) of the original."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # where it is an annexed file, its link: never write through it
    turn = ornt_transform(io_orientation(scan.affine), axcodes2ornt(orientation))
    values = np.rint(array) if np.issubdtype(dtype, np.integer) else array
    turned = nib.Nifti1Image(values.astype(dtype), scan.affine).as_reoriented(turn)
    turned.header.set_xyzt_units("mm", "sec")
    turned.set_sform(turned.affine, code=1)
    turned.set_qform(turned.affine, code=1)
    nib.save(turned, path)


@click.command("phantom")
@click.argument("source")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--seed", required=True, type=int, help="Seed of every random choice.")
@click.option("--participants", type=int, help="Keep only so many complete participants.")
def command(source: str, folder: Path, seed: int, participants: int | None) -> None:
    """Write the synthetic stand-in of SOURCE as a BIDS tree into FOLDER.

    \b
    Example:
      code/study phantom inspired ../stand-in --seed 1
    """
    write_source(source, folder, seed=seed, participants=participants)
