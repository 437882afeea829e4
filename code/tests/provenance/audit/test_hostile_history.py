"""Histories that were made to mislead: nothing in them hides a change, raises, runs or steers a terminal."""

import gzip
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError, indented, inline, visible
from cordstudy.provenance.audit import sandbox
from cordstudy.provenance.audit.attestations import Claim, attested, unbound
from cordstudy.provenance.audit.exports import FORMS, export
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.lineage import faults, trace
from cordstudy.provenance.audit.rendering import Rendered, by_present_code
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.audit.verify import _Judge
from cordstudy.provenance.audit.views import as_json, as_page, as_text
from cordstudy.provenance.history import sidecars
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.records import (
    END,
    RESOURCES,
    START,
    TAG,
    MalformedRecord,
    parse_message,
    read_records,
)
from cordstudy.provenance.history.since import changed
from cordstudy.provenance.running.notes import note
from helpers import REPOSITORY, commit, git, run, study


def can_wall_in() -> bool:
    try:
        sandbox.check_sandbox()
    except StudyError:
        return False
    return True


walled = pytest.mark.skipif(not can_wall_in(), reason="bubblewrap is not there, or cannot run here")
OUT = "derivatives/a.txt"
KEY = f"SHA256E-s2--{'ab' * 32}.bin"
LINK = f"../.git/annex/objects/Xx/Yy/{KEY}/{KEY}"
LARGE = "derivatives/large.bin"
INFO = {
    "chain": [],
    "cmd": "make a",
    "dsid": "d1",
    "exit": 0,
    "extra_inputs": [],
    "inputs": ["code/a.py"],
    "outputs": [OUT],
    "pwd": ".",
}


def block(values: str, *, subject: str = "Make a", rest: str = "") -> str:
    """The message of a record with these values."""
    return f"{TAG} {subject}\n\n{START}\n{values}\n{END}\n{rest}"


def told(subject: str = "Make a", rest: str = "", **values: object) -> str:
    """The message of a record, with some values of it changed."""
    return block(json.dumps(INFO | values, indent=1), subject=subject, rest=rest)


WHO = b"Tester <t@example.org> 1700000000 +0100"


class Place:
    """A repository whose commits are made as told, each in a few milliseconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run("git", "init", "-q", "-b", "main", folder, cwd=folder.parent)
        self.config = {"user.name": "Tester", "user.email": "t@example.org"}
        for key, value in self.config.items():
            git(folder, "config", key, value)

    def plumb(self, *args: str, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.folder, input=stdin, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def commit(
        self,
        message: str | bytes,
        files: Mapping[str, str | None] | None = None,
        *,
        mode: str = "100644",
        headers: bytes = b"",
        parents: list[str] | None = None,
        author: bytes = WHO,
    ) -> str:
        """Commit files (None: removed; of mode 160000: a commit) on HEAD, or on `parents`; the commit."""
        for path, text in (files or {}).items():
            line = f"0 {'0' * 40}\t{path}\0"
            if text is not None:
                held = (
                    text
                    if mode == "160000"
                    else self.plumb("hash-object", "-w", "--stdin", stdin=text.encode())
                )
                line = f"{mode} {held}\t{path}\0"
            self.plumb(
                "update-index", "-z", "--index-info", stdin=line.encode(errors="surrogateescape")
            )
        if parents is None:
            done = subprocess.run(
                ["git", "rev-parse", "-q", "--verify", "HEAD"], cwd=self.folder, capture_output=True
            )
            parents = done.stdout.decode().split()
        lines = [f"tree {self.plumb('write-tree')}", *(f"parent {one}" for one in parents)]
        body = message.encode(errors="surrogateescape") if isinstance(message, str) else message
        content = (
            "\n".join(lines).encode()
            + b"\nauthor "
            + author
            + b"\ncommitter "
            + author
            + b"\n"
            + headers
        )
        made = self.plumb(
            "hash-object",
            "-t",
            "commit",
            "-w",
            "--stdin",
            "--literally",
            stdin=content + b"\n" + body,
        )
        self.plumb("update-ref", "HEAD", made)
        return made

    @property
    def history(self) -> History:
        return History(self.folder)

    @property
    def findings(self) -> list[tuple[str, str]]:
        return [(finding.kind, finding.where) for finding in check(self.history)]


@pytest.fixture(scope="session")
def honest_place(tmp_path_factory) -> Path:
    place = Place(tmp_path_factory.mktemp("hostile") / "study")
    place.commit(
        "Start", {".datalad/config": '[datalad "dataset"]\n\tid = d1\n', "code/a.py": "1\n"}
    )
    place.commit(told(), {OUT: "0.9\n"})
    place.commit(
        told("Make large", outputs=[LARGE], cmd="make large"), {LARGE: LINK}, mode="120000"
    )
    return place.folder


@pytest.fixture
def place(honest_place, tmp_path) -> Place:
    """A copy of an honest little history, to be changed."""
    made = Place.__new__(Place)
    made.folder = Path(shutil.copytree(honest_place, tmp_path / "study", symlinks=True))
    return made


class Step:
    """As a study renders the record of `place`."""

    name, argv, message = "a", ("make", "a"), "Make a"
    inputs, outputs = ("code/a.py",), (OUT,)


def ask_everything(place: Place, tmp_path: Path) -> None:
    """Every question that reads a history: none may raise anything but a StudyError."""
    history = place.history
    check(history)
    states(place.folder, [Step()], logs=tmp_path / "logs")
    list(read_records(place.folder))
    attested(history)
    for path in list(history.tree)[:4]:
        lineage = trace(history, path)
        as_text(lineage, depth=None, width=120)
        json.loads(as_json(lineage))
        as_page(lineage)
    for form in FORMS:
        export(history, form, tmp_path / form)


def test_an_honest_history_has_no_findings(place, tmp_path):
    assert place.findings == [] and states(place.folder, [Step()])["a"].word == "done"
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
    assert states(place.folder, [Step()])["a"].why == f"its output changed: {OUT}"


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
    from cordstudy.provenance.history import commits

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


DEEP = "[" * 100_000
MALFORMED = {
    "no JSON": block("{"),
    "empty": block(""),
    "deep": block(DEEP + "]" * 100_000),
    "deep value": block(json.dumps(INFO)[:-1] + ', "x": ' + DEEP + "]" * 100_000 + "}"),
    "a list": block("[]"),
    "a number": block("1"),
    "null": block("null"),
    "NaN": block("NaN"),
    "no cmd": block("{}"),
    "two blocks": told() + "\n" + told(),
    "two blocks below one tag": told(rest=f"{START}\n{{}}\n{END}\n"),
    "a tag without a block": f"{TAG} Make a\n",
    "a tag alone": TAG,
    "a block without its tag": told()[4:],
    "a prefix": "JIRA-1 " + told(),
    "CRLF": told().replace("\n", "\r\n"),
    "no end": told().replace(END, ""),
    "the end first": f"{TAG} x\n{END}\n{START}\n{{}}\n",
    "a key twice": block('{"cmd": "a", "dsid": "d1", "cmd": "b"}'),
    **{
        f"cmd {value!r}": told(cmd=value)
        for value in (None, 1, [], [1], {}, "a\0b", ["a\0"], "\ud800")
    },
    **{
        f"inputs {value!r}": told(inputs=value)
        for value in ("code", [1], [None], {"a": 1}, [["a"]], 1, ["a\0"])
    },
    **{
        f"outputs {value!r}": told(outputs=value)
        for value in (OUT, [1], {}, True, ["/etc"], ["../x"], ["a/../../x"])
    },
    **{f"extra_inputs {value!r}": told(extra_inputs=value) for value in ("x", [1], 0.5)},
    **{
        f"exit {value!r}": told(exit=value)
        for value in ("0", "x", 0.5, True, [], 2**40, -(2**40), float("inf"))
    },
    "exit huge": block(json.dumps(INFO).replace('"exit": 0', '"exit": 1' + "0" * 5000)),
    **{
        f"pwd {value!r}": told(pwd=value)
        for value in ("/home/me", "..", "../x", "a/../..", "a\0b", 1, ["."])
    },
    **{f"chain {value!r}": told(chain=value) for value in ("abc", [1], {})},
    **{f"dsid {value!r}": told(dsid=value) for value in (1, ["d1"], {})},
    "a path too long": told(inputs=["a/" * 10**6]),
    **{
        f"sidecar {name!r}": block(json.dumps(name))
        for name in ("../../code/a.py", "none", "", ".", "/etc", "a\nb")
    },
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_record_is_a_finding_and_makes_nothing(place, tmp_path, name):
    made = place.commit(MALFORMED[name], {OUT: "1.0\n"})
    found = [finding for finding in check(place.history) if finding.kind == "malformed record"]
    assert [finding.commit for finding in found] == [made] and found[0].what
    assert ("changed by hand", OUT) in place.findings, "it is nobody's record"
    assert states(place.folder, [Step()])["a"].word == "stale"
    assert made not in {record.commit for record in read_records(place.folder)}
    with pytest.raises(MalformedRecord):
        parse_message(
            place.history.by_id[made].subject and MALFORMED[name].partition("\0")[0],
            repo=place.folder,
        )
    ask_everything(place, tmp_path)


@pytest.mark.parametrize(
    ("content", "fine"),
    [
        (json.dumps(INFO).encode(), True),
        (gzip.compress(json.dumps(INFO).encode(), mtime=0), True),
        (b"", False),
        (b"no JSON", False),
        (gzip.compress(b"{}")[:-6], False),
        (b"\x1f\x8brest", False),
        (b"\xfd7zXZ\0rest", False),
        (b'"another"', False),
        (gzip.compress(b" " * 2**20), False),
    ],
)
def test_a_sidecar_is_read_or_its_record_is_malformed(place, tmp_path, monkeypatch, content, fine):
    monkeypatch.setattr(sidecars, "LARGEST", 2**19)
    blob = place.plumb("hash-object", "-w", "--stdin", stdin=content)
    place.plumb("update-index", "--add", "--cacheinfo", f"100644,{blob},.datalad/runinfo/s1")
    place.commit(block('"s1"'), {OUT: "1.0\n"})
    kinds = {kind for kind, _ in place.findings}
    assert kinds == ({"undeclared output"} if fine else {"malformed record", "changed by hand"})
    ask_everything(place, tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "{}",
        "[]",
        "NaN",
        '{"wall_s": NaN, "cpu_s": 1, "peak_mib": 1}',
        DEEP,
        '{"wall_s": 1, "cpu_s": 1, "peak_mib": 1, "more": 1}',
        '{"wall_s": "1", "cpu_s": 1, "peak_mib": 1}',
        '{"wall_s": 1' + "0" * 400 + ', "cpu_s": 1, "peak_mib": 1}',
        '{"wall_s": -1, "cpu_s": 1, "peak_mib": 1}',
    ],
)
def test_resources_that_are_none_leave_a_record_and_are_a_finding(place, tmp_path, line):
    place.commit(told(rest=f"\n{RESOURCES}{line}\n"), {OUT: "1.0\n"})
    assert [kind for kind, _ in place.findings] == ["malformed record"]
    assert (
        next(place.history.records).record.resources is None
        and states(place.folder, [Step()])["a"].word == "done"
    )
    ask_everything(place, tmp_path)


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
    assert place.findings == [] and states(place.folder, [Step()])["a"].word == "done"
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


def attestation(place: Place, word: object = "identical") -> str:
    maker = place.history.producer(OUT).id
    return json.dumps(
        {
            "commit": maker,
            "environment": "e",
            "machine": {},
            "verdicts": [
                {"name": "a", "record": maker, "identical": "n/a", "word": word, "differs": []}
            ],
        }
    )


PATH = ".datalad/attestations/1.json"
ATTEST = told("Attest", cmd="code/study --study x verify --attest", inputs=[], outputs=[PATH])


def test_an_attestation_is_a_claim_of_who_committed_it(place):
    maker = place.history.producer(OUT).id
    made = place.commit(ATTEST, {PATH: attestation(place)})
    assert (
        attested(place.history) == {maker: [Claim("identical", "Tester", made)]}
        and place.findings == []
    )
    place.commit("chore: better", {PATH: attestation(place, "equivalent")})
    assert attested(place.history) == {} and ("empty attestation", PATH) in place.findings


@pytest.mark.parametrize(
    "message",
    [
        "docs: verified",
        told("Attest", cmd="make x", outputs=[PATH]),
        ATTEST.replace("exit", '"'),
        told("Attest", cmd="code/study verify", outputs=["x"]),
    ],
)
def test_an_attestation_that_no_readable_record_made_counts_for_nothing(place, message):
    place.commit(message, {PATH: attestation(place)})
    assert attested(place.history) == {} and ("empty attestation", PATH) in place.findings


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", DEEP, '{"commit": 1, "verdicts": []}', "\x00", "verified", None]
)
def test_a_malformed_attestation_is_a_finding(place, tmp_path, content):
    text = (
        attestation(place, "verified")
        if content == "verified"
        else attestation(place, 1)
        if content is None
        else content
    )
    place.commit(ATTEST, {PATH: text})
    assert attested(place.history) == {} and ("empty attestation", PATH) in place.findings
    ask_everything(place, tmp_path)


def test_an_attestation_that_is_a_subdataset_raises_nothing(place):
    place.commit(ATTEST, {PATH: "1" * 40}, mode="160000")
    assert [path for path, _ in unbound(place.history)] == [PATH]


def test_a_plain_repository_and_files_that_cannot_be_read_raise_nothing(place, tmp_path):
    plain = Place(tmp_path / "plain")
    plain.commit("Start", {"a.txt": "1\n"})
    assert (
        check(plain.history, folders=["."])[0].kind == "no record"
        and plain.history.dataset_id == ""
    )
    assert faults(trace(plain.history, "a.txt")) == []
    place.commit("chore: break", {".gitmodules": "[submodule\n", ".datalad/config": "nonsense ["})
    place.commit("Add a source", {"inputs/source": "1" * 40}, mode="160000")
    place.commit(told(inputs=["inputs/source/x"]), {OUT: "1.0\n"})
    ask_everything(place, tmp_path)
    assert trace(place.history, OUT).runs and {kind for kind, _ in place.findings} == {
        "another dataset"
    }


@pytest.mark.parametrize(
    "text",
    [b"", b"no JSON", b"[]", b'{"word": 1}', b'{"word": "running", "process": "x"}', b"\xff"],
)
def test_a_note_that_cannot_be_read_is_no_note(place, tmp_path, text):
    note(tmp_path, "a", "failed", "x")
    assert states(place.folder, [Step()], logs=tmp_path)["a"].word == "done"
    (tmp_path / "a.state").write_bytes(text)
    assert states(place.folder, [Step()], logs=tmp_path)["a"].word == "done"


def test_a_repository_without_a_commit_is_said_to_be_one(tmp_path):
    with pytest.raises(StudyError, match="has no commit HEAD"):
        Place(tmp_path / "empty").history  # noqa: B018
    with pytest.raises(StudyError):
        History(tmp_path)


RENDERED = Rendered({"code/studies/a.toml": [Step()]}, ("code/a.py",))


def on_disk(place: Place) -> Place:
    """The files of the history in the working tree too."""
    place.plumb("checkout", "-q", "-f", "HEAD")
    return place


@pytest.fixture
def with_toml(place) -> Place:
    place.commit("feat: a study", {"code/studies/a.toml": "x = 1\n"})
    place.commit(told(), {OUT: "1.0\n"})
    return on_disk(place)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, None),
        ({"inputs": []}, "edited inputs"),
        ({"inputs": ["code/a.py", "code/*"]}, "edited inputs"),
        ({"extra_inputs": ["code/studies/a.toml"]}, "edited inputs"),
        ({"cmd": "make b"}, "edited command"),
        ({"outputs": [OUT, LARGE], "cmd": "./code/study a"}, "edited command"),
        ({"cmd": "code/study "}, "edited command"),
        ({"cmd": "code/study a verify", "outputs": [OUT, LARGE]}, "edited command"),
        ({"cmd": "env x", "outputs": [OUT, LARGE]}, "edited outputs"),
        ({"cmd": "x", "outputs": ["."]}, "edited outputs"),
    ],
)
def test_an_edited_record_is_found_where_the_present_code_can_tell(with_toml, values, kind):
    place = with_toml
    place.commit(told(**values), {OUT: "2.0\n", "README.md": "x"})
    history = on_disk(place).history
    expected = by_present_code(history, history.records, RENDERED)
    kinds = {finding.kind for finding in check(history, expected=expected.get)} - {
        "two records",
        "undeclared output",
    }
    assert kinds == ({kind} if kind else set())


@pytest.mark.parametrize("path", ["code/a.py", "code/studies/a.toml"])
@pytest.mark.parametrize("committed", [True, False])
def test_a_record_of_other_code_is_not_compared(with_toml, path, committed):
    place = with_toml
    assert len(by_present_code(place.history, place.history.records, RENDERED)) == 1, (
        "the two others had no study"
    )
    if committed:
        place.commit("feat: another", {path: "other\n"})
        on_disk(place)
    else:
        (place.folder / path).write_text("other\n")
    history = place.history
    assert by_present_code(history, history.records, RENDERED) == {}


def test_how_many_processes_the_gate_starts_does_not_depend_on_the_records(place, monkeypatch):
    def count() -> int:
        started = []
        real = subprocess.Popen.__init__
        monkeypatch.setattr(
            subprocess.Popen,
            "__init__",
            lambda self, *a, **k: (started.append(a), real(self, *a, **k))[1],
        )
        check(place.history)
        monkeypatch.undo()
        return len(started)

    few = count()
    for n in range(10):
        place.commit(
            told(f"Make {n}", outputs=[f"derivatives/{n}.txt"], cmd=f"make {n}"),
            {f"derivatives/{n}.txt": "x"},
        )
    assert count() == few < 15 and place.findings == []


def test_no_line_of_an_error_can_pass_for_another_line_of_ours(tmp_path):
    path = tmp_path / "x\nhint: run me\nerror: x"
    path.write_text("[")
    words = (
        "split",
        path,
        "--out",
        tmp_path,
        "--seed",
        "1",
        "--test-fraction",
        "0.2",
        "--folds",
        "2",
    )
    failed = study(REPOSITORY, *words, check=False)
    assert failed.returncode == 1
    assert [line for line in failed.stderr.splitlines() if not line.startswith("  ")] == [
        f"error: {tmp_path}/x",
        "hint: `code/study run` writes it from the study's TOML",
    ]
    assert indented("1 fault:\n  a\nb") == "1 fault:\n  a\n  b"


@walled
@pytest.mark.parametrize(
    "script",
    [
        "import socket; socket.create_connection(('1.1.1.1', 53), 2)",
        "open('x', 'w')",
        "open('/usr/x', 'w')",
        "open('/x', 'w')",
        "open('/dev/x', 'w')",
        "open('/dev/shm/x', 'w')",
        f"open({__file__!r})",
        f"import os; os.kill({os.getpid()}, 0)",
        "print('x' * 2**26)",
        "x = bytearray(2**33)",
        "raise SystemExit(3)",
        "import os; assert 'SECRET' in os.environ",
        "while True: pass",
    ],
)
def test_code_in_the_sandbox_can_do_nothing(tmp_path, monkeypatch, script):
    monkeypatch.setattr(sandbox, "TIME_S", 2.0)
    monkeypatch.setenv("SECRET", "1")
    sandbox.check_sandbox()
    assert sandbox.python_in_sandbox(script, tmp_path, path=".") is None
    assert list(tmp_path.iterdir()) == []


OPENABLE = """
import os
for place in ("/proc", "/sys", "/run", "/etc", "/usr", "/study", "/dev"):
    for folder, _, names in os.walk(place):
        for path in [os.path.join(folder, name) for name in names]:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
            except OSError:
                continue
            print(os.path.realpath(path))
"""
"""Opens every file for writing, and writes nothing."""


@walled
def test_code_in_the_sandbox_can_open_nothing_of_the_system_for_writing(tmp_path):
    opened = sandbox.python_in_sandbox(OPENABLE, tmp_path, path=".").decode().split()
    harmless = ("ptmx", "tty", "urandom", "random", "full", "zero", "null", "pts/ptmx")
    assert set(opened) <= {f"/dev/{name}" for name in harmless}


@walled
def test_code_in_the_sandbox_can_compute_and_its_lack_is_said(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("x = 1")
    script = "import mine, pydantic; open('/tmp/x', 'w'); print(mine.x)"
    assert sandbox.python_in_sandbox(script, tmp_path, path=".") == b"1\n"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match="not installed") as raised:
        sandbox.check_sandbox()
    assert "apt install bubblewrap" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb", "a\\x0db"),
        ("\x7f\x9b", "\\x7f\\x9b"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\udcff\ud800", "\\xff\\ud800"),
        ("\x00\x08", "\\x00\\x08"),
        ("ä→😀", "ä→😀"),
        ("a\nb\tc", "a\nb\tc"),
    ],
)
def test_what_steers_a_terminal_is_shown_as_an_escape(text, shown):
    assert visible(text) == shown and "\n" not in inline(text) and "\t" not in inline(text)


def test_what_made_a_file_is_asked_as_records_mean_their_paths(place):
    place.commit(told("Folder", outputs=["derivatives/b"], cmd="b"), {"derivatives/b/x.txt": "x"})
    place.commit(
        told("Glob", outputs=["derivatives/**/*.csv"], cmd="c"), {"derivatives/x.csv": "x"}
    )
    judge = _Judge.__new__(_Judge)
    judge.records = list(read_records(place.folder))
    first = parse_message(told())
    judge.records.insert(0, first)
    assert judge._producer("derivatives/b/x.txt", first).subject == "Folder"
    assert judge._producer("derivatives/x.csv", first).subject == "Glob"
    assert (
        judge._producer("derivatives/b", first).subject == "Folder"
        and judge._producer("x", first) is None
    )


SUMMARY = "derivatives/tiny/evaluation/summary.tsv"
ESCAPE = "\x1b[31m\u202e"


def test_results_are_those_of_head_and_warn_where_no_record_made_them(tiny_copy):
    honest = study(tiny_copy, "--study", "tiny", "results")
    assert "warning" not in honest.stderr and "Mean Dice" in honest.stdout
    shallow = tiny_copy.parent / "shallow"
    git(tiny_copy, "clone", "-q", "--depth", "1", f"file://{tiny_copy}", shallow)
    told = study(shallow, "--study", "tiny", "results")
    assert (
        "shallow clone" in told.stderr
        and told.stdout.replace(str(shallow), str(tiny_copy)) == honest.stdout
    )
    path = tiny_copy / SUMMARY
    path.write_text(path.read_text().replace("general", "genuine"))
    assert study(tiny_copy, "--study", "tiny", "results").stdout == honest.stdout, "of HEAD"
    commit(tiny_copy, f"docs: tidy\x02{ESCAPE}", SUMMARY)
    told = study(tiny_copy, "--study", "tiny", "results")
    assert (
        "warning: " in told.stderr
        and "no record made these numbers" in told.stderr
        and "genuine" in told.stdout
    )
    git(tiny_copy, "replace", "HEAD", "HEAD~1")
    assert "genuine" in study(tiny_copy, "--study", "tiny", "results").stdout, "no replacement"
    for question in (
        "audit --all",
        f"audit {SUMMARY}",
        f"audit {SUMMARY} --format json",
        "status --json",
        "status",
        "results",
    ):
        asked = study(tiny_copy, "--study", "tiny", *question.split(), check=False)
        assert "Traceback" not in asked.stderr and not {*ESCAPE[:1], "\u202e", "\x02"} & {
            *asked.stdout,
            *asked.stderr,
        }
    git(tiny_copy, "replace", "-d", git(tiny_copy, "rev-parse", "HEAD"))
    git(tiny_copy, "rm", "-q", SUMMARY)
    git(tiny_copy, "commit", "-q", "-m", "chore: remove")
    gone = study(tiny_copy, "--study", "tiny", "results", check=False)
    assert gone.returncode == 1 and gone.stderr.startswith(f"error: there is no {SUMMARY}")


@walled
def test_no_question_runs_code_of_the_history_and_render_only_in_a_sandbox(tiny_copy, tmp_path):
    marker = tmp_path / "ran"
    module = tiny_copy / "code/src/cordstudy/study/steps.py"
    text = module.read_text()
    module.write_text(f"{text}\nPath({str(marker)!r}).touch()\n")
    commit(tiny_copy, "feat: look harmless", module)
    git(
        tiny_copy,
        "commit",
        "-q",
        "--allow-empty",
        "-m",
        git(tiny_copy, "log", "-1", "--format=%B", "HEAD~1"),
    )
    module.write_text(text)
    commit(tiny_copy, "Revert", module)
    told = study(tiny_copy, "audit", "--all", check=False)
    assert (
        "1 records not rendered (made by other code; --render runs it in a sandbox)" in told.stdout
    )
    told = study(tiny_copy, "audit", "--all", "--render", check=False)
    assert (
        "running the code of 1 other states of this history in a sandbox" in told.stderr
        and not marker.exists()
    )
    assert "its own code could not be run" in told.stdout
    module.write_text(text + "\n# begun to edit")
    assert "26 records not rendered" in study(tiny_copy, "audit", "--all", check=False).stdout
    assert "runs the commands of the records" in " ".join(
        study(tiny_copy, "verify", "--help").stdout.split()
    )


@walled
def test_records_that_other_code_made_are_compared_with_it_in_a_sandbox(tiny_copy):
    module = tiny_copy / "code/src/cordstudy/study/steps.py"
    module.write_text(module.read_text() + "\n# another\n")
    commit(tiny_copy, "refactor: note", module)
    told = study(tiny_copy, "audit", "--all").stdout
    assert "26 records not rendered" in told and "nothing found" in told
    told = study(tiny_copy, "audit", "--all", "--render").stdout
    assert "not rendered" not in told and "nothing found" in told
    head = git(tiny_copy, "rev-parse", "HEAD")
    git(tiny_copy, "reset", "-q", "--hard", "HEAD~1")
    message = git(tiny_copy, "log", "-1", "--format=%B").replace('  "code/study",\n', "")
    run("git", "commit", "-q", "--amend", "-m", message, cwd=tiny_copy)
    git(tiny_copy, "cherry-pick", head)
    told = study(tiny_copy, "audit", "--all", "--render", check=False)
    assert told.returncode == 1 and "edited inputs" in told.stdout


def test_an_adjusted_branch_and_unlocking_leave_everything_done(tiny_copy):
    git(tiny_copy, "annex", "unlock", "-q", "models/tiny")
    git(tiny_copy, "commit", "-q", "-am", "chore: unlock")
    git(tiny_copy, "annex", "adjust", "-q", "--unlock")
    assert "nothing found" in study(tiny_copy, "audit", "--all").stdout
    states = study(tiny_copy, "--study", "tiny", "status").stdout.splitlines()
    assert all(line.startswith("done ") for line in states[:-1])
