"""Publishing to a git host that holds no content: that is at plain URLs, of which the git-annex
branch tells.

Owns: laying out what is to be uploaded, the URL of each file, reading what is there before anybody
is told of it, pushing.
Does not own: bringing content there (a person uploads it), or what may be told (the caller).
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_lines
from cordstudy.provenance.calling.content import locations
from cordstudy.provenance.calling.gitannex import annex, annex_lines, git
from cordstudy.provenance.publishing.going import Going, check_provable, keys_of
from cordstudy.provenance.publishing.outbox import (
    GIT_ANNEX,
    check_moves_on,
    has_branch,
    outbox,
    push,
)

WEB = "web"
"""Git-annex's remote of everything that is at a URL."""
FETCHED = f"refs/remotes/published/{GIT_ANNEX}"


def upload_name(path: str, *, flat: bool) -> str:
    """How a file is called where it is uploaded to; places without folders take a `flat` name."""
    return path.replace("/", ".") if flat else path


def upload_names(files: Sequence[Going], *, flat: bool) -> dict[str, str]:
    """The path of each file by its name at the place. Raises StudyError where two have one."""
    names: dict[str, str] = {}
    for file in files:
        name = upload_name(file.path, flat=flat)
        other = names.setdefault(name, file.path)
        if other != file.path:
            raise StudyError(f"{other} and {file.path} would both be called {name}")
    return names


def lay_out(dataset: Path, folder: Path, files: Sequence[Going], *, flat: bool) -> None:
    """Copy the content of files to a folder, under the names that they are uploaded by; what is
    there stays. Raises StudyError, and copies nothing, where other content has such a name."""
    names = upload_names(files, flat=flat)
    places, keys = locations(dataset, keys_of(files)), {file.path: file.key for file in files}
    sources = {folder / name: places[keys[path]] for name, path in names.items()}
    there = [target for target in sources if os.path.lexists(target)]
    for target in there:
        if not target.is_file() or not filecmp.cmp(target, sources[target], shallow=False):
            raise StudyError(f"{target} is something else", hint="name a new folder")
    for target in sources.keys() - there:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.unfinished")
        try:
            shutil.copyfile(sources[target], unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def urls_at(base: str, files: Sequence[Going], *, flat: bool) -> dict[str, str]:
    """The URL of each file below a base."""
    check_url(base, where="--base")
    names = upload_names(files, flat=flat)
    return {path: f"{base.rstrip('/')}/{quote(name)}" for name, path in names.items()}


def read_urls(table: Path) -> dict[str, str]:
    """The URL of each file, of a TSV with the columns path and url. Raises StudyError with the line
    of what is none, or is there twice."""
    urls: dict[str, str] = {}
    for number, row in read_lines(table, "path", "url"):
        where = f"{table}, line {number}"
        check_url(row["url"], where=where)
        if row["path"] in urls:
            raise StudyError(f"{where}: {row['path']} is there twice", hint="leave one of them")
        urls[row["path"]] = row["url"]
    return urls


def check_url(url: str, *, where: str) -> None:
    """Raise StudyError for what is no URL that anybody can read."""
    parts = urlsplit(url)
    told = parts.scheme in ("http", "https") and parts.hostname
    if not told or any(sign.isspace() for sign in url):
        raise StudyError(f"{where}: {url!r} is no http or https URL", hint="https://…")
    if parts.username or parts.password:
        raise StudyError(f"{where}: a URL with a user or password would be told to all")


def publish(
    dataset: Path,
    url: str,
    files: Sequence[Going],
    urls: Mapping[str, str],
    *,
    scratch: Path,
    by_size: bool,
) -> None:
    """Push the present branch and a git-annex branch that tells the URL of each file.

    What is at each is read before, and must be the file's content; with `by_size` the server is
    asked for its size alone. Raises StudyError where it is not, and nothing is pushed.
    """
    check_provable(files)
    with outbox(dataset, scratch) as box:
        check_moves_on(box.path, url, box.branch)
        annex(box.path, "init", "-q")
        told = _one_a_key(files)
        lines = "".join(f"{file.key} {urls[file.path]}\n" for file in told)
        annex(box.path, "registerurl", "--batch", stdin=lines)
        for file in told:
            _check_is_there(box.path, file, urls[file.path], by_size=by_size)
        if has_branch(box.path, url, GIT_ANNEX):
            git(box.path, "fetch", "-q", "--no-tags", url, f"+{GIT_ANNEX}:{FETCHED}")
            annex(box.path, "merge", "-q")
        push(box.path, url, box.branch)  # first: a new host shows what it was given first
        push(box.path, url, GIT_ANNEX)


def publish_branch(dataset: Path, url: str, *, scratch: Path) -> None:
    """Push the present branch alone."""
    with outbox(dataset, scratch) as box:
        check_moves_on(box.path, url, box.branch)
        push(box.path, url, box.branch)


def _one_a_key(files: Sequence[Going]) -> list[Going]:
    """The first file of each key: of two URLs git-annex would be content with either, unread."""
    by_key: dict[str, Going] = {}
    for file in files:
        by_key.setdefault(file.key, file)
    return list(by_key.values())


def _check_is_there(repo: Path, file: Going, url: str, *, by_size: bool) -> None:
    """Raise StudyError unless what is at a URL is a file's content."""
    options = ("--json", "--json-error-messages", *(["--fast"] if by_size else []))
    argv = ("fsck", f"--from={WEB}", *options, "--key", file.key)
    said: dict[str, Any] = {}
    with suppress(StudyError):  # its answer says more
        for line in annex_lines(repo, *argv, stdin=""):
            said = json.loads(line)
    if said.get("success"):
        return
    why = " ".join([said.get("note", ""), *said.get("error-messages", [])]).strip()
    raise StudyError(
        f"{file.path}: its content is not at {url}" + (f": {why}" if why else ""),
        hint="upload it first (code/study publish files FOLDER); nothing was pushed",
    )
