"""What a study and a source's own list leave out: an entry that is nothing of the source is an
error."""

import pytest

from bare_source import PLACE, pair, rules, write_files
from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.finding import find_cases
from cordstudy.pipeline.sources.rules import Rules
from cordstudy.pipeline.sources.split import write_splits

TABLE = "participant_id\tinstitution_id\nsub-a1\tZürich\nsub-a2\tn/a\nsub-b2\t7\nsub-b21\tn/a\n"
PEOPLE = ["sub-a1", "sub-a2", "sub-b2", "sub-b21"]
IMAGES = ["anat/T1w", "anat/T2w"]


def excluding(root, entries: str, *, about: object = "all", **changes: object) -> Rules:
    """A source with two images each, but for one without T1w, and its list of exclusions."""
    files = [path for name in PEOPLE for path in pair(f"{name}_T2w")]
    files += [path for name in PEOPLE[1:] for path in pair(f"{name}_T1w")]
    files += ["sub-a1/anat/sub-a1_run-2_T2w.nii.gz", "sub-a1/func/sub-a1_bold.nii.gz"]
    write_files(root, files, TABLE)
    (root / PLACE / "exclude.yml").write_text(f"motion:{entries}\n")
    listed = {"keys": {"motion": about}}
    return rules(**{"images": IMAGES, "exclude_file": listed} | changes)


def out(root, its_rules: Rules) -> set[str]:
    """What the list leaves out: participant and contrast."""
    _, left_out = find_cases(root, its_rules)
    return {
        f"{item.participant_id} {item.contrast}"
        for item in left_out
        if item.source.startswith("exclude.yml, motion: ")
    }


B2, B2_T1W, B2_T2W = {"sub-b2 T1w", "sub-b2 T2w"}, {"sub-b2 T1w"}, {"sub-b2 T2w"}
A1 = {"sub-a1 T2w"}
ENTRIES = {
    "participant": ("sub-b2", B2),
    "blanks around it": ('"  sub-b2 "', B2),
    "tab behind it": ('"sub-b2\\t"', B2),
    "site by its column": ("Zürich", A1),
    "site that is a number": ("7", B2),
    "site by the ids": ("a", A1 | {"sub-a2 T1w", "sub-a2 T2w"}),
    "stem": ("sub-b2_T2w", B2_T2W),
    "file": ("sub-b2_T2w.nii.gz", B2_T2W),
    "file, not packed": ("sub-b2_T2w.nii", B2_T2W),
    "file in capitals": ("sub-b2_T2w.NII.GZ", B2_T2W),
    "file with blanks": ('" sub-b2_T2w.nii.gz "', B2_T2W),
    "path": ("sub-b2/anat/sub-b2_T1w.nii.gz", B2_T1W),
    "path from here": ("./sub-b2/anat/sub-b2_T1w.nii.gz", B2_T1W),
    "path without ending": ("sub-b2/anat/sub-b2_T1w", B2_T1W),
    "image that no rule names": ("sub-a1_run-2_T2w", set()),
    "path of one that no rule names": ("sub-a1/anat/sub-a1_run-2_T2w.nii.gz", set()),
    "image of another datatype": ("sub-a1_bold.nii.gz", set()),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_a_participant_a_site_or_an_image(tmp_path, name):
    entry, meant = ENTRIES[name]
    assert out(tmp_path, excluding(tmp_path, f"\n- {entry}")) == meant


@pytest.mark.parametrize(
    ("entry", "about", "meant"),
    [
        ("sub-b2", ["anat/T1w"], B2_T1W),
        ("sub-b2_T1w", ["anat/T1w"], B2_T1W),
        ("sub-a1", ["anat/T1w"], set()),
    ],
)
def test_an_entry_leaves_out_the_images_that_its_key_is_about(tmp_path, entry, about, meant):
    assert out(tmp_path, excluding(tmp_path, f"\n- {entry}", about=about)) == meant


@pytest.mark.parametrize("entry", ["sub-b2_T2w", "sub-b2/anat/sub-b2_T2w.nii.gz"])
def test_an_image_under_a_key_that_is_about_others_is_an_error(tmp_path, entry):
    with pytest.raises(
        StudyError, match="is an image anat/T2w, and the study follows this key for"
    ):
        find_cases(tmp_path, excluding(tmp_path, f"\n- {entry}", about=["anat/T1w"]))


@pytest.mark.parametrize("empty", ["", " null", " ~", " []", "\n# nobody"])
def test_an_empty_key_leaves_nobody_out(tmp_path, empty):
    assert out(tmp_path, excluding(tmp_path, empty)) == set()


NOTHING = {
    "other case": ("sub-B2", "did you mean 'sub-b2'?"),
    "id without sub-": ("b2", "did you mean 'sub-b2'?"),
    "nobody": ("sub-zz9", ""),
    "slip in an id": ("sub-b212", "did you mean 'sub-b21'?"),
    "two in one": ("sub-b2, sub-b1", ""),
    "two with a blank": ("sub-a1 sub-b2", ""),
    "number": ("1", ""),
    "number with a nought": ("07", ""),
    "number in another base": ("0x7", ""),
    "folder of another, of a kind that no rule asks for": ("sub-a1/func/sub-b2_bold", ""),
    "yes": ("true", ""),
    "date": ("2020-01-01", ""),
    "what stands for no site": ("n/a", ""),
    "sub": ("sub", ""),
    "sub-": ("sub-", ""),
    "wildcard": ("sub-*", ""),
    "folder": ("sub-b2/", "did you mean 'sub-b2'?"),
    "image of another case": ("sub-b2_t2w", "did you mean 'sub-b2_T2w'?"),
    "image that is not there": ("sub-a1_T1w", "did you mean 'sub-a1_T2w'?"),
    "image of nobody": ("sub-b3_T2w.nii.gz", "did you mean 'sub-b2_T2w'?"),
    "unknown kind of image": ("sub-b2_T3w", "did you mean 'sub-b2_T"),
    "slip in a kind": ("sub-b2_T2", ""),
    "two kinds in one": ("sub-b2_T2w_bold", ""),
    "unknown run": ("sub-b2_run-2_T2w", "did you mean 'sub-b2_T2w'?"),
    "wrong folder": ("sub-a1/anat/sub-b2_T2w.nii.gz", "did you mean 'sub-b2_T2w'?"),
    "folder above": ("anat/sub-b2_T2w.nii.gz", "did you mean 'sub-b2_T2w'?"),
    "path from the study": (f"{PLACE}/sub-b2/anat/sub-b2_T2w.nii.gz", "did you mean 'sub-b2_T2w'"),
    "mask": ("sub-b2_T2w_seg-manual.nii.gz", ""),
    "no name": ('" "', ""),
    "nothing": ("", ""),
    "list": ("[sub-b2]", ""),
    "table": ("{subject: sub-b2, reason: moved}", ""),
}


@pytest.mark.parametrize("name", NOTHING)
def test_an_entry_that_is_nothing_of_the_source_is_an_error_with_the_nearest(tmp_path, name):
    entry, hint = NOTHING[name]
    its_rules = excluding(tmp_path, f"\n- sub-a2\n- {entry}")
    with pytest.raises(StudyError) as raised:
        find_cases(tmp_path, its_rules)
    message = str(raised.value)
    assert "inputs/x/exclude.yml: motion: " in message
    shown = entry.strip('" ')
    assert shown.casefold() in message.casefold() or "entry 2 is no name" in message
    assert raised.value.hint.startswith(hint)
    assert raised.value.hint.endswith("one participant, site or image a line")


@pytest.mark.parametrize(
    ("exclude", "hint"),
    [
        ({"participants": ["sub-B2"]}, "did you mean 'sub-b2'?"),
        ({"participants": ["b2"]}, "did you mean 'sub-b2'?"),
        ({"images": ["sub-b2_T2w.nii.gz"]}, "did you mean 'sub-b2_T2w'?"),
        ({"images": ["sub-b2_t2w"]}, "did you mean 'sub-b2_T2w'?"),
    ],
)
def test_the_study_too_is_told_the_nearest_name(tmp_path, exclude, hint):
    exclusion = exclude | {"reason": "moved", "source": "us"}
    its_rules = excluding(tmp_path, "", exclude=[exclusion])
    with pytest.raises(StudyError, match=r"datasets\.x\.exclude: ") as raised:
        find_cases(tmp_path, its_rules)
    assert raised.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("entries", "divided"),
    [
        ("\n- sub-b2", ["sub-a1", "sub-a2", "sub-b21"]),
        ("\n- sub-b2_T2w", PEOPLE),
        ("\n- sub-b2_T2w\n- sub-b2/anat/sub-b2_T1w.nii.gz", ["sub-a1", "sub-a2", "sub-b21"]),
        ("\n- sub-a1_run-2_T2w", PEOPLE),
        ("", PEOPLE),
    ],
)
def test_a_participant_is_divided_unless_all_images_are_left_out(
    tmp_path, monkeypatch, entries, divided
):
    monkeypatch.chdir(tmp_path)
    its_rules = excluding(tmp_path, entries)
    for folder in PEOPLE:
        (tmp_path / PLACE / folder).rename(tmp_path / folder)  # only small text is here
    (tmp_path / "rules.json").write_text(its_rules.model_dump_json())
    assert in_split(tmp_path) == divided


def test_a_name_that_is_no_image_s_is_an_error_where_no_image_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.json").write_text(excluding(tmp_path, "\n- sub-B2").model_dump_json())
    with pytest.raises(StudyError, match="'sub-B2' is no participant, site or image"):
        in_split(tmp_path)


def in_split(root) -> list[str]:
    """The participants that are divided."""
    write_splits(
        [root / "rules.json"],
        root / "splits",
        seed=1,
        test_fraction=0.2,
        folds=2,
        stratify=(),
        published_splits={},
    )
    lines = (root / "splits/x.tsv").read_text().splitlines()[1:]
    return [line.split("\t")[0] for line in lines]
