"""A small annexed source of four participants, and the steps that read it: what the tests of bad
sources share."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.convert import convert
from cordstudy.pipeline.sources.split import write_splits
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import rules_of
from helpers import run

SOURCE = "inputs/source"
IMAGE = "sub-a1/anat/sub-a1_T2w.nii.gz"
MASK = "derivatives/labels/sub-a1/anat/sub-a1_T2w_seg-manual.nii.gz"
SIDECAR = MASK.replace(".nii.gz", ".json")
PARTICIPANTS = "participants.tsv"
TOML = """\
[datasets.small]
number = 501
path = "inputs/source"
role = "train"
licence = "CC0"
images = ["anat/T2w"]
labels = "derivatives/labels"
mask = "{stem}_seg-manual"

[models]
small = ["small"]

[split]
seed = 1
test_fraction = 0.25
folds = 2

[plan]
configuration = "2d"

[train]
folds = [0]
seed = 1
epochs = 1
iterations = 1
validations = 1

[predict]
tile_step = 0.5
"""


def write_source(folder: Path) -> None:
    """Four participants with an image and a mask each, as a DataLad dataset."""
    run("datalad", "-l", "error", "create", folder, cwd=folder.parent)
    (folder / ".gitattributes").write_text(
        "* annex.backend=SHA256E\n* annex.largefiles=nothing\n*.nii.gz annex.largefiles=anything\n"
    )
    lines = ["participant_id\tsex\tage\tmanufacturer\tpathology"]
    for n, name in enumerate(("sub-a1", "sub-a2", "sub-b1", "sub-b2")):
        lines.append(f"{name}\tF\t{30 + n}\tSiemens\tHC")
        voxels = np.random.default_rng(n).integers(0, 900, (9, 8, 7)).astype(np.int16)
        save(folder / IMAGE.replace("sub-a1", name), volume(voxels))
        mask = np.zeros(voxels.shape, np.uint8)
        mask[3:5, 3:5, 2:6] = 1
        save(folder / MASK.replace("sub-a1", name), volume(mask))
        (folder / SIDECAR.replace("sub-a1", name)).write_text(
            '{"GeneratedBy": [{"Name": "Manual"}]}'
        )
    (folder / PARTICIPANTS).write_text("\n".join(lines) + "\n")
    (folder / "exclude.yml").write_text("motion:\n- sub-b2  # moved\n")
    run("datalad", "-l", "error", "save", "-m", "Add everything", cwd=folder)


def volume(voxels: np.ndarray, affine: np.ndarray | None = None) -> nib.Nifti1Image:
    """An image with 1 mm voxels from left to right, so that it needs turning."""
    image = nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    return image


def save(path: Path, image: nib.Nifti1Image) -> None:
    """Store an image in place of what is there; an annexed file is a link, never written
    through."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    nib.save(image, path)


def steps(folder: Path, toml: str = TOML) -> None:
    """Divide and convert, as the steps of a study with this TOML do."""
    (folder / "code/studies/small.toml").write_text(toml)
    study = load_study(folder, "small")
    rules = folder / "rules.json"
    rules.write_text(json.dumps(rules_of(study, "small").model_dump()))
    split, published = study.split, study.datasets["small"].split
    write_splits(
        [rules],
        Path("splits"),
        seed=split.seed,
        test_fraction=split.test_fraction,
        folds=split.folds,
        stratify=split.stratify,
        published_splits={"small": Path(published)} if published else {},
    )
    convert(rules, Path("splits/small.tsv"), Path("raw"))


def state_of(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Every file of the source and of what was converted before: where it leads, if it is a link,
    and its content, if that is here."""
    state = {}
    for place in (folder / SOURCE, folder / "raw"):
        for path in sorted(place.rglob("*")):
            if ".git" in path.parts or path.is_dir():
                continue
            target = str(path.readlink()) if path.is_symlink() else ""
            state[str(path)] = (target, path.read_bytes() if path.is_file() else b"")
    return state


def refused(folder: Path, toml: str) -> StudyError:
    """Divide and convert, expecting an error, and nothing changed; the error."""
    before = state_of(folder)
    assert before
    with pytest.raises(StudyError) as raised:
        steps(folder, toml)
    assert raised.value.hint, "an error says what to do"
    assert state_of(folder) == before
    assert not list(folder.glob(".raw.*"))
    return raised.value


def add(line: str) -> Callable[[str], str]:
    """A line more in the table of the dataset."""
    return lambda toml: toml.replace("[models]", f"{line}\n\n[models]")


FOLLOW = "exclude_file = { keys = { %s = 'all' } }"
