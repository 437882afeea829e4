"""What a source or a study must not be: one clear error each, and nothing written.

One small annexed source is damaged in one way a test, then divided and converted by the real
step commands' functions; the source is as it was, and so is what was converted before.
"""

import gzip
import itertools
import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.pipeline.judging.scores import read_scores
from cordstudy.pipeline.judging.leakage import read_overlaps
from cordstudy.pipeline.judging.settings import read_settings
from cordstudy.pipeline.learning.plan import subject_folds
from cordstudy.pipeline.sources.parts import read_split
from cordstudy.pipeline.sources.rules import read_rules
from cordstudy.study.loading import load_study
from helpers import REPOSITORY, git, run
from small_source import (
    FOLLOW,
    IMAGE,
    MASK,
    PARTICIPANTS,
    SIDECAR,
    SOURCE,
    TOML,
    add,
    save,
    steps,
    volume,
)


@pytest.fixture
def folder(one_source: Path) -> Path:
    return one_source


def voxels(change: Callable[[np.ndarray], np.ndarray], path: str = IMAGE) -> Callable[[Path], None]:
    """Damage: other voxels on the same grid."""

    def damage(source: Path) -> None:
        image = nib.load(source / path)
        save(source / path, volume(change(np.asanyarray(image.dataobj)), image.affine))

    return damage


def affine(change: Callable[[np.ndarray], np.ndarray], path: str = MASK) -> Callable[[Path], None]:
    """Damage: the same voxels at other places."""

    def damage(source: Path) -> None:
        image = nib.load(source / path)
        save(source / path, volume(np.asanyarray(image.dataobj), change(image.affine)))

    return damage


def text(path: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Damage: another text."""
    return lambda source: (source / path).write_text(change((source / path).read_text())) and None


def content(path: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Damage: other bytes."""

    def damage(source: Path) -> None:
        old = (source / path).read_bytes()
        (source / path).unlink()
        (source / path).write_bytes(change(old))

    return damage


def header(path: str, offset: int, kind: str, value: float) -> Callable[[Path], None]:
    """Damage: one value of a NIfTI header."""

    def change(packed: bytes) -> bytes:
        plain = bytearray(gzip.decompress(packed))
        struct.pack_into(kind, plain, offset, value)
        return gzip.compress(bytes(plain), mtime=0)

    return content(path, change)


def gone(path: str) -> Callable[[Path], None]:
    """Damage: a file that is not there."""
    return lambda source: (source / path).unlink()


def as_folder(path: str) -> Callable[[Path], None]:
    """Damage: a folder with a file in it, in a file's place."""

    def damage(source: Path) -> None:
        (source / path).unlink()
        (source / path).mkdir()
        (source / path / "file.txt").write_text("x")

    return damage


def stranger(source: Path) -> None:
    save(source / IMAGE.replace("a1", "c3"), nib.load(source / IMAGE))


def twice(source: Path) -> None:
    for name in ("sub-a1_acq-x_run-1_T2w", "sub-a1_run-1_acq-x_T2w"):
        save(source / f"sub-a1/anat/{name}.nii.gz", nib.load(source / IMAGE))


def put(index: tuple[int, ...], value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        made = array.astype(np.float32)
        made[index] = value
        return made

    return change


def rgb(array: np.ndarray) -> np.ndarray:
    return np.zeros(array.shape, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))


DEEP, LONG = '{"a": ' + "[" * 20_000, '{"a": ' + "9" * 5_000 + "}"
MIRRORED, SHIFTED = (
    np.diag([-1, 1, 1, 1]),
    np.array([[0, 0, 0, 0], [0, 0, 0, 2.5], [0, 0, 0, 0], [0, 0, 0, 0]]),
)
DAMAGES = {
    # NIfTI: the file, its header, its voxels
    "truncated image": (
        content(IMAGE, lambda b: b[: len(b) // 2]),
        IMAGE,
        "cannot be read as NIfTI",
    ),
    "flipped bit": (
        content(IMAGE, lambda b: b[:-200] + bytes([b[-200] ^ 8]) + b[-199:]),
        IMAGE,
        "cannot be read",
    ),
    "no NIfTI": (
        content(IMAGE, lambda _: gzip.compress(b"no image" * 99)),
        IMAGE,
        "cannot be read as NIfTI",
    ),
    "empty file": (content(IMAGE, lambda _: b""), IMAGE, "cannot be read as NIfTI"),
    "header of a larger image": (header(IMAGE, 42, "<h", 900), IMAGE, "cannot be read as NIfTI"),
    "four dimensions": (
        voxels(lambda a: np.stack([a, a], -1)),
        IMAGE,
        "4 dimensions (9, 8, 7, 2), needed are 3",
    ),
    "two dimensions": (voxels(lambda a: a[:, :, 0]), IMAGE, "2 dimensions (9, 8), needed are 3"),
    "complex voxels": (
        voxels(lambda a: a.astype(np.complex64)),
        IMAGE,
        "complex voxels (complex64)",
    ),
    "RGB voxels": (voxels(rgb), IMAGE, "RGB voxels"),
    "NaN": (voxels(put((3, 4, 5), np.nan)), IMAGE, "1 voxels are NaN"),
    "infinity": (voxels(put((3, 4, 5), -np.inf)), IMAGE, "1 voxels are infinite"),
    "sform against qform": (
        header(IMAGE, 268, "<f", 3.5),
        IMAGE,
        "sform and qform disagree by up to 3.500 mm",
    ),
    "flat affine": (header(IMAGE, 280, "<f", 0), IMAGE, "the affine cannot be inverted"),
    "folder in an image's place": (as_folder(IMAGE), IMAGE, "no file, but a folder"),
    # masks
    "folder in a mask's place": (as_folder(MASK), MASK, "no file, but a folder"),
    "empty mask": (voxels(lambda a: a * 0, MASK), MASK, "the mask is empty at 0.5"),
    "faint mask": (voxels(lambda a: a * np.float32(0.4), MASK), MASK, "the mask is empty at 0.5"),
    "map of labels": (
        voxels(lambda a: (a * a.cumsum(2)).astype(np.uint8), MASK),
        MASK,
        "a map of labels, not a mask",
    ),
    "NaN in a mask": (voxels(put((0, 0, 0), np.nan), MASK), MASK, "1 voxels are NaN"),
    "cropped mask": (
        voxels(lambda a: a[:-1], MASK),
        MASK,
        "not on the image's grid: (8, 8, 7) voxels of (1.000",
    ),
    "shifted mask": (
        affine(lambda a: a + SHIFTED),
        MASK,
        "from (8.000, 2.500, 0.000) mm, the image",
    ),
    "mirrored mask": (
        affine(lambda a: MIRRORED @ a),
        MASK,
        "left and right are exchanged: its axes are LAS",
    ),
    # the tree
    "mask without image": (
        gone(IMAGE),
        MASK,
        "this mask has no image inputs/source/sub-a1/anat/sub-a1_T2w.nii.gz",
    ),
    "folder without row": (stranger, PARTICIPANTS, "no row for sub-c3, which has images"),
    "no participants.tsv": (gone(PARTICIPANTS), PARTICIPANTS, "there is no "),
    # participants.tsv
    "participant twice": (
        text(PARTICIPANTS, lambda t: t + t.splitlines()[1] + "\n"),
        PARTICIPANTS,
        "row 6: sub-a1 stands there twice",
    ),
    "no id column": (
        text(PARTICIPANTS, lambda t: t.replace("participant_id", "id")),
        PARTICIPANTS,
        "no column 'participant_id'",
    ),
    "no id": (
        text(PARTICIPANTS, lambda t: t.replace("sub-a1", "a1")),
        PARTICIPANTS,
        "row 2: 'a1' is no participant's id",
    ),
    "ragged row": (
        text(PARTICIPANTS, lambda t: t.replace("Siemens\tHC", "Siemens", 1)),
        PARTICIPANTS,
        "row 2: 4 cells, the header has 5",
    ),
    "exchanged columns": (
        text(PARTICIPANTS, lambda t: t.replace("F\t30", "30\tF")),
        PARTICIPANTS,
        "row 2: the column 'sex', read as sex, holds '30'",
    ),
    "no text": (content(PARTICIPANTS, lambda b: b"\xff\xfe" + b), PARTICIPANTS, "no UTF-8 text"),
    "cell of 300 kB": (
        text(PARTICIPANTS, lambda t: t.replace("HC", "x" * 300_000, 1)),
        PARTICIPANTS,
        "no table: field",
    ),
    "NUL in a cell": (
        text(PARTICIPANTS, lambda t: t.replace("HC", "H\0C", 1)),
        PARTICIPANTS,
        "it holds NUL",
    ),
    "folder in the table's place": (as_folder(PARTICIPANTS), PARTICIPANTS, "no file, but a folder"),
    # sidecars
    "brackets in brackets": (
        text(SIDECAR, lambda _: DEEP),
        SIDECAR,
        "not JSON: brackets in brackets",
    ),
    "number of 5,000 digits": (
        text(SIDECAR, lambda _: LONG),
        SIDECAR,
        "not JSON: Exceeds the limit",
    ),
    "NUL in a sidecar": (
        text(SIDECAR, lambda _: '{"Author": "\\u0000"}'),
        SIDECAR,
        "not JSON: it holds NUL",
    ),
    "half a character": (
        text(SIDECAR, lambda _: '{"Author": "\\ud800"}'),
        SIDECAR,
        "not JSON: 'utf-8' codec",
    ),
    "folder in a sidecar's place": (as_folder(SIDECAR), SIDECAR, "no file, but a folder"),
    "sidecar that is not JSON": (
        text(SIDECAR, lambda t: t.replace('"Name":', "Name:")),
        SIDECAR,
        "not JSON",
    ),
    "sidecar of another form": (
        text(SIDECAR, lambda _: '{"GeneratedBy": "me"}'),
        SIDECAR,
        "GeneratedBy is not a list",
    ),
}


FAULTS = {
    "no such image": (
        lambda t: t.replace("anat/T2w", "anat/T3w"),
        "no participant has an image anat/T3w.nii.gz",
    ),
    "no such session": (
        add('session = "ses-2"'),
        "no participant has an image anat/T2w.nii.gz in ses-2",
    ),
    "entities in another order": (
        lambda t: t.replace("anat/T2w", "anat/run-1_acq-x_T2w"),
        "in another order",
    ),
    "unknown participant": (
        add('exclude = [{ participants = ["sub-z9"], reason = "x", source = "y" }]'),
        "small.exclude: sub-z9 is not in inputs/source/participants.tsv",
    ),
    "unknown image": (
        add('exclude = [{ images = ["sub-a1_T1w"], reason = "x", source = "y" }]'),
        "there is no image sub-a1_T1w in inputs/source",
    ),
    "exclusion without a reason": (
        add('exclude = [{ participants = ["sub-a1"], source = "y" }]'),
        "exclude.0.reason: this key or section is missing",
    ),
    "no such list": (
        add("exclude_file = { path = 'none.yml', keys = { motion = 'all' } }"),
        "there is no ",
    ),
    "no such key": (add(FOLLOW % "blur"), "no list under the key 'blur'"),
    "list about other images": (
        add("exclude_file = { keys = { motion = ['anat/T1w'] } }"),
        "exclude_file.keys.motion: anat/T1w is not among images",
    ),
    "unknown label origin": (
        add('label_origins = ["guessed"]'),
        "label_origins.0: Input should be 'manual'",
    ),
    "unknown field of a mask": (
        lambda t: t.replace("{stem}", "{image}"),
        "may have the fields {stem} and {subject}",
    ),
    "unknown stratum": (
        lambda t: t.replace("folds = 2", 'folds = 2\nstratify = ["height"]'),
        "split.stratify.0",
    ),
    "too many folds": (
        lambda t: t.replace("folds = 2", "folds = 9"),
        "has no participant: 3 to train on are too few",
    ),
    "no access told": (
        lambda t: t.replace('licence = "CC0"\n', ""),
        "needs one of licence (public), ask (private)",
    ),
    "no published split": (add('split = "code/none.tsv"'), "there is no code/none.tsv"),
    "participant not in the published split": (
        add('split = "code/short.tsv"'),
        "no row for sub-b2 (1 of 4",
    ),
    "unknown part in the published split": (
        add('split = "code/odd.tsv"'),
        "row 2: sub-a1 has the split 'training'",
    ),
}


def state_of(folder: Path) -> dict[str, bytes]:
    """Every file of the source and of what was converted before, links followed where they lead."""
    places = (folder / SOURCE, folder / "raw")
    files = (
        p
        for place in places
        for p in place.rglob("*")
        if ".git" not in p.parts and (p.is_file() or p.is_symlink())
    )
    return {str(p): p.read_bytes() if p.exists() else b"" for p in sorted(files)}


def refused(folder: Path, toml: str) -> StudyError:
    """Convert, expecting an error, and nothing changed; the error."""
    source = folder / SOURCE
    before = state_of(folder)
    with pytest.raises(StudyError) as raised:
        steps(folder, toml)
    assert raised.value.hint, "an error says what to do"
    assert state_of(folder) == before and not list(folder.glob(".raw.*"))
    run("git", "annex", "fsck", "-q", cwd=source)
    assert git(source, "status", "--porcelain") == ""
    return raised.value


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_source_is_one_error_with_path_and_fault_and_changes_nothing(folder, name):
    damage, path, said = DAMAGES[name]
    steps(folder)
    source = folder / SOURCE
    damage(source)
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "test: damage")
    told = str(refused(folder, TOML))
    assert said in told and f"{SOURCE}/{path}" in told


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_study_is_one_error_with_key_and_changes_nothing(folder, name):
    change, said = FAULTS[name]
    if "order" in name:
        twice(folder / SOURCE)
        (folder / SOURCE / "sub-a1/anat/sub-a1_run-1_acq-x_T2w.nii.gz").unlink()
        git(folder / SOURCE, "add", "-A")
        git(folder / SOURCE, "commit", "-q", "-m", "test: another image")
    parts = "participant_id\tsplit\nsub-a1\ttrain\nsub-a2\tval\nsub-b1\ttest\n"
    (folder / "code/short.tsv").write_text(parts)
    (folder / "code/odd.tsv").write_text(parts.replace("train", "training"))
    steps(folder)
    toml = change(TOML)
    assert toml != TOML
    assert said in str(refused(folder, toml))


@pytest.mark.parametrize("path", [IMAGE, MASK, SIDECAR, PARTICIPANTS, "exclude.yml"])
def test_a_pipe_in_a_files_place_is_refused_and_not_waited_for(folder, path):
    (folder / SOURCE / path).unlink()
    os.mkfifo(folder / SOURCE / path)
    with pytest.raises(StudyError, match=f"{path}.*pipe|there is no .*{path}"):
        steps(folder, add(FOLLOW % "motion")(TOML))


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, one in itertools.pairwise("abcdefghi")
)
LISTS = {
    "aliases": (BOMB + "motion: [*i]\n", "it has an alias"),
    "one alias": ("motion: &motion [sub-a1]\nblur: *motion\n", "it has an alias"),
    "brackets in brackets": ("motion: " + "[" * 20_000, "lists in lists"),
    "closed brackets": ("motion: " + "[" * 20_000 + "]" * 20_000, "lists in lists"),
    "list in the list": ("motion:\n- [sub-a1, sub-a2]\n", "motion: entry 1 is no name"),
    "table in the list": ("motion:\n- sub-a1\n- sub-a2: moved\n", "motion: entry 2 is no name"),
    "number of 5,000 digits": ("motion: [" + "9" * 5_000 + "]", "Exceeds the limit"),
    "too large": ("# " + "x" * 300_000 + "\nmotion: [sub-a1]\n", "bytes, at most"),
    "NUL": ("motion: [sub-a1\0]\n", "it holds NUL"),
    "a tag of Python's": (
        "motion: [!!python/object/apply:os.getcwd []]\n",
        "motion: entry 1 is no name",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_exclusions_that_is_none_is_one_error_soon(folder, name):
    content, said = LISTS[name]
    (folder / SOURCE / "exclude.yml").write_text(content)
    started = time.monotonic()
    with pytest.raises(StudyError, match=said) as raised:
        steps(folder, add(FOLLOW % "motion")(TOML))
    assert (
        "exclude.yml" in str(raised.value) and raised.value.hint and time.monotonic() - started < 10
    )


def parameters(folder: Path, name: str) -> Callable[[], object]:
    """What reads a file of a study that a step is given."""
    return {
        "rules.json": lambda: read_rules(folder / "rules.json"),
        "judging.json": lambda: read_settings(folder / "judging.json"),
        "small.toml": lambda: load_study(folder, "small"),
        "split.tsv": lambda: read_split(folder / "split.tsv"),
        "cases.tsv": lambda: subject_folds(folder / "cases.tsv", 2),
        "scores.tsv": lambda: read_scores(folder / "scores.tsv"),
        "leakage.tsv": lambda: read_overlaps(folder / "leakage.tsv"),
    }[name]


KINDS = {
    "brackets": b"a = " + b"[" * 20_000,
    "JSON brackets": DEEP.encode(),
    "long number": LONG.encode(),
    "NUL": b"a\0b",
    "no UTF-8": b"\xff\xfe",
    "other": b'{"a": 1}',
    "a list": b"[1]",
    "a long TOML number": b"a = " + b"9" * 5_000,
    "cell": b"a\tb\n" + b"x" * 300_000 + b"\ty\n",
    "folder": None,
}


@pytest.mark.parametrize(
    "name", ["rules.json", "judging.json", "small.toml", "split.tsv", "cases.tsv", "leakage.tsv"]
)
def test_a_file_of_a_step_that_is_none_is_one_error_that_names_it(tmp_path, name):
    path = tmp_path / ("code/studies" if name.endswith("toml") else "") / name
    for content in KINDS.values():
        path.unlink(missing_ok=True)
        if content is None:
            path.mkdir(parents=True)
        else:
            write_file(path, content)
        with pytest.raises(StudyError, match=f"{name}|no study") as raised:
            parameters(tmp_path, name)()
        assert raised.value.hint


def test_rules_hold_values_of_the_right_kind(folder):
    steps(folder)
    content = json.loads((folder / "rules.json").read_text())
    for key, value in (
        ("images", 5),
        ("images", "anat/T2w"),
        ("columns", []),
        ("exclude", [{"reason": 1}]),
        ("path", None),
        ("exclude_file", {"path": 1, "keys": {}}),
        ("more", 1),
    ):
        (folder / "rules.json").write_text(json.dumps(content | {key: value}))
        with pytest.raises(StudyError, match=r"rules.json: not a dataset's rules: ") as raised:
            read_rules(folder / "rules.json")
        assert "\n" not in str(raised.value)


def test_a_table_of_figures_that_holds_words_is_an_error(tmp_path):
    for content in ("model\tdice\na\tgood\n", "model\tdice\na\n", "model\tdice\na\t1\0\n"):
        (tmp_path / "scores.tsv").write_text(content)
        with pytest.raises(StudyError, match=r"scores.tsv"):
            read_scores(tmp_path / "scores.tsv")


def test_two_images_for_one_rule_are_an_error(folder):
    twice(folder / SOURCE)
    with pytest.raises(StudyError, match="the rule anat/acq-x_run-1_T2w matches"):
        steps(folder, TOML.replace("anat/T2w", "anat/acq-x_run-1_T2w"))


def test_a_sidecar_that_is_not_json_passes_where_the_study_says_who_made_such_masks(folder):
    text(SIDECAR, lambda t: t.replace('"Name":', "Name:"))(folder / SOURCE)
    steps(folder, add('broken_sidecars = "model"')(TOML))
    assert "\tmodel\t" in (folder / "raw/cases.tsv").read_text()


def test_all_cases_that_cannot_be_converted_are_told_at_once(folder):
    for path in (MASK, MASK.replace("sub-a1", "sub-b2")):
        voxels(lambda a: a * 0, path)(folder / SOURCE)
    with pytest.raises(StudyError) as raised:
        steps(folder)
    assert str(raised.value).startswith("2 cases cannot be converted:\n") and "sub-b2" in str(
        raised.value
    )


def test_a_step_command_ends_with_one_error_and_exit_code_1(folder):
    steps(folder)
    gone(IMAGE)(folder / SOURCE)
    failed = run(
        REPOSITORY / "code/study",
        "convert",
        "rules.json",
        "--split",
        "splits/small.tsv",
        "--out",
        "raw",
        cwd=folder,
        check=False,
    )
    assert failed.returncode == 1 and "Traceback" not in failed.stderr
    assert [line.partition(":")[0] for line in failed.stderr.splitlines()] == ["error", "hint"]
