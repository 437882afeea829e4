"""A study of another structure than the cord, of its `[task]` table alone: every step, and what
comes out."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

import cc3d
import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from cordstudy.base.tables import read_table
from cordstudy.pipeline.learning.segmenter import Segmenting, segment
from cordstudy.pipeline.raw.grids import axcodes
from cordstudy.pipeline.raw.layout import read_cases
from cordstudy.pipeline.release.opening import opened
from cordstudy.study.loading import load_study
from cordstudy.study.parameters import parameter_files
from cordstudy.study.steps import steps
from helpers import REPOSITORY, run
from small_source import save

ORIENTATION = "AIL"
SHAPE = (22, 18, 20)
SPACING_MM = 4.0
STORED = {"hall": "RAS", "lake": "PIR"}
"""The sources, and how their images lie."""
TOOLBOX = "Spinal Cord Toolbox"
"""Takes models of other structures too."""
CORD = re.compile(r"\b(spinal|spine|cords?|csa|neck)\b|\bRPI\b|spinal_cord", re.IGNORECASE)
TOML = """\
[task]
structure = "kidneys"
question = "Does training on two hospitals make kidney segmentation generalize?"
orientation = "AIL"
largest_share = 0.5
components = "all"
areas = false
leaves = []
strata = ["vendor"]

[datasets.hall]
number = 501
path = "inputs/hall"
role = "train"
licence = "CC0"
images = ["anat/T2w"]
labels = "derivatives/labels"
mask = "{stem}_kidneys"

[datasets.lake]
number = 502
path = "inputs/lake"
role = "train"
licence = "CC0"
images = ["anat/T2w"]
labels = "derivatives/labels"
mask = "{stem}_kidneys"

[models]
both = { number = 601, datasets = ["hall", "lake"] }
hall = ["hall"]

[split]
seed = 1
test_fraction = 0.25
folds = 2

[plan]
configuration = "3d_fullres"

[plan.reduction]
spacing_mm = [4.0, 4.0, 4.0]
patch_size = [16, 16, 16]
batch_size = 2
features = [4, 8, 8]
convolutions = 1

[train]
folds = [0]
seed = 1
epochs = 2
iterations = 40
validations = 1

[predict]
tile_step = 1.0

[judge]
resamples = 500

[release]
licence = "CC0-1.0"
changes = "code/changes.md"
"""


def kidneys(number: int) -> tuple[np.ndarray, np.ndarray]:
    """An image from left to right, back to front, bottom to top with two bright spheroids; and
    which voxels those are."""
    rng = np.random.default_rng(number)
    places = np.stack(np.indices(SHAPE), axis=-1)
    mask = np.zeros(SHAPE, np.uint8)
    for across, height in ((5.0, 9.0), (16.0, 10.0)):
        middle = np.array([across, 8.0, height]) + rng.uniform(-1, 1, 3)
        radii = np.array([3.0, 3.0, 5.0]) + rng.uniform(-0.5, 0.5, 3)
        mask |= (((places - middle) / radii) ** 2).sum(axis=-1) <= 1
    noise = rng.normal(100, 10, SHAPE)
    return (noise + 300.0 * mask).astype(np.int16), mask


def stored(voxels: np.ndarray, codes: str) -> nib.Nifti1Image:
    """Such voxels as a file that lies another way."""
    image = nib.Nifti1Image(voxels, np.diag([SPACING_MM] * 3 + [1]))
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    turned = image.as_reoriented(turn)
    turned.set_sform(turned.affine, code=1)
    return turned


def write_source(folder: Path, codes: str) -> None:
    """Four participants of two vendors."""
    run("datalad", "-l", "error", "create", folder, cwd=folder.parent)
    lines = ["participant_id\tmanufacturer"]
    for number in range(4):
        name = f"sub-{folder.name}{number}"
        lines.append(f"{name}\t{('Siemens', 'GE')[number % 2]}")
        voxels, mask = kidneys(number + 10 * list(STORED).index(folder.name))
        save(folder / f"{name}/anat/{name}_T2w.nii.gz", stored(voxels, codes))
        place = folder / f"derivatives/labels/{name}/anat/{name}_T2w_kidneys.nii.gz"
        save(place, stored(mask, codes))
        place.with_name(f"{name}_T2w_kidneys.json").write_text('{"Author": "Doe"}')
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n")
    run("datalad", "-l", "error", "save", "-m", "Add everything", cwd=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every step of the study has run."""
    made = tmp_path_factory.mktemp("kidneys")
    (made / "inputs").mkdir()
    for name, codes in STORED.items():
        write_source(made / "inputs" / name, codes)
    (made / "code/studies").mkdir(parents=True)
    for name in ("study", "src", "notebooks"):
        (made / "code" / name).symlink_to(REPOSITORY / "code" / name)
    (made / "code/studies/kidneys.toml").write_text(TOML)
    (made / "code/studies/published.tsv").write_text(
        (REPOSITORY / "code/studies/published.tsv").read_text().partition("\n")[0] + "\n"
    )
    (made / "code/changes.md").write_text("## 1.0.0\n\nThe first.\n")
    cited = (REPOSITORY / "CITATION.cff").read_text().replace("spinal cord", "kidney")
    (made / "CITATION.cff").write_text(cited)
    study = load_study(made, "kidneys")
    for path, text in parameter_files(study).items():
        (made / path).parent.mkdir(exist_ok=True)
        (made / path).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        patch.setenv("CORDSTUDY_CACHE", str(made / "cache"))
        patch.setenv("CORDSTUDY_WORKERS", "1")
        for step in steps(study):
            call(step.command, step.arguments)
    return made


def call(step: str, arguments: Sequence[str]) -> None:
    """Run a step as its launcher does, here."""
    (module,) = (REPOSITORY / "code/src/cordstudy/pipeline").glob(f"*/{step}.py")
    found = importlib.import_module(f"cordstudy.pipeline.{module.parent.name}.{step}")
    found.command.main(args=list(arguments), standalone_mode=False)


def raws(folder: Path) -> list[Path]:
    return sorted((folder / "derivatives/kidneys/nnunet-raw").iterdir())


@pytest.mark.slow
def test_images_lie_as_the_task_says_and_masks_keep_both_pieces(folder):
    images = [path for raw in raws(folder) for path in sorted(raw.glob("images*/*.nii.gz"))]
    assert len(images) == 8 + 6, "of both sources, and those to train on of both together"
    for path in images:
        image = nib.load(path)
        assert nib.aff2axcodes(image.affine) == axcodes(ORIENTATION)
        name = path.name.replace("_0000", "")
        mask = np.asarray(
            nib.load(path.parents[1] / f"labels{path.parent.name[-2:]}/{name}").dataobj
        )
        assert cc3d.connected_components(mask, return_N=True)[1] == 2
    assert {case.voxel_size_mm for case in read_cases(raws(folder)[0])} == {"4x4x4"}


@pytest.mark.slow
def test_a_model_says_itself_what_it_segments_and_how_its_images_lie(folder):
    for path in folder.glob("models/kidneys/*/Dataset*/nnUNet*/dataset.json"):
        told = json.loads(path.read_text())
        assert told["labels"] == {"background": 0, "kidneys": 1}
        assert (told["orientation"], told["leaves"]) == (ORIENTATION, [])
        kept = json.loads(path.with_name("postprocessing.json").read_text())
        assert kept["keep"] == "all components"


@pytest.mark.slow
def test_nothing_is_measured_in_cross_sections_and_strata_are_those_asked_for(folder):
    tables = folder / "derivatives/kidneys/evaluation"
    for name in ("cases", "summary"):
        columns = set(read_table(tables / f"{name}.tsv")[0])
        assert "dice" in columns
        assert not {column for column in columns if column.startswith(("csa", "slices"))}
    assert not (tables / "agreement.tsv").exists()
    assert {row["n_hits"] for row in read_table(tables / "leakage.tsv")} == {"0"}
    assert {row["stratum"] for row in read_table(tables / "strata.tsv")} == {"vendor"}
    page = (folder / "derivatives/kidneys/report/index.html").read_text()
    assert "<h1>Does training on two hospitals make kidney segmentation generalize?</h1>" in page
    assert 'id="agreement"' not in page and 'href="#agreement"' not in page


@pytest.mark.slow
def test_no_text_that_comes_out_is_about_the_cord(folder):
    told = []
    for path in sorted(folder.glob("derivatives/kidneys/**/*")) + sorted(
        folder.glob("models/**/*")
    ):
        if path.suffix in {".tsv", ".json", ".md", ".ipynb", ".html"} and path.is_file():
            text = path.read_text().replace(TOOLBOX, "")
            if path.suffix == ".html":  # its viewer is another's
                text = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
            told += [f"{path.name}: {found.group()}" for found in CORD.finditer(text)]
    assert not told
    card = (folder / "models/kidneys/both/release/README.md").read_text()
    assert "outlines the kidneys in MR images" in card
    assert "**in AIL**, voxel axes from anterior to posterior, inferior to superior" in card


@pytest.mark.slow
def test_a_release_segments_an_image_of_any_orientation(folder, tmp_path, capsys):
    voxels, mask = kidneys(70)
    empty = np.random.default_rng(8).normal(100, 10, SHAPE).astype(np.int16)
    images = [tmp_path / "RSP.nii.gz", tmp_path / "empty.nii.gz"]
    for path, content in zip(images, (voxels, empty)):
        nib.save(stored(content, "RSP"), path)
    with opened(folder / "models/kidneys/both/release/kidneys-both.zip") as model:
        made = Segmenting(model.name, model.folder, model.folds, (), model.tile_step, {})
        found, nothing = segment([made], images, tmp_path / "masks", program={})
    assert nib.aff2axcodes(nib.load(found).affine) == tuple("RSP")
    here, there = (np.asarray(nib.load(path).dataobj) for path in (found, images[0]))
    reference = np.asarray(stored(mask, "RSP").dataobj)
    assert here.shape == there.shape
    assert 2 * (here & reference).sum() / (here.sum() + reference.sum()) > 0.8
    if not np.asarray(nib.load(nothing).dataobj).any():
        assert "nothing of the kidneys was found" in capsys.readouterr().err
