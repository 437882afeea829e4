"""What a declared path stands for: the same here, for git, and for DataLad."""

from itertools import product
from pathlib import Path

import pytest
from datalad.support.globbedpaths import GlobbedPaths
from sortedcontainers import SortedDict

from cordstudy.provenance.calling.content import listed
from cordstudy.provenance.history.paths import below, covers, matches, meet
from helpers import git

hypothesis = pytest.importorskip("hypothesis")
strategies = hypothesis.strategies

EMPTY = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
NAMES = ("a", "b", "ab", "ba", "a.b", "aab", "ä")
HIDDEN = (".a", ".b")
WILD = ("*", "**", "?", "a*", "*b", "?b", "[ab]", "[!a]", "[a-b]*", "*.*", "**b", "a*b*")
SETTINGS = {"deadline": None, "derandomize": True}


def paths_of(names):
    """Sets of paths of which none lies below another."""
    path = strategies.lists(strategies.sampled_from(names), min_size=1, max_size=4).map("/".join)
    return strategies.sets(path, min_size=1, max_size=12).map(without_folders)


def without_folders(paths):
    tree = SortedDict.fromkeys(paths)
    return SortedDict.fromkeys(path for path in paths if not below(tree, path))


def specs_of(names, *, most=4):
    """Declared paths: plain ones, folders, globs."""
    several = strategies.lists(strategies.sampled_from(names), min_size=1, max_size=most)
    return several.map("/".join)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("a/b.txt", ["a/b.txt"]),
        ("a", ["a/b.txt", "a/c.bin", "a/d/e.txt"]),
        ("a/*", ["a/b.txt", "a/c.bin", "a/d/e.txt"]),
        ("a/*.txt", ["a/b.txt"]),
        ("a/**/*.txt", ["a/b.txt", "a/d/e.txt"]),
        ("*/?.bin", ["a/c.bin"]),
        ("a/[cb]*", ["a/b.txt", "a/c.bin"]),
        ("a/[!b]*", ["a/c.bin", "a/d/e.txt"]),
        ("a/[z-a]*", []),
        ("a[", []),
        ("[!a", []),
        ("a/**", ["a/b.txt", "a/c.bin", "a/d/e.txt"]),
        ("a/**/**/e.txt", ["a/d/e.txt"]),
        ("**/b.txt", ["a/b.txt"]),
        ("a/*/*", ["a/d/e.txt"]),
        ("**", ["a/b.txt", "a/c.bin", "a/d/e.txt", "ab"]),
        ("a**", ["a/b.txt", "a/c.bin", "a/d/e.txt", "ab"]),
        (".", ["a/b.txt", "a/c.bin", "a/d/e.txt", "ab"]),
        ("none*", []),
    ],
)
def test_declared_paths_mean_what_datalad_means_by_them(spec, found):
    tree = SortedDict.fromkeys(["a/b.txt", "a/c.bin", "a/d/e.txt", "ab"])
    assert matches(tree, spec) == found
    assert [path for path in tree if covers([spec], path)] == found


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    git(folder, "init", "-q")
    return folder


def put_in_index(repository: Path, paths) -> None:
    """Have git's index hold these paths, and nothing else."""
    git(repository, "read-tree", "--empty")
    entries = "".join(f"100644 {EMPTY} 0\t{path}\0" for path in paths)
    listing = repository / ".git/entries"
    listing.write_text(entries)
    git(repository, "-c", "alias.fill=!git update-index -z --index-info <.git/entries", "fill")


@hypothesis.settings(max_examples=60, **SETTINGS)
@hypothesis.given(
    tree=paths_of(NAMES + HIDDEN),
    specs=strategies.lists(specs_of(NAMES + HIDDEN + WILD + (".*",)), min_size=4, max_size=4),
)
def test_git_lists_for_a_declared_path_what_it_stands_for_here(repository, tree, specs):
    put_in_index(repository, tree)
    assert listed(repository, ["."]) == sorted(tree, key=str.encode)
    for spec in specs:
        found = matches(tree, spec)
        assert sorted(listed(repository, [spec])) == found, spec
        assert [path for path in tree if covers([spec], path)] == found, spec
    together = {path for spec in specs for path in matches(tree, spec)}
    assert {path for path in tree if covers(specs, path)} == together


@hypothesis.settings(max_examples=40, **SETTINGS)
@hypothesis.given(
    tree=paths_of(NAMES), specs=strategies.lists(specs_of(NAMES + WILD), min_size=8, max_size=8)
)
def test_datalad_expands_a_declared_path_to_what_it_stands_for_here(tmp_path_factory, tree, specs):
    folder = tmp_path_factory.mktemp("files")
    for path in tree:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    for spec in specs:
        stands_for = set()
        for hit in GlobbedPaths([spec], pwd=str(folder)).expand_strict():
            # before Python 3.12, `a/**` finds a file `a` as `a/`, which is none
            is_folder = hit.endswith("/") and hit != "./"
            stands_for.update(below(tree, hit[:-1]) if is_folder else matches(tree, hit))
        assert sorted(stands_for) == matches(tree, spec), spec


@hypothesis.settings(max_examples=300, **SETTINGS)
@hypothesis.given(
    tree=paths_of(NAMES + HIDDEN),
    one=specs_of(NAMES + WILD + ("[", "a[b", "[^a]", "\\*")),
    other=specs_of(NAMES + WILD + ("[", "a[b", "[^a]", "\\*")),
)
def test_declared_paths_that_stand_for_one_file_meet(tree, one, other):
    if set(matches(tree, one)) & set(matches(tree, other)):
        assert meet(one, other) and meet(other, one)


PLAIN = ("a", "b", "*", "**", "a*", "*b")
EVERY = ["/".join(names) for n in range(1, 6) for names in product(("a", "b", "ab"), repeat=n)]


@hypothesis.settings(max_examples=200, **SETTINGS)
@hypothesis.given(one=specs_of(PLAIN, most=3), other=specs_of(PLAIN, most=3))
def test_declared_paths_meet_where_a_file_can_be_both_and_nowhere_else(one, other):
    both = [path for path in EVERY if covers([one], path) and covers([other], path)]
    assert meet(one, other) == bool(both)


@pytest.mark.parametrize(
    ("one", "other", "do"),
    [
        ("models/a", "models/ab", False),
        ("models/a", "models/a/fold_0/weights.pth", True),
        ("models/a/*", "models/ab/*", False),
        ("images/*.nii.gz", "images/*.json", False),
        ("images/sub-*.json", "images/ses-*", False),
        ("**/log.txt", "models/a", True),
        ("**/log.txt", "models/a/folder", True),
        ("*/log.txt", "models/log.txt.gz", False),
        (".", "models/a", True),
    ],
)
def test_two_steps_meet_in_names_not_in_how_names_start(one, other, do):
    assert meet(one, other) == meet(other, one) == do


def test_a_hostile_glob_takes_no_time():
    glob = "/".join(["**", "*a*"] * 40)
    path = "/".join(["aaaa"] * 60 + ["b"])
    assert not covers([f"{glob}/c"], path)
    assert meet(f"{glob}/c", f"{glob}/d")
