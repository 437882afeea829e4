"""What of this dataset may go out: the guard of `publish`.

Owns: which private sources are behind what, that each is told of by name before anything of it goes
out, and choosing files.
Does not own: what is behind a path of one study (`study.private`), or sending (`publish`).

Whatever a branch ever held goes out with it: tables, pictures, carried content, passwords in URLs.
So a private source of any version of any study's TOML counts, once that study has results in the
history; but for one that was always where it is and that the TOML now says is public.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import did_you_mean
from cordstudy.provenance.calling.gitannex import without_passwords
from cordstudy.provenance.history.carried import FOLDER as CARRIED
from cordstudy.provenance.history.gitlog import Entry
from cordstudy.provenance.publishing.going import (
    Going,
    annexed_files,
    ever,
    here,
    messages,
    texts,
)
from cordstudy.study.loading import FOLDER, load_study
from cordstudy.study.private import RESULTS, Private, asked_for, behind, shown_by
from cordstudy.study.schema import Study

INPUTS = "inputs/"
UNKNOWN = "it is not known what it was made from"
URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+")
LOG = "log"
"""How what commits say is named where a file is."""


@dataclass(frozen=True)
class Choice:
    """The files that go out, and by path why others do not."""

    files: Sequence[Going]
    kept_back: Mapping[str, str]


@dataclass(frozen=True)
class Guard:
    """What may go out of a dataset: names of private sources whose terms allow tables and models,
    and of those whose terms allow images too."""

    dataset: Path
    allowed: Collection[str]
    images_allowed: Collection[str]

    @cached_property
    def _ever(self) -> frozenset[tuple[str, Entry]]:
        return ever(self.dataset)

    @cached_property
    def private(self) -> Mapping[str, Mapping[str, Private]]:
        """By study with results in the history: its private sources. A study that never had a TOML
        stands for its own, unknown sources."""
        tomls = [held for held in self._ever if _is_study(held[0])]
        versions: dict[str, list[str]] = {}
        for path, text in texts(self.dataset, tomls):
            versions.setdefault(PurePosixPath(path).stem, []).append(text)
        found: dict[str, Mapping[str, Private]] = {}
        for name in sorted({_study_of(path) for path, _ in self._ever} - {""}):
            if name not in versions:
                found[name] = {name: Private(UNKNOWN, frozenset(), is_shown=True)}
                continue
            asked = asked_for(versions[name])
            study = self._study(name)
            for source, dataset in study.datasets.items() if study else ():
                if dataset.licence and source in asked and asked[source].paths == {dataset.path}:
                    del asked[source]
            found[name] = asked
        return found

    def _study(self, name: str) -> Study | None:
        """A study as its TOML now says; None where there is none any more."""
        if not (self.dataset / FOLDER / f"{name}.toml").is_file():
            return None
        return load_study(self.dataset, name)

    @cached_property
    def _all(self) -> Mapping[str, str]:
        """Every private source, and whom to ask."""
        found: dict[str, str] = {}
        for sources in self.private.values():
            found |= {name: source.ask for name, source in sources.items()}
        return found

    @cached_property
    def _secrets(self) -> Mapping[str, str]:
        """The URLs with a password that the branch holds: by file, or LOG for what commits say."""
        files = [held for held in self._ever if _is_setting(held[0])]
        said = [*texts(self.dataset, files), *((LOG, text) for text in messages(self.dataset))]
        found = {}
        for place, text in said:
            for url in URL.findall(text):
                if without_passwords(url) != url:
                    found[place] = without_passwords(url)
        return found

    def check(self) -> None:
        """Raise StudyError where the branch itself may not go out, or a name is no source's."""
        for name in (*self.allowed, *self.images_allowed):
            if name not in self._all and name not in self._secrets:
                known = ", ".join(self._all) or "nothing here comes from a private source"
                near = did_you_mean(name, self._all)
                raise StudyError(f"no private source {name!r}", hint=f"{near}there are: {known}")
        self._check_secrets()
        tables = self._refused(self._all, images=False)
        shown = self._shown()
        refused = sorted({*tables, *shown})
        if not refused:
            return
        studies = [name for name, asked in self.private.items() if set(asked) & set(refused)]
        pictures = ", ".join(f"{path} of {name}" for name, path in sorted(shown.items()))
        options = " ".join(
            f"--allow{'-images' if name in shown else ''} {name}" for name in refused
        )
        raise StudyError(
            f"the history of {', '.join(studies)} comes from private sources, and no branch goes "
            f"out without its tables (participants, ages, results): {', '.join(refused)}"
            + (f". It shows images: {pictures}" if shown else ""),
            hint=f"ask {'; '.join(sorted({self._all[name] for name in refused}))}. "
            f"Where their terms allow it: {options}",
        )

    def _check_secrets(self) -> None:
        for place, url in sorted(self._secrets.items()):
            if place not in self.allowed:
                raise StudyError(
                    f"{place}: in some commit it holds a URL with a password, {url}",
                    hint="a history goes out whole: have the password revoked there; "
                    f"then --allow {place}",
                )

    def _shown(self) -> dict[str, str]:
        """The private sources, not allowed, whose images git itself holds; by name a file."""
        found: dict[str, str] = {}
        for path, entry in self._ever:
            if not entry.is_plain:
                continue
            if path.startswith(f"{CARRIED}/"):
                sources = self._shown_by_carried(path)
            else:
                sources = shown_by(path, self.private.get(_study_of(path), {}))
            for name in self._refused(sources, images=True):
                found[name] = min(path, found.get(name, path))
        return found

    def _shown_by_carried(self, path: str) -> set[str]:
        """The sources whose images a carried file may show: those of the path with its key that has
        the fewest, as each is of the same content."""
        key = PurePosixPath(path).name
        options = [self._behind(other) for other, entry in self._ever if entry.key == key]
        shown = [sources if images else set() for sources, images in options]
        return min(shown, key=len, default=set(self._all))

    def _refused(self, sources: Collection[str], *, images: bool) -> list[str]:
        """Those of private sources that nobody has allowed."""
        allowed = {*self.images_allowed, *(() if images else self.allowed)}
        return sorted(set(sources) - allowed)

    def why_not(self, path: str) -> str:
        """Why a file's content may not go out; empty where it may."""
        if path.startswith(INPUTS):
            return "content of sources is never published from here"
        sources, images = self._behind(path)
        refused = self._refused(sources, images=images)
        if not refused:
            return ""
        what = "images or masks" if images else "a model"
        return f"{what} of {', '.join(refused)} (private)"

    def _behind(self, path: str) -> tuple[set[str], bool]:
        """The private sources behind a path, and whether it shows their images: all of them, where
        that is not known. A source that the TOML names no more may be behind each result."""
        name = _study_of(path)
        if name not in self.private:
            return set(self._all), True
        asked, study = set(self.private[name]), self._study(name)
        if study is None:
            return asked, True
        found = behind(study, path)
        gone = asked - set(study.datasets)
        return (asked & found.sources) | gone, found.images


def _study_of(path: str) -> str:
    """The study that a path's results are of; empty for a path that is no result."""
    top, *names = path.split("/")
    return names[0] if top in RESULTS and len(names) > 1 else ""


def _is_study(path: str) -> bool:
    """Whether a file is the TOML of a study."""
    return path.endswith(".toml") and path.rpartition("/")[0] == FOLDER


def _is_setting(path: str) -> bool:
    """Whether a file is where git and DataLad keep URLs."""
    if path.startswith(f"{CARRIED}/"):
        return False
    return path.endswith(".gitmodules") or path.startswith(".datalad/")


def choose(guard: Guard, paths: Sequence[str], *, default: Sequence[str], whole: bool) -> Choice:
    """The files to publish: those of `paths`, or all that are here (`whole`), or by default.

    Of the last two what may not go out is kept back. Raises StudyError where a path was asked for
    that may not go out, or that names no annexed file.
    """
    if paths and whole:
        raise StudyError("--all and paths: one or the other")
    if whole:
        found = here(guard.dataset, annexed_files(guard.dataset, ["."]))
    elif paths:
        found = _named(guard, paths)
    else:
        found = annexed_files(guard.dataset, default)
    reasons = {file.path: guard.why_not(file.path) for file in found}
    kept_back = {path: reason for path, reason in reasons.items() if reason}
    return Choice([file for file in found if file.path not in kept_back], kept_back)


def _named(guard: Guard, paths: Sequence[str]) -> list[Going]:
    """The files that a person named, all of which may go out."""
    found: dict[str, Going] = {}
    for path in paths:
        files = annexed_files(guard.dataset, [str(PurePosixPath(path))])
        if not files:
            raise StudyError(
                f"{path}: the last commit has no annexed file there",
                hint="a path from the root of the study; what git holds goes out with the branch",
            )
        for file in files:
            reason = guard.why_not(file.path)
            if reason:
                raise StudyError(
                    f"{file.path} may not go out: {reason}",
                    hint="name other paths, or, where the terms of each allow it, "
                    "--allow-images SOURCE (--allow SOURCE for a model)",
                )
            found[file.path] = file
    return [found[path] for path in sorted(found)]
