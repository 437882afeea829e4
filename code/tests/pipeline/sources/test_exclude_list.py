"""A source's own list of what to leave out: YAML that is none is one error, and soon."""

import itertools
import time

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.exclude_list import ListEntry, read_entries

LONGEST_S = 10
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
    "too large": ("# " + "x" * 300_000 + "\nmotion: [sub-a1]\n", "bytes, at most"),
    "NUL": ("motion: [sub-a1\0]\n", "it holds NUL"),
    "another version": ("%YAML 1.0\n---\nmotion: [sub-a1]\n", "not YAML that is read here"),
    "a tag that does not fit": ("motion: [!!bool sub-a1]\n", "not YAML that is read here"),
    "a set of a word": ("motion: !!set x\n", "not YAML that is read here"),
    "a list as a key": ("? - [a]\n", "not YAML that is read here"),
    "nothing as a number": ("motion: !!float\n", "not YAML that is read here"),
    "a tag of Python's": (
        "motion: [!!python/object/apply:os.getcwd []]\n",
        "motion: entry 1 is no name",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_of_exclusions_that_is_none_is_one_error_soon(tmp_path, name):
    content, said = LISTS[name]
    path = tmp_path / "exclude.yml"
    path.write_text(content)
    started = time.monotonic()
    with pytest.raises(StudyError, match=said) as raised:
        list(read_entries(path, ["motion"], hint="correct it"))
    assert time.monotonic() - started < LONGEST_S
    assert "exclude.yml" in str(raised.value) and raised.value.hint


def test_an_entry_has_its_key_and_the_comment_at_its_line(tmp_path):
    path = tmp_path / "exclude.yml"
    path.write_text("motion:\n- sub-a1  # moved\n- site7\nblur:\n- 12  # a site, too\n")
    assert list(read_entries(path, ["blur", "motion"], hint="")) == [
        ListEntry("blur", "12", "a site, too"),
        ListEntry("motion", "sub-a1", "moved"),
        ListEntry("motion", "site7", ""),
    ]


def test_a_name_is_what_stands_there_and_no_number_or_date(tmp_path):
    path = tmp_path / "exclude.yml"
    names = ["01", "0x10", "1e1", "12:30", "2020-01-01", "true", "~", "1_0", "No"]
    path.write_text("motion:\n" + "".join(f"- {name}\n" for name in names))
    assert [entry.name for entry in read_entries(path, ["motion"], hint="")] == names


def test_a_list_whose_content_is_not_here_says_so_and_not_to_remove_it(tmp_path):
    (tmp_path / "exclude.yml").symlink_to(".git/annex/objects/x")
    with pytest.raises(StudyError, match="its content is not here") as raised:
        list(read_entries(tmp_path / "exclude.yml", ["motion"], hint=""))
    assert raised.value.hint.startswith("datalad get")


def test_an_empty_list_leaves_nothing_out_and_one_without_the_key_is_an_error(tmp_path):
    path = tmp_path / "exclude.yml"
    path.write_text("# nobody yet\n")
    assert not list(read_entries(path, ["motion"], hint="correct it"))
    path.write_text("blur: []\nnoise: []\n")
    with pytest.raises(StudyError, match="no list under the key 'motion'") as raised:
        list(read_entries(path, ["motion"], hint="correct it"))
    assert raised.value.hint == "it has blur, noise: correct it"
