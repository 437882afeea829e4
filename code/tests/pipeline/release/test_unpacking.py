"""Archives and weights taken apart: whole, in place, once, or one error."""

import io
import json
import random
import runpy
import shutil
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.release.loading import LOADER, unpack_weights
from cordstudy.pipeline.release.unpacking import unpack_zip
from helpers import REPOSITORY
from released import opened, refused

CHANGED = 60
"""Archives with some bytes changed."""


def zipped(*names: str, how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name in names:
            archive.writestr(name, "{}" * 1000)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.zip", b"text", "no release"),
        ("a.safetensors", b"text", "no weights of a release"),
        ("a.zip", zipped("../plans.json"), "would lie elsewhere"),
        ("a.zip", zipped("/plans.json"), "would lie elsewhere"),
        ("a.zip", zipped("a\\..\\b"), "would lie elsewhere"),
        ("a.zip", zipped("a/plans.json", "a/plans.json"), "is in it twice"),
        ("a.zip", zipped("a/plans.json", "a/PLANS.json"), "is in it twice"),
        ("a.zip", zipped("a/plans.json", "a//plans.json"), "is in it twice"),
        ("a.zip", zipped("a", "a/plans.json"), "is in it twice"),
        ("a.zip", zipped("a/plans.json", "a"), "is in it twice"),
        ("a.zip", zipped(*(f"{n}" for n in range(10_001))), "more than 10,000 files"),
        ("a.zip", zipped("readme.md"), "no model in it"),
        ("a.zip", zipped("A/nnUNetTrainer__a/plans.json", "B/nnUNetTrainer__b/plans.json"), "2 m"),
        ("a.zip", zipped("A/nnUNetTrainer__a/plans.json"), "no fold_K/checkpoint_final.pth"),
    ],
)
def test_what_is_no_release_is_one_error(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    assert said in refused(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_an_archive_that_says_it_is_huge_is_not_taken_apart(tmp_path):
    content = bytearray(zipped("a/plans.json", "b"))
    for start in (content.index(b"PK\x01\x02"), content.rindex(b"PK\x01\x02")):
        content[start + 24 : start + 28] = (3 * 2**30).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(content)
    assert "more than 4 GB" in refused(tmp_path / "a.zip")


@pytest.mark.parametrize(
    "how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_an_archive_with_bytes_changed_is_whole_or_one_error(tmp_path, how):
    content, draw = zipped("a/plans.json", "b", how=how), random.Random(1)
    failed = 0
    for number in range(CHANGED):
        changed = bytearray(content)
        for _ in range(draw.randint(1, 4)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        given, out = tmp_path / f"{number}.zip", tmp_path / f"{number}"
        given.write_bytes(changed)
        try:
            unpack_zip(given, out)
        except StudyError as error:
            failed += bool(error.hint)
    assert failed > CHANGED / 3


@pytest.fixture
def weights(release, tmp_path):
    """Weights of a release, and their texts, to be changed."""
    given = tmp_path / "it.safetensors"
    shutil.copy(release / "phantom-general.safetensors", given)
    with (release / "phantom-general.safetensors").open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        about = json.loads(json.loads(stream.read(size))["__metadata__"]["cordstudy"])
    return given, load_file(given), about


def written(weights, **changes: object) -> str:
    """Weights whose texts say something else; the error."""
    given, tensors, about = weights
    save_file(tensors, given, {"cordstudy": json.dumps(about | changes)})
    return refused(given)


def test_weights_that_would_write_elsewhere_or_hold_other_texts_are_refused(weights, tmp_path):
    _, _, about = weights
    texts = about["texts"]
    for name in ("../mark", "/mark", "mark.py", "fold_0", ""):
        assert "no weights of a release" in written(weights, texts=texts | {name: "x"})
    for fold in ("..", "../fold_0", "fold_x", "fold_0/..", ""):
        assert "no weights of a release" in written(weights, **{fold: about["fold_0"]})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["it.safetensors"]


def test_weights_that_lack_a_tensor_or_have_one_more_or_one_of_another_shape_are_refused(
    weights, tmp_path
):
    given, tensors, about = weights
    first = next(iter(tensors))
    for others in (
        {name: tensor for name, tensor in tensors.items() if name != first},
        tensors | {"fold_0.more": torch.zeros(3)},
        tensors | {"fold_7.more": torch.zeros(3)},
        tensors | {first: torch.zeros(3)},
        tensors | {first: tensors[first] * float("nan")},
        tensors | {first: tensors[first].to(torch.int64)},
    ):
        save_file(others, given, {"cordstudy": json.dumps(about)})
        refused(given)
    save_file(tensors, given, {"cordstudy": json.dumps(about)})
    with opened(given):
        pass


@pytest.mark.parametrize(
    ("key", "name"),
    [("network_class_name", "planted.Network"), ("conv_op", "planted.Layer")],
)
def test_the_loader_imports_no_other_network_than_nnunets(
    weights, tmp_path, monkeypatch, key, name
):
    given, tensors, about = weights
    (tmp_path / "planted.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'mark')!r})\n")
    monkeypatch.syspath_prepend(tmp_path)
    plans = json.loads(about["texts"]["plans.json"])
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    (architecture if key in architecture else architecture["arch_kwargs"])[key] = name
    about["texts"]["plans.json"] = json.dumps(plans)
    save_file(tensors, given, {"cordstudy": json.dumps(about)})
    load = runpy.run_path(str(REPOSITORY / f"code/src/cordstudy/pipeline/release/{LOADER}"))
    with pytest.raises(ValueError, match="planted"):
        load["network"](given)
    assert not (tmp_path / "mark").exists()
    with pytest.raises(StudyError, match="planted"), opened(given):
        pass


def test_a_file_cut_short_is_no_weights(release, tmp_path):
    given = tmp_path / "it.safetensors"
    content = (release / "phantom-general.safetensors").read_bytes()
    for size in (0, 7, 8, 100, 5000, len(content) - 1):
        given.write_bytes(content[:size])
        with pytest.raises(StudyError, match="no weights of a release"):
            unpack_weights(given, tmp_path / "out")
