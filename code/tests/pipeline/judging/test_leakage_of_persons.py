"""That a person with several participant ids is one subject to the check of leakage."""

from dataclasses import replace
from pathlib import Path

import pytest

from cordstudy.base.tables import write_json
from cordstudy.pipeline.judging.leakage import Overlap, Side, compare_all
from cordstudy.pipeline.raw.layout import CASE_COLUMNS, RawCase, write_cases

RAW = "Dataset501_gm"


def raw_case(name: str, person: str, part: str) -> RawCase:
    """A case of its own files."""
    values = {column: f"{column} of {name}" for column in CASE_COLUMNS}
    values |= {"case_id": name, "dataset": "gm", "participant_id": name, "session": "n/a"}
    return RawCase(**values | {"person": person, "part": part})


def overlaps(root: Path, *cases: RawCase, val: tuple[str, ...] = ()) -> list[Overlap]:
    """The comparisons of one model of one fold that learned from a dataset, with that."""
    trained = [case.case_id for case in cases if case.is_to_train]
    write_cases(root / RAW, cases)
    train = [name for name in trained if name not in val]
    write_json(root / "model/splits_final.json", [{"train": train, "val": list(val)}])
    return compare_all([Side("m", root / RAW, root / "model")], [root / RAW])


def hits(found: list[Overlap]) -> dict[tuple[str, str], str]:
    return {(one.against, one.compared): one.hits for one in found if one.n_hits}


def test_a_person_who_is_trained_on_under_one_id_and_tested_under_another_is_found(tmp_path):
    found = overlaps(
        tmp_path,
        raw_case("sub-1Ses1", "1", "train"),
        raw_case("sub-1Ses2", "1", "test"),
        raw_case("sub-2", "sub-2", "test"),
    )
    assert hits(found) == {("test: gm", "subject"): "sub-1Ses1 = sub-1Ses2"}
    (subject,) = [one for one in found if one.compared == "subject" and one.fold == "n/a"]
    assert (subject.n_train, subject.n_against) == (1, 2)


def test_a_fold_that_validates_on_another_id_of_a_trained_person_is_found(tmp_path):
    cases = [raw_case(f"sub-1Ses{n}", "1", "train") for n in (1, 2)]
    found = overlaps(tmp_path, *cases, val=("sub-1Ses2",))
    assert hits(found) == {("validation", "subject"): "sub-1Ses1 = sub-1Ses2"}


@pytest.mark.parametrize("dataset", ["gm", "other"])
def test_persons_of_one_name_are_one_within_their_dataset_only(tmp_path, dataset):
    tested = replace(raw_case("sub-x", "1", "test"), dataset=dataset)
    found = overlaps(tmp_path, raw_case("sub-1", "1", "train"), tested)
    assert bool(hits(found)) == (dataset == "gm")


@pytest.mark.parametrize(
    ("voxels", "found"), [("plain", set()), ("a", {"mask key", "mask voxels"})]
)
def test_masks_that_are_alike_by_chance_are_no_overlap(tmp_path, voxels, found):
    """Two cubes of eight voxels in unlike images, which once took the answer from a study."""
    alike = {"mask_key": "key", "mask_voxels": voxels}
    table = overlaps(
        tmp_path,
        replace(raw_case("sub-1", "1", "train"), **alike),
        replace(raw_case("sub-2", "2", "train"), **alike),
        replace(raw_case("sub-3", "3", "test"), **alike),
        val=("sub-2",),
    )
    assert {compared for _, compared in hits(table)} == found
    counts = {one.n_train for one in table if one.compared == "mask voxels" and one.fold == "n/a"}
    assert counts == {len(found) // 2}, "what was compared is counted"


def test_an_image_on_both_sides_is_found_whatever_its_mask(tmp_path):
    alike = {"image_voxels": "same", "mask_voxels": "plain"}
    table = overlaps(
        tmp_path,
        replace(raw_case("sub-1", "1", "train"), **alike),
        replace(raw_case("sub-3", "3", "test"), **alike),
    )
    assert hits(table) == {("test: gm", "image voxels"): "sub-1 = sub-3"}
