"""A person with several ids stands in one part, and in one fold, or nothing is converted."""

import json

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.raw.convert import convert

RULES = {
    "name": "x",
    "path": "inputs/x",
    "role": "train",
    "images": ["anat/T2w"],
    "labels": "labels",
    "mask": "{stem}_seg",
    "person": "sub-(.+)Ses",
}
IDS = ("sub-aSes1", "sub-aSes2", "sub-b")


@pytest.mark.parametrize(
    ("first", "second"),
    [("train\t0", "test\tn/a"), ("test\tn/a", "train\t0"), ("train\t0", "train\t1")],
)
def test_a_person_in_two_parts_or_folds_is_an_error(tmp_path, monkeypatch, first, second):
    monkeypatch.chdir(tmp_path)
    for name in IDS:
        for folder, ending in (("", ""), ("labels/", "_seg")):
            image = tmp_path / f"inputs/x/{folder}{name}/anat/{name}_T2w{ending}.nii.gz"
            image.parent.mkdir(parents=True)
            image.touch()
    (tmp_path / "inputs/x/participants.tsv").write_text("\n".join(("participant_id", *IDS)))
    rules, split = tmp_path / "rules.json", tmp_path / "split.tsv"
    rules.write_text(json.dumps(RULES))
    rows = [f"{name}\t{place}\n" for name, place in zip(IDS, (first, second, "train\t0"))]
    split.write_text("participant_id\tpart\tfold\n" + "".join(rows))
    places = [place.replace("\t", " ") for place in (first, second)]
    with pytest.raises(StudyError) as raised:
        convert(rules, split, tmp_path / "raw")
    said = f"sub-aSes1 ({places[0]}) and sub-aSes2 ({places[1]}) are one person, a"
    assert said in str(raised.value) and raised.value.hint
    assert not (tmp_path / "raw").exists()
