"""Commits that were made to mislead: nothing in them hides a change, raises or takes long."""

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.lineage import faults, trace
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.history import commits
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.since import changed
from cordstudy.provenance.profile import Profile
from helpers import git
from places import KEY, LARGE, LINK, OUT, Place, PlaceStep, ask_everything, told


def test_an_honest_history_has_no_findings(place, tmp_path):
    assert place.findings == [] and states(place.folder, [PlaceStep()])["a"].word == "done"
    ask_everything(place, tmp_path)


RECORD_INSIDE = f"docs: tidy\n\n\x01{'1' * 40}\0\0x\0x\0x\0{told()}\x02"


@pytest.mark.parametrize(
    "message",
    [
        "docs: tidy\x02",
        "docs: \x01tidy",
        "\x02",
        "\x01\x02\x02\x01",
        "docs: tidy\n\n:100644 100644 0 0 M\tx",
        RECORD_INSIDE.replace("\0", "\x1e"),
        f"docs: tidy\n{'0' * 40} {'1' * 40}\n",
        "\n\n\n",
        "",
        "docs: \xff\udc80",
    ],
)
def test_no_message_hides_what_its_commit_changed(place, message):
    place.commit(message, {OUT: "1.0\n", "derivatives/fake.txt": "1\n"})
    place.commit(message, {LARGE: None})
    assert {
        ("changed by hand", OUT),
        ("no record", "derivatives/fake.txt"),
        ("output gone", LARGE),
    } <= {*place.findings}
    assert states(place.folder, [PlaceStep()])["a"].why == f"its output changed: {OUT}"


@pytest.mark.parametrize(
    "name", [":100644 100644 a b M", "a\nb", "\x01\x02", "x\ty", "-n", 'q"uote', "\udcff", "ä ö"]
)
def test_no_path_hides_another(place, name):
    place.commit("docs: tidy", {f"derivatives/{name}": "1\n", OUT: "1.0\n"})
    assert place.findings == [
        ("no record", f"derivatives/{name}"),
        ("changed by hand", OUT),
    ] or place.findings == [("changed by hand", OUT), ("no record", f"derivatives/{name}")]


def test_a_message_is_read_up_to_a_nul_as_git_shows_it(place):
    place.commit(b"docs: tidy\0" + told().encode(), {OUT: "1.0\n"})
    assert place.findings == [("changed by hand", OUT)]


SETTINGS = {
    "diff.ignoreSubmodules": "all",
    "diff.renames": "copies",
    "log.showSignature": "true",
    "core.quotePath": "true",
    "diff.noprefix": "true",
    "diff.orderFile": "/nowhere",
    "log.showRoot": "false",
    "i18n.logOutputEncoding": "UTF-16",
    "diff.relative": "true",
    "color.ui": "always",
    "core.abbrev": "4",
    "log.follow": "true",
    "log.diffMerges": "off",
    "diff.mnemonicPrefix": "true",
    "format.pretty": "oneline",
    "log.mailmap": "true",
    "log.date": "relative",
    "core.commitGraph": "true",
}


def test_no_setting_of_the_users_changes_what_is_found(place):
    pins = ["1" * 40, "2" * 40]
    place.commit("Add a source", {"inputs/source": pins[0]}, mode="160000")
    place.commit(
        "Ignore it",
        {".gitmodules": '[submodule "s"]\n\tpath = inputs/source\n\turl = x\n\tignore = all\n'},
    )
    place.commit(told(inputs=["inputs/source/x"]), {OUT: "1.0\n"})
    place.commit("chore: move", {"inputs/source": pins[1]}, mode="160000")
    place.commit("chore: move a file", {OUT: None, "derivatives/b.txt": "1.0\n"})
    expected = place.findings
    assert ("renamed by hand", "derivatives/b.txt") in expected
    for key, value in SETTINGS.items():
        git(place.folder, "config", key, value)
    assert place.findings == expected
    history = place.history
    (maker,) = (one for one in history.records if one.record.inputs == ("inputs/source/x",))
    assert changed(history, maker) == ["inputs/source: moved 11111111 → 22222222"]


@pytest.mark.parametrize("what", ["commit", "blob", "tree", "graft", "environment"])
def test_what_stands_before_the_objects_is_not_looked_at(place, tmp_path, monkeypatch, what):
    honest = git(place.folder, "rev-parse", "HEAD")
    place.commit("docs: tidy", {OUT: "1.0\n"})
    if what == "graft":
        (place.folder / ".git/info/grafts").write_text(
            f"{git(place.folder, 'rev-parse', 'HEAD')}\n"
        )
    elif what == "environment":
        other = Place(tmp_path / "other")
        other.commit("Another repository")
        for name, value in (
            ("GIT_DIR", other.folder / ".git"),
            ("GIT_WORK_TREE", other.folder),
            ("GIT_SHALLOW_FILE", "x"),
        ):
            monkeypatch.setenv(name, str(value))
    else:
        suffix = {"commit": "", "blob": f":{OUT}", "tree": "^{tree}"}[what]
        git(place.folder, "replace", f"HEAD{suffix}", f"{honest}{suffix}")
    assert place.findings == [("changed by hand", OUT)]


def test_the_tree_arrived_at_is_the_one_that_git_has(place, monkeypatch):
    place.commit("docs: tidy", {OUT: "1.0\n"})
    real = commits.changes
    monkeypatch.setattr(commits, "changes", lambda repo, raw: [{}, *real(repo, raw)[1:]])
    with pytest.raises(StudyError, match=f"{OUT}: the history does not lead to"):
        History(place.folder)


def test_branches_and_evil_merges_are_read_right(place):
    tip = git(place.folder, "rev-parse", "HEAD")
    side = place.commit(
        told("Make b", outputs=["derivatives/b.txt"], cmd="make b"), {"derivatives/b.txt": "b\n"}
    )
    place.plumb("update-ref", "HEAD", tip)
    place.plumb("read-tree", tip)
    main = place.commit("docs: readme", {"README.md": "x\n"})
    place.commit("Merge", {"derivatives/b.txt": "b\n"}, parents=[main, side])
    history = place.history
    assert place.findings == [] and history.producer("derivatives/b.txt").id == side
    place.commit(
        "Merge again", {OUT: "1.0\n"}, parents=[git(place.folder, "rev-parse", "HEAD"), side]
    )
    assert place.findings == [("changed by hand", OUT)]


@pytest.mark.parametrize(
    ("message", "headers", "author"),
    [
        (told(), b"encoding ISO-8859-1\n", None),
        (told(), b"encoding none\n", None),
        (told("Ma\udce9"), b"", None),
        (told(), b"gpgsig -----BEGIN\n \n  x\n -----END\n", None),
        ("\n \n" + told(), b"", None),
        (told(""), b"", None),
        (told(), b"parent " + b"1" * 40 + b"\n", None),
        (told(), b"", b"nobody"),
        (told(), b"", b"A <a> 99999999999999 +0000"),
        (told(), b"", b"A <a> 1700000000 +9999"),
        (told(), b"", b"\xff <\xff> 1700000000 -0100"),
        (told(), b"", b""),
        (told(chain=None, inputs=None, pwd=None, dsid="d1", more=[1]), b"", None),
        (told(cmd=["make", "a b", "--x=é"]), b"", None),
        (told().replace("make a", "make \udcff"), b"", None),
    ],
)
def test_an_odd_commit_with_a_good_record_is_a_record(place, tmp_path, message, headers, author):
    made = place.commit(
        message, {OUT: "1.0\n"}, headers=headers, author=author or b"A <a> 1700000000 +0100"
    )
    assert place.findings == [] and place.history.producer(OUT).id == made
    ask_everything(place, tmp_path)


@pytest.mark.parametrize(
    "spec",
    [
        "[",
        "[z-a]",
        "[!",
        "[]",
        "[[:x:]]",
        "derivatives/[",
        "\\",
        "(?P<x>",
        "*a" * 200,
        "**/" * 40 + "x",
        "{a,b}",
        "derivatives/[!]",
        " ",
        "a" * 4000,
        "a/" * 2000 + "*",
    ],
)
def test_no_declared_path_raises_or_takes_long(place, tmp_path, spec):
    place.commit(
        told(inputs=[spec], outputs=[OUT, spec]), {OUT: "1.0\n", "derivatives/" + "a" * 200: "x"}
    )
    assert place.history.producer(OUT).record.inputs == (spec,)
    ask_everything(place, tmp_path)


def test_the_exec_bit_unlocking_and_locking_change_nothing(place):
    place.commit("chore: executable", {OUT: "0.9\n"}, mode="100755")
    place.commit("chore: unlock", {LARGE: f"/annex/objects/{KEY}\n"})
    assert place.findings == [] and states(place.folder, [PlaceStep()])["a"].word == "done"
    place.commit("chore: lock", {LARGE: LINK}, mode="120000")
    assert place.findings == [] and place.history.producer(LARGE).subject == "Make large"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        (LINK, "100644"),
        (f"/annex/objects/{KEY}", "120000"),
        (f"../elsewhere/annex/objects/{KEY}/{KEY}", "120000"),
        (f"../.git/modules/../../x/annex/objects/{KEY}/{KEY}", "120000"),
        (LINK + "\n", "120000"),
        (f"/annex/objects/{KEY}\nmore", "100644"),
        (LINK.replace(f"/{KEY}", "/x", 1), "120000"),
        (f"../.git/annex/objects/Xx/Yy/{KEY}/../../../x/{KEY}", "120000"),
        (LINK.replace("ab", "ba"), "120000"),
    ],
)
def test_what_only_looks_like_the_same_content_is_another(place, text, mode):
    place.commit("chore: swap", {LARGE: text}, mode=mode)
    assert place.findings == [("changed by hand", LARGE)]


def test_a_plain_repository_and_files_that_cannot_be_read_raise_nothing(place, tmp_path):
    plain = Place(tmp_path / "plain")
    plain.commit("Start", {"a.txt": "1\n"})
    assert (
        check(plain.history, profile=Profile())[0].kind == "no record"
        and plain.history.dataset_id == ""
    )
    assert faults(trace(plain.history, "a.txt", profile=PROFILE)) == []
    place.commit("chore: break", {".gitmodules": "[submodule\n", ".datalad/config": "nonsense ["})
    place.commit("Add a source", {"inputs/source": "1" * 40}, mode="160000")
    place.commit(told(inputs=["inputs/source/x"]), {OUT: "1.0\n"})
    ask_everything(place, tmp_path)
    assert trace(place.history, OUT, profile=PROFILE).runs and {
        kind for kind, _ in place.findings
    } == {"another dataset"}


def test_a_repository_without_a_commit_is_said_to_be_one(tmp_path):
    with pytest.raises(StudyError, match="has no commit HEAD"):
        Place(tmp_path / "empty").history  # noqa: B018
    with pytest.raises(StudyError):
        History(tmp_path)
