"""`publish`: the study for others, with or without its content.

Owns: the kinds of places, their options, what is said before and after.
Does not own: what may go out (`going_out`), or how it gets there (`provenance.publishing`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.base.tables import write_file
from cordstudy.cli.citation import TARGET, zenodo_text
from cordstudy.cli.columns import print_columns
from cordstudy.cli.going_out import Choice, Guard, choose
from cordstudy.cli.groups import Group
from cordstudy.cli.here import LOCAL, ROOT, path_in
from cordstudy.cli.saying import say
from cordstudy.provenance.calling.gitannex import is_annex, without_passwords
from cordstudy.provenance.citation import PLACE
from cordstudy.provenance.publishing import host as hosts
from cordstudy.provenance.publishing import ria as stores
from cordstudy.provenance.publishing import webannex
from cordstudy.provenance.publishing.going import Going, check_whole
from cordstudy.provenance.running.runner import check_clean

SCRATCH = LOCAL / "publishing"
MB = 10**6
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Asked:
    """What every kind of place is asked for."""

    paths: Sequence[str]
    whole: bool
    allow: Sequence[str]
    allow_images: Sequence[str]
    dry_run: bool


def _asks(function: Function) -> Function:
    """The argument and options that every kind has."""
    for decorate in (
        click.option("--dry-run", is_flag=True, help="Say what would go out; write nothing."),
        click.option(
            "--allow-images",
            multiple=True,
            metavar="SOURCE",
            help="The terms of this private source allow its converted images, masks, predictions "
            "and pictures to go out too.",
        ),
        click.option(
            "--allow",
            multiple=True,
            metavar="SOURCE",
            help="The terms of this private source allow tables about its participants and models "
            "that learned from it to go out.",
        ),
        click.option(
            "--all", "whole", is_flag=True, help="The content of every file that is here."
        ),
        click.argument("paths", metavar="[PATH]...", nargs=-1),
    ):
        function = decorate(function)
    return function


@click.group(cls=Group)
def publish() -> None:
    """Publish the study: its history, and the content of models and report.

    To a RIA store (ria), to a git host with content at URLs (host), or content for a plain web
    server beside a branch at a host (http); `files` lays out what is to be uploaded. Content is
    that of models and report, of PATHs, or of all files here (--all). code/docs/publishing.md tells
    what a consumer types after each.

    The sources themselves (inputs/) are never published. Where a study in the history has private
    sources, each must be named: --allow, and for what shows their images --allow-images.

    \b
    Example:
      code/study publish ria ria+ssh://lab.example.org/store --dry-run
    """


@publish.command()
@click.argument("store", metavar="STORE")
@_asks
@click.pass_obj
def ria(name: str, /, store: str, **asked: Any) -> None:
    """Publish to a RIA store: a folder, or ria+ssh://HOST/FOLDER. May be repeated.

    \b
    Example:
      code/study publish ria /project/store
    """
    url = stores.store_url(store)
    if url.startswith("ria+file://"):
        _check_outside(Path(url.removeprefix("ria+file://")))
    told = Asked(**asked)
    choice = _chosen(name, told, to=url)
    if choice is None:
        return
    stores.publish(ROOT, url, choice.files, scratch=SCRATCH)
    _tell(
        [
            f"datalad clone {shlex.quote(stores.dataset_url(ROOT, url))} study",
            *_get(name, told, choice),
        ]
    )


@publish.command()
@click.argument("url", metavar="GIT-URL")
@_asks
@click.option("--base", metavar="URL", help="Each file is at this URL, a slash and its path.")
@click.option("--flat", is_flag=True, help="With --base: at its path with dots for slashes.")
@click.option(
    "--table",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A TSV of columns path and url, in place of --base; its files are those that go out.",
)
@click.option("--fast", is_flag=True, help="Ask for the size of what is at a URL; do not read it.")
@click.pass_obj
def host(
    name: str,
    /,
    url: str,
    base: str | None,
    flat: bool,
    table: Path | None,
    fast: bool,
    **asked: Any,
) -> None:
    """Publish to a git host: the branch, and a git-annex branch that tells where content is.

    Upload the files before: to a release, Zenodo, Hugging Face (code/study publish files). What is
    at each URL is read and must be the file's content; else nothing is pushed. Files need not be
    here. May be repeated.

    \b
    Example:
      code/study publish host git@github.com:lab/study.git \\
          --base https://huggingface.co/lab/study/resolve/main
    """
    told = Asked(**asked)
    urls = _told_urls(base, table, told, flat=flat)
    if urls is not None:
        told = replace(told, paths=tuple(urls))
    choice = _chosen(name, told, to=url, elsewhere=True)
    if choice is None:
        return
    if urls is None:
        assert base  # as there is no table
        urls = hosts.urls_at(base, choice.files, flat=flat)
    place = _git_url(url)
    hosts.publish(ROOT, place, choice.files, urls, scratch=SCRATCH, by_size=fast)
    _tell([f"datalad clone {shlex.quote(place)} study", *_get(name, told, choice)])


def _told_urls(
    base: str | None, table: Path | None, asked: Asked, *, flat: bool
) -> dict[str, str] | None:
    """The URLs of a table; None where there is a base."""
    if (base is None) == (table is None):
        raise StudyError("where is the content?", hint="one of --base URL and --table FILE")
    if table is None:
        hosts.check_url(base or "", where="--base")
        return None
    if asked.paths or asked.whole or flat:
        raise StudyError("--table says which files go out: no PATH, --all or --flat with it")
    return hosts.read_urls(table)


@publish.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_asks
@click.option("--host", "url", metavar="GIT-URL", help="Push the branch alone to this git host.")
@click.pass_obj
def http(name: str, /, folder: Path, url: str | None, **asked: Any) -> None:
    """Lay out content in FOLDER, for any plain web server; the branch is at a git host.

    Copy FOLDER to the server as it is. May be repeated: what is there stays.

    \b
    Example:
      code/study publish http /var/www/study-annex --host git@github.com:lab/study.git
    """
    _check_outside(folder)
    told = Asked(**asked)
    choice = _chosen(name, told, to=str(folder))
    if choice is None:
        return
    webannex.publish(ROOT, folder.resolve(), choice.files)
    place = _git_url(url) if url else "GIT-URL"
    if url:
        hosts.publish_branch(ROOT, place, scratch=SCRATCH)
    first, enter, get = [f"datalad clone {shlex.quote(place)} study", *_get(name, told, choice)]
    add = f"git remote add content URL-OF-{folder.name}"
    _tell([first, enter, "git annex init", add, "git fetch content", get])


@publish.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_asks
@click.option("--flat", is_flag=True, help="All in one folder: paths with dots for slashes.")
@click.pass_obj
def files(name: str, /, folder: Path, flat: bool, **asked: Any) -> None:
    """Copy content to FOLDER under plain names, to be uploaded before `publish host`.

    May be repeated: what is there stays.

    \b
    Example:
      code/study publish files upload --flat
      gh release create v1 upload/*
      code/study publish host git@github.com:lab/study.git --flat \\
          --base https://github.com/lab/study/releases/download/v1
    """
    _check_outside(folder)
    told = Asked(**asked)
    choice = _chosen(name, told, to=str(folder))
    if choice is None:
        return
    hosts.lay_out(ROOT, folder, choice.files, flat=flat)
    say(f"{len(choice.files)} files are in {folder}")


@publish.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 unless it is so.")
def metadata(check: bool) -> None:
    """Write .zenodo.json from CITATION.cff: what Zenodo takes for the record of a release.

    \b
    Example:
      code/study publish metadata
    """
    text, target = zenodo_text(ROOT / PLACE), ROOT / TARGET
    is_so = target.is_file() and target.read_text("utf-8") == text
    if check and not is_so:
        raise StudyError(f"{TARGET} is not what {PLACE} says", hint="code/study publish metadata")
    if not is_so:
        write_file(target, text)
    say(f"{TARGET} says what {PLACE} says")


def _chosen(name: str, asked: Asked, *, to: str, elsewhere: bool = False) -> Choice | None:
    """The files that go out, told of; None where that is all that was asked for.

    Raises StudyError where something may not go out, this clone is no annex, or it has not the
    whole content of a file, but for content that is `elsewhere`.
    """
    check_clean(ROOT)
    if not is_annex(ROOT):
        raise StudyError("this clone has no content: it is not set up", hint="code/study setup")
    guard = Guard(ROOT, asked.allow, asked.allow_images)
    guard.check()
    paths = [path_in(ROOT, path) for path in asked.paths]
    choice = choose(guard, paths, default=_default(name), whole=asked.whole)
    _show(choice.files)
    for path, reason in choice.kept_back.items():
        say(f"kept back: {inline(path)}: {reason}")
    if not choice.files:
        raise StudyError("no content would go out", hint="code/study publish --help")
    total = sum(file.size for file in choice.files) / MB
    place = inline(without_passwords(to))
    say(f"the branch, and {len(choice.files)} files, {total:.1f} MB, to {place}")
    if not elsewhere:
        check_whole(ROOT, choice.files)
    return None if asked.dry_run else choice


def _default(name: str) -> list[str]:
    """What consumers need of a study: trained models and the report."""
    return [f"models/{name}", f"derivatives/{name}/report"]


def _show(files: Sequence[Going]) -> None:
    print_columns([(f"{file.size / MB:.2f} MB", inline(file.path)) for file in files], right=(0,))


def _get(name: str, asked: Asked, choice: Choice) -> list[str]:
    """What a consumer types after the clone, for an example."""
    paths = asked.paths or _default(name)
    sent = [path for path in paths if any(_is_below(file.path, path) for file in choice.files)]
    return ["cd study", f"datalad get {shlex.join(sent[:3] or [choice.files[0].path])}"]


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _tell(lines: Sequence[str]) -> None:
    say("published; others have it by:\n")
    for line in lines:
        say(f"  {without_passwords(line)}")


def _git_url(told: str) -> str:
    """A URL for git; a folder by its whole path, as git is called elsewhere."""
    return str(Path(told).resolve()) if Path(told).exists() else told


def _check_outside(folder: Path) -> None:
    """Raise StudyError for a folder in the study itself, of which it would become a part."""
    if folder.resolve().is_relative_to(ROOT):
        raise StudyError(f"{folder} is in the study", hint="name a folder elsewhere")
