"""What of this dataset may go out: the guard of `publish`.

Owns: which private sources are behind what, that each is told of by name before anything of it goes
out, and choosing files.
Does not own: what is behind a path of one study (`study.private`), or sending (`publish`).

Whatever a branch ever held goes out with it. So a private source of any version of any study's TOML
counts, once that study has results in the history; but for one that the TOML now says is public.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import did_you_mean
from cordstudy.provenance.publishing.going import (
    Going,
    annexed_files,
    here,
    names_ever,
    texts_ever,
)
from cordstudy.study.loading import FOLDER, load_study
from cordstudy.study.private import RESULTS, asked_for, behind
from cordstudy.study.schema import Study

INPUTS = "inputs/"
UNKNOWN = "it is not known what it was made from"


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
    def private(self) -> Mapping[str, Mapping[str, str]]:
        """By study with results in the history: its private sources, and whom to ask. A study that
        never had a TOML stands for its own, unknown sources."""
        versions: dict[str, list[bytes]] = {}
        for path, text in texts_ever(self.dataset, f"{FOLDER}/*.toml"):
            versions.setdefault(PurePosixPath(path).stem, []).append(text)
        found = {}
        for name in sorted(set().union(*(names_ever(self.dataset, top) for top in RESULTS))):
            if name not in versions:
                found[name] = {name: UNKNOWN}
                continue
            asked = asked_for(versions[name])
            study = self._study(name)
            for source, dataset in study.datasets.items() if study else ():
                if dataset.licence:
                    asked.pop(source, None)
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
        return {name: ask for asked in self.private.values() for name, ask in asked.items()}

    def check(self) -> None:
        """Raise StudyError where the branch itself may not go out, or a name is no source's."""
        for name in (*self.allowed, *self.images_allowed):
            if name not in self._all:
                known = ", ".join(self._all) or "nothing here comes from a private source"
                near = did_you_mean(name, self._all)
                raise StudyError(f"no private source {name!r}", hint=f"{near}there are: {known}")
        refused = self._refused(self._all, images=False)
        if refused:
            studies = [name for name, asked in self.private.items() if set(asked) & set(refused)]
            options = " ".join(f"--allow {name}" for name in refused)
            raise StudyError(
                f"the history of {', '.join(studies)} comes from private sources, and no branch "
                f"goes out without its tables (participants, ages, results) and pictures: "
                f"{', '.join(refused)}",
                hint=f"ask {'; '.join(sorted({self._all[name] for name in refused}))}. "
                f"Where their terms allow it: {options}",
            )

    def _refused(self, sources: Collection[str], *, images: bool) -> list[str]:
        """Those of private sources that nobody has allowed."""
        allowed = {*self.images_allowed, *(() if images else self.allowed)}
        return sorted(set(sources) - allowed)

    def why_not(self, path: str) -> str:
        """Why a file's content may not go out; empty where it may."""
        if path.startswith(INPUTS):
            return "content of sources is never published from here"
        top, _, rest = path.partition("/")
        name = rest.partition("/")[0]
        if top not in RESULTS or name not in self.private:
            sources, images = set(self._all), True
        else:
            sources, images = self._behind(name, path)
        refused = self._refused(sources, images=images)
        if not refused:
            return ""
        what = "images or masks" if images else "a model"
        return f"{what} of {', '.join(refused)} (private)"

    def _behind(self, name: str, path: str) -> tuple[set[str], bool]:
        """The private sources behind a result, and whether it shows their images. A source that the
        TOML names no more may be behind each."""
        asked, study = set(self.private[name]), self._study(name)
        if study is None:
            return asked, True
        found = behind(study, path)
        gone = asked - set(study.datasets)
        return (asked & found.sources) | gone, found.images


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
