"""Repositories whose commits are made as told, and every question that can be asked of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.attestations import attested
from cordstudy.provenance.audit.exports import FORMS, export
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.lineage import trace
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.audit.views import as_json, as_page, as_text
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.records import END, START, TAG, read_records
from helpers import git, run

DEEP = "[" * 100_000


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
        """Commit files (None: removed; of mode 160000: a commit) on HEAD, or on `parents`."""
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
        return [(fault.kind, fault.where) for fault in check(self.history, profile=PROFILE)]


class PlaceStep:
    """As a study renders the record of `place`."""

    name, argv, message = "a", ("make", "a"), "Make a"
    inputs, outputs = ("code/a.py",), (OUT,)


def ask_everything(place: Place, tmp_path: Path) -> None:
    """Every question that reads a history: none may raise anything but a StudyError."""
    history = place.history
    check(history, profile=PROFILE)
    states(place.folder, [PlaceStep()], logs=tmp_path / "logs")
    list(read_records(place.folder))
    attested(history, PROFILE)
    for path in list(history.tree)[:4]:
        lineage = trace(history, path, profile=PROFILE)
        as_text(lineage, depth=None, width=120)
        json.loads(as_json(lineage))
        as_page(lineage)
    for form in FORMS:
        export(history, form, tmp_path / form, profile=PROFILE)
