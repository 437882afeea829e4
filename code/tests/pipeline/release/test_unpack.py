"""A release unpacked, to be judged: the same network, and the cases that it was trained on."""

import csv
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.judging.leakage import Side, compare_all
from cordstudy.pipeline.judging.sizes import size_of
from cordstudy.pipeline.release.archive import sha256, write_zip
from cordstudy.pipeline.release.unpack import command
from helpers import REPOSITORY, digests
from released import RAW, seal

ZIP = "phantom-general.zip"
SAID = {
    "fold": 0,
    "tile-step": 0.5,
    "structure": "spinal cord",
    "orientation": "RPI",
}


def unpack(given: Path, out: Path, **changes: object) -> Path:
    words = [str(given), "--out", str(out)]
    for name, value in (SAID | changes).items():
        words += [f"--{name}", str(value)]
    command.main(words, standalone_mode=False)
    return out


def refused(given: Path, out: Path, **changes: object) -> StudyError:
    with pytest.raises(StudyError) as raised:
        unpack(given, out, **changes)
    assert raised.value.hint and not out.exists() and not list(out.parent.glob(".*"))
    return raised.value


def test_archive_and_folder_give_the_network_that_was_released_and_the_same_bytes(
    release, model, tmp_path
):
    made = unpack(release / ZIP, tmp_path / "a", sha256=sha256(release / ZIP))
    again = unpack(release, tmp_path / "b")
    names = {path.removeprefix(f"{made}/"): digest for path, digest in digests(made).items()}
    assert names == {
        path.removeprefix(f"{again}/"): digest for path, digest in digests(again).items()
    }
    for name in ("plans.json", "postprocessing.json", "fold_0/checkpoint_final.pth"):
        assert (made / name).read_bytes() == (model / name).read_bytes()
    assert unpack(release / ZIP, made) == made, "what it made before is replaced"
    (made / "mine.txt").write_text("mine")
    with pytest.raises(StudyError, match="it holds mine"):
        unpack(release / ZIP, made)


def test_its_cases_are_counted_and_compared_as_those_of_a_training_here(release, tmp_path):
    made, raw = unpack(release / ZIP, tmp_path / "theirs"), REPOSITORY / RAW
    assert size_of("theirs", made / "cases.tsv") == size_of("theirs", raw / "cases.tsv")
    tests = [path for path in sorted(raw.parent.iterdir()) if "601" not in path.name][:2]
    theirs = compare_all([Side("one", made, made)], tests)
    assert theirs == compare_all([Side("one", raw, made)], tests)
    (tmp_path / "Dataset555_stolen").mkdir()
    with (made / "cases.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    lines = ["\t".join(rows[0])]
    for row in rows[:2]:
        renamed = {"dataset": "stolen", "participant_id": "sub-x", "person": "sub-x"}
        renamed |= {"image_key": "k", "mask_key": "k", "part": "test"}
        lines.append("\t".join((row | renamed).values()))
    (tmp_path / "Dataset555_stolen/cases.tsv").write_text("\n".join(lines) + "\n")
    found = compare_all([Side("one", made, made)], [tmp_path / "Dataset555_stolen"])
    hits = {one.compared: one.n_hits for one in found if one.fold == "n/a"}
    assert hits["image voxels"] == 2 and hits["image key"] == hits["subject"] == 0


@pytest.mark.parametrize(
    ("changes", "said", "typed"),
    [
        ({"fold": 1}, "it has the folds 0, the study says 1", "folds = [0]"),
        ({"tile-step": 1.0}, "its tiles lie 0.5 apart, the study says 1.0", "tile_step = 0.5"),
        ({"structure": "kidney"}, "segments the spinal cord in RPI", 'structure = "spinal cord"'),
        ({"orientation": "LPI"}, "the study the spinal cord in LPI", 'orientation = "RPI"'),
        ({"sha256": "0" * 64}, "its SHA-256 is", "get it again"),
    ],
)
def test_what_is_not_as_the_study_says_is_refused(release, tmp_path, changes, said, typed):
    error = refused(release / ZIP, tmp_path / "out", **changes)
    assert said in str(error) and typed in error.hint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "cases.tsv").unlink(), "cases.tsv"),
        (lambda folder: (folder / "splits_final.json").unlink(), "splits_final.json"),
        (
            lambda folder: _without(folder / "cases.tsv", "image_voxels"),
            "no column 'image_voxels'",
        ),
    ],
)
def test_a_release_that_does_not_tell_what_it_was_trained_on_is_refused(
    folder, tmp_path, change, said
):
    change(folder)
    seal(folder)
    write_zip(tmp_path / "it.zip", folder, below=folder.name)
    assert said in str(refused(tmp_path / "it.zip", tmp_path / "place/out"))


def _without(path: Path, column: str) -> None:
    header, *lines = [line.split("\t") for line in path.read_text().splitlines()]
    at = header.index(column)
    rows = [[cell for n, cell in enumerate(row) if n != at] for row in (header, *lines)]
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
