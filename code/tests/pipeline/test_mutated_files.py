"""Two thousand files that a seed has mutated: each is read rightly or refused in one line.

What is right of an image is what nibabel says of the same file, and what ITK reads of what it
became; of a text, what each of its readers promises.
"""

import gzip
import re
import struct
import warnings
from collections import Counter
from pathlib import Path
from typing import get_args

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.conversion import Job, convert_case
from cordstudy.pipeline.raw.grids import RPI
from cordstudy.pipeline.raw.volumes import GZIP
from cordstudy.pipeline.sources.cases import FOUND_COLUMNS, Case
from cordstudy.pipeline.sources.exclusions import read_exclusions
from cordstudy.pipeline.sources.label_origin import read_label
from cordstudy.pipeline.sources.participants import read_participants
from cordstudy.pipeline.sources.rules import ExcludeFile, Imaged, LabelOrigin, Rules

SHAPE = (9, 8, 7)
FIELDS = {
    "<i": [0],
    "<h": [40, 42, 44, 46, 48, 50, 68, 70, 72, 252, 254],
    "<f": [76, 80, 84, 88, 92, 108, 112, 116, *range(256, 328, 4)],
    "<B": [39, 123, 344, 345, 346, 347, 348],
}
"""The fields of a NIfTI-1 header, by format: where each begins."""
VALUES = {
    "<i": [0, 1, 348, 540, -1, 2**31 - 1],
    "<h": [0, 1, 2, 3, 4, 5, 7, 8, 16, 64, 512, 768, 1024, 1536, 1792, -1, 32767, -32768],
    "<f": [0, 1, -1, 0.5, 2, 352, 353, 1e-3, 1e3, 1e-30, 1e30, float("nan"), float("inf")],
    "<B": [0, 1, 2, 3, 4, 8, 10, 18, 43, 49, 110, 255],
}


def one_line(error: StudyError) -> None:
    """Fail unless an error is in one line and says what to do."""
    assert "\n" not in str(error) and error.hint, error


def whole() -> tuple[bytes, bytes]:
    """An image that needs turning, and its mask, not compressed."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:5, 3:5, 2:6] = 1
    made = []
    for voxels in (np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16), mask):
        image = nib.Nifti1Image(voxels, np.eye(4))
        image.set_sform(np.eye(4), 1)
        image.set_qform(np.eye(4), 1)
        image.header.set_xyzt_units("mm", "sec")
        made.append(image.to_bytes())
    return made[0], made[1]


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """A file with some fields of its header replaced, and sometimes torn."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        form = str(rng.choice(list(FIELDS)))
        value = VALUES[form][rng.integers(len(VALUES[form]))]
        struct.pack_into(form, changed, int(rng.choice(FIELDS[form])), value)
    kind = rng.integers(12)
    if kind == 0:
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    if kind == 1:
        del changed[rng.integers(1, len(changed)) :]
    if kind == 2:
        changed += bytes(rng.integers(0, 256, rng.integers(1, 600), np.uint8))
    packed = gzip.compress(changed, mtime=0) if rng.integers(4) else bytes(changed)
    if kind == 3:
        cut = int(rng.integers(len(packed)))
        packed = packed[:cut] + packed[cut + 1 :]
    return packed


def check_right(image: Path, mask: Path, job: Job) -> None:
    """Fail unless a converted case is what nibabel reads of its files, in mm, and ITK too."""
    original, made = nib.load(image), nib.load(job.image)
    factor = {"meter": 1e3, "micron": 1e-3}.get(original.header.get_xyzt_units()[0], 1)
    expected = original.get_fdata().reshape(original.shape[:3])
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(original.affine), nib.orientations.axcodes2ornt(RPI)
    )
    assert np.allclose(nib.apply_orientation(expected, turn), made.get_fdata(), rtol=1e-6)
    sizes = np.linalg.norm(original.affine[:3, :3], axis=0) * factor
    by_itk = sitk.ReadImage(str(job.image))
    assert np.allclose(sorted(by_itk.GetSpacing()), sorted(sizes), rtol=1e-3)
    assert np.allclose(sorted(made.header.get_zooms()[:3]), sorted(sizes), rtol=1e-3)
    made_mask = nib.load(job.mask)
    assert made_mask.shape == made.shape
    assert np.allclose(made_mask.affine, made.affine, atol=0.1 * sizes.max())
    inside = nib.load(mask).get_fdata() >= 0.5
    assert np.asarray(made_mask.dataobj).sum() == inside.sum()


@pytest.mark.parametrize("which", ["image", "mask"])
def test_a_mutated_header_is_read_rightly_or_refused(tmp_path, which, capsys):
    rng = np.random.default_rng(15)
    files = dict(zip(("image", "mask"), whole()))
    told: Counter[str] = Counter()
    paths = {name: tmp_path / f"{name}.nii.gz" for name in files}
    values = dict.fromkeys(FOUND_COLUMNS, "n/a")
    values |= {name: str(path) for name, path in paths.items()}
    made = [tmp_path / f"out/{name}.nii.gz" for name in files]
    job = Job(Case(**values), *made, resample=False, task=Imaged())
    for name, path in paths.items():
        path.write_bytes(gzip.compress(files[name]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(500):
            content = mutated(files[which], rng)
            paths[which].write_bytes(content)
            try:
                convert_case(job)
            except StudyError as error:
                one_line(error)
                told["refused"] += 1
                continue
            ending = ".nii.gz" if content[:2] == GZIP else ".nii"
            named = tmp_path / f"seen{ending}"
            named.write_bytes(content)
            seen = paths | {which: named}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                check_right(seen["image"], seen["mask"], job)
            told["read"] += 1
    with capsys.disabled():
        print(f"\n500 mutated headers of {which}s: {dict(told)}", end=" ")
    assert min(told["read"], told["refused"]) > 50


PARTICIPANTS = (
    "participant_id\tsex\tage\tmanufacturer\tpathology\n"
    "sub-a1\tF\t30\tSiemens\tHC\n"
    "sub-a2\tM\t31\tGE\tHC\n"
    "sub-b1\tn/a\t32\tPhilips\tMS\n"
)
EXCLUDED = "motion:\n- sub-a1  # moved\n- b\nother:\n- sub-b1_T2w.nii.gz\n"
SIDECAR = (
    '{"SpatialReference": "orig", "GeneratedBy": [{"Name": "sct_deepseg_sc", "Version": "6.1"},'
    ' {"Name": "Manual", "Author": "A. Person", "Date": "2021-07-25"}]}'
)
PIECES = (
    *(
        "\t",
        "\n",
        "\r",
        "\r\n",
        " ",
        '"',
        "'",
        ",",
        ":",
        "-",
        "#",
        "{",
        "}",
        "[",
        "]",
        "&a",
        "*a",
        "!!",
        "|",
    ),
    *(
        "\ufeff",
        "\0",
        "\x1b",
        "é",
        "\u202e",
        "😀",
        "null",
        "NaN",
        "n/a",
        "sub-",
        "1e999",
        "\\u0000",
        "\\ud800",
    ),
    *("? ", "---\n", "%YAML 9.9\n", "<<: ", "!!python/object:os.system ", "2021-01-01", "[" * 300),
)


def mutated_text(text: str, rng: np.random.Generator) -> bytes:
    """A text with pieces put in, taken out, doubled; sometimes bytes that are no text."""
    for _ in range(rng.integers(1, 3)):
        start, end = sorted(rng.integers(0, len(text) + 1, 2))
        end = min(end, start + 12)
        piece = str(rng.choice(PIECES))
        kind = rng.integers(4)
        if kind == 0:
            text = text[:start] + piece + text[start:]
        if kind == 1:
            text = text[:start] + text[end:]
        if kind == 2:
            text = text[:start] + piece + text[end:]
        if kind == 3:
            text = text[:end] + text[start:]
    content = bytearray(text.encode())
    if content and not rng.integers(12):
        content[rng.integers(len(content))] = int(rng.integers(128, 256))
    return bytes(content)


def check_participants(root: Path) -> None:
    for name, row in read_participants(root, RULES).items():
        assert re.fullmatch("sub-[A-Za-z0-9]+", name) and row.name == name
        assert all(
            value and "\n" not in value and "\t" not in value for value in vars(row).values()
        )


def check_sidecar(root: Path) -> None:
    label = read_label(root / RULES.path / "mask.json")
    assert label.origin in get_args(LabelOrigin) and label.made_by


def check_excluded(root: Path) -> None:
    participants = read_participants(root, RULES)
    exclusions = read_exclusions(root, RULES, participants)
    for name, rule in exclusions.by_participant:
        assert name in participants and rule == "anat/T2w"


RULES = Rules(
    name="x",
    path="inputs/x",
    role="train",
    images=["anat/T2w"],
    labels="derivatives/labels",
    mask="{stem}_seg",
    exclude_file=ExcludeFile(keys={"motion": "all", "other": "all"}),
)
TEXTS = {
    "participants.tsv": (PARTICIPANTS, check_participants, 350),
    "exclude.yml": (EXCLUDED, check_excluded, 350),
    "mask.json": (SIDECAR, check_sidecar, 300),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_mutated_text_is_read_rightly_or_refused(tmp_path, name, capsys):
    rng = np.random.default_rng(15)
    source = tmp_path / RULES.path
    source.mkdir(parents=True)
    for other, (text, _, _) in TEXTS.items():
        (source / other).write_text(text)
    text, check, count = TEXTS[name]
    told: Counter[str] = Counter()
    for _ in range(count):
        (source / name).write_bytes(mutated_text(text, rng))
        try:
            check(tmp_path)
        except StudyError as error:
            one_line(error)
            told["refused"] += 1
        else:
            told["read"] += 1
    with capsys.disabled():
        print(f"\n{count} mutated texts {name}: {dict(told)}", end=" ")
    assert min(told["read"], told["refused"]) > 15
