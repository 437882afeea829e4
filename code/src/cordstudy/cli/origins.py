"""What is told of where things come from: this study as it is cited, and its sources.

Owns: a source as a URI that means the same on any machine.
Does not own: where that is told.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from cordstudy.base.texts import read_text
from cordstudy.cli.here import ROOT
from cordstudy.provenance.calling.gitannex import git, git_ok, head, without_passwords
from cordstudy.provenance.citation import PLACE, Citation, parse_citation

URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
AT_HOST = re.compile(r"([\w.-]+@[\w.-]+):(?!/)(\S+)")
"""A place as ssh has it: `git@host:path`."""


@cache
def citation() -> Citation:
    """How this study is to be cited."""
    return parse_citation(read_text(ROOT / PLACE), place=ROOT / PLACE)


def version() -> str:
    """The version of this program."""
    return citation().version


def version_line() -> str:
    """The version of this program and the commit that it is at, where that can be told."""
    at = ""
    if (ROOT / ".git").exists():
        changed = git(ROOT, "status", "--porcelain", "--untracked-files=no", "--", "code").strip()
        at = f", commit {head(ROOT)[:12]}{' and changes of code/' if changed else ''}"
    return f"code/study {version()}{at}"


def source_url(root: Path, path: str, pin: str) -> str:
    """A subdataset as a URI: its URL; of one that is made where it lies, its DataLad id, and of one
    without such an id the pinned commit."""
    url = without_passwords(_of_submodule(root, path, "url"), shown="")
    if URL.fullmatch(url):
        return url
    if found := AT_HOST.fullmatch(url):
        return f"ssh://{found[1]}/{found[2]}"
    identifier = _of_submodule(root, path, "datalad-id")
    return f"urn:uuid:{identifier}" if identifier else f"swh:1:rev:{pin}"


def _of_submodule(root: Path, path: str, key: str) -> str:
    """What HEAD's .gitmodules says of a subdataset; empty where it does not."""
    asked = ("config", "--blob", "HEAD:.gitmodules", f"submodule.{path}.{key}")
    return git(root, *asked).strip() if git_ok(root, *asked) else ""
