"""Merging raw datasets: which cases a merged one has, and what is refused."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.dataset_json import write_dataset_json
from cordstudy.pipeline.raw.layout import CASE_COLUMNS, RawCase, read_cases, write_cases
from cordstudy.pipeline.raw.merge import merge, size_matched
from helpers import OF_CORD


def raw_case(dataset: str, number: int, *, part: str = "train") -> RawCase:
    values = dict.fromkeys(CASE_COLUMNS, "n/a")
    values |= {"case_id": f"{dataset}{number}", "dataset": dataset}
    values |= {"part": part, "fold": str(number % 4) if part == "train" else "n/a"}
    return RawCase(**values)


def cases(dataset: str, size: int) -> list[RawCase]:
    return [raw_case(dataset, number) for number in range(size)]


def write_raw(folder: Path, rows: list[RawCase], content: Mapping[str, object] = OF_CORD) -> Path:
    """A raw dataset whose images and masks are their own names."""
    write_cases(folder, rows)
    write_dataset_json(folder, content, name=folder.name, trained=len(rows))
    for case in rows:
        if case.is_to_train:
            for name in (f"imagesTr/{case.case_id}_0000.nii.gz", f"labelsTr/{case.case_id}.nii.gz"):
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(name)
    return folder


def of_people(dataset: str, people: int, *, images: int) -> list[RawCase]:
    """Cases of people who have several images each."""
    found = []
    for number in range(people * images):
        person = number // images
        case = raw_case(dataset, number)
        found.append(replace(case, person=f"{dataset}-{person}", fold=str(person % 4)))
    return found


def test_a_set_matched_by_images_has_those_of_the_largest_and_like_shares_of_dataset_and_fold():
    datasets = [cases("a", 54), cases("b", 5), cases("c", 8), cases("d", 30)]
    drawn = size_matched(datasets, seed=1, by="images")
    sizes = [len(share) for share in drawn]
    assert sizes == [21, 5, 8, 20] and sum(sizes) == len(datasets[0])
    assert set(Counter(case.fold for case in drawn[0]).values()) == {5, 6}
    again, other = (size_matched(datasets, seed=seed, by="images") for seed in (1, 2))
    assert drawn == again != other


def test_a_set_matched_by_people_has_those_of_the_largest_with_all_of_their_images():
    datasets = [of_people("a", 9, images=6), *(of_people(name, 5, images=1) for name in "bcd")]
    drawn = size_matched(datasets, seed=1, by="people")
    people = [{case.person for case in share} for share in drawn]
    assert [len(of_set) for of_set in people] == [3, 2, 2, 2]
    for share, whole in zip(drawn, datasets):
        named = {case.person for case in share}
        assert len(share) == sum(case.person in named for case in whole)
    assert drawn == size_matched(datasets, seed=1, by="people")


@pytest.mark.parametrize("seed", range(20))
def test_no_fold_is_left_without_anybody_while_there_are_people_for_it(seed):
    datasets = [of_people(name, 5, images=2) for name in "abcd"]
    drawn = size_matched(datasets, seed=seed, by="people")
    assert {case.fold for share in drawn for case in share} == {"0", "1", "2", "3"}


@pytest.mark.parametrize("by", ["images", "people"])
def test_a_draw_does_not_depend_on_the_order_of_the_cases(by):
    datasets = [of_people("a", 7, images=3), of_people("b", 4, images=1)]
    turned = [share[::-1] for share in datasets]
    drawn, again = (size_matched(sets, seed=3, by=by) for sets in (datasets, turned))
    for share, other in zip(drawn, again):
        assert {case.case_id for case in share} == {case.case_id for case in other}


def test_a_merged_dataset_has_the_training_parts_alone_sorted_by_case(tmp_path):
    tested = raw_case("b", 9, part="test")
    second = write_raw(tmp_path / "Dataset502_b", [*cases("b", 2), tested])
    first = write_raw(tmp_path / "Dataset501_a", cases("a", 3))
    out = tmp_path / "Dataset601_both"
    merge([second, first], out)
    assert read_cases(out) == [*cases("a", 3), *cases("b", 2)]
    images = sorted(path.name for path in (out / "imagesTr").iterdir())
    assert images == [f"{name}_0000.nii.gz" for name in ("a0", "a1", "a2", "b0", "b1")]
    assert (out / "labelsTr/b1.nii.gz").read_text() == "labelsTr/b1.nii.gz"
    assert '"name": "both"' in (out / "dataset.json").read_text()


def test_an_annexed_file_is_taken_over_as_its_link(tmp_path):
    part = write_raw(tmp_path / "Dataset501_a", cases("a", 1))
    image = part / "imagesTr/a0_0000.nii.gz"
    image.unlink()
    image.symlink_to("../.git/annex/objects/key/key")
    merge([part], tmp_path / "Dataset601_m")
    merged = tmp_path / "Dataset601_m/imagesTr/a0_0000.nii.gz"
    assert str(merged.readlink()) == "../.git/annex/objects/key/key"


def test_a_case_that_two_datasets_have_is_an_error_and_leaves_what_is_there(tmp_path):
    parts = [write_raw(tmp_path / name, cases("a", 2)) for name in ("Dataset501_a", "Dataset502_a")]
    out = tmp_path / "Dataset601_m"
    merge(parts[:1], out)
    with pytest.raises(StudyError, match=r"Dataset502_a/cases.tsv: case a0 is in another dataset"):
        merge(parts, out)
    assert read_cases(out) == cases("a", 2)
    assert not list(tmp_path.glob(".Dataset601*"))


def test_a_dataset_is_not_merged_into_itself(tmp_path):
    part = write_raw(tmp_path / "Dataset501_a", cases("a", 1))
    with pytest.raises(StudyError, match="it is one of the datasets to merge"):
        merge([part], part)
    assert read_cases(part) == cases("a", 1)


def test_datasets_of_two_tasks_are_not_merged(tmp_path):
    turned = OF_CORD | {"orientation": "LPI"}
    parts = [
        write_raw(tmp_path / "Dataset501_a", cases("a", 1)),
        write_raw(tmp_path / "Dataset502_b", cases("b", 1), turned),
    ]
    with pytest.raises(StudyError, match=r"Dataset502_b/dataset.json: not of one task"):
        merge(parts, tmp_path / "Dataset601_m")
    merge(parts[1:], tmp_path / "Dataset601_m")
    told = json.loads((tmp_path / "Dataset601_m/dataset.json").read_text())
    assert told == turned | {"name": "m", "numTraining": 1}


def test_a_folder_with_a_file_of_someone_elses_is_not_replaced(tmp_path):
    part = write_raw(tmp_path / "Dataset501_a", cases("a", 1))
    out = tmp_path / "Dataset601_m"
    merge([part], out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(StudyError, match=r"it holds notes\.txt, which this step did not write"):
        merge([part], out)
    assert (out / "notes.txt").read_text() == "mine"
