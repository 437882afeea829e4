"""What the code of a commit renders, as its own launcher says in a sandbox.

Owns: laying out a tree of code, the environments that it is shown, asking it.
Does not own: the form of the answer (`rendered`), the sandbox (`calling.sandbox`), or what follows
from an answer, which is as untrusted as the code.

No name of a module of that code is known here: `LAUNCHER render --json` is all that is asked.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.sandbox import CACHE, run_in_sandbox
from cordstudy.provenance.history.gitlog import read_objects, read_tree
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.rendered import Printed

LARGEST_FILE = 2**20
LAYERS = ("steps", "tools")
"""The environments that a launcher needs to render, as it knows them: `LAUNCHER env LAYER`."""
ENVIRONMENT = re.compile(rf"{CACHE}(?:/\w[\w.-]*)+")
"""Where code may have its environment: in the cache, by plain names."""


def printed_by(repo: Path, tree: str, profile: Profile) -> Printed:
    """What a tree of code renders. Raises StudyError where it does not."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _lay_out(repo, tree, folder / profile.code)
        told = _ask_launcher(folder, profile)
    try:
        return Printed.model_validate_json(told)
    except ValidationError as error:
        raise StudyError("what it prints is no rendering of format 1") from error


def _ask_launcher(folder: Path, profile: Profile) -> bytes:
    """What the launcher in a folder prints about its steps: in the environments that it names where
    they are made, and else in the one that this runs in. Raises StudyError where neither does."""
    launcher = ("/bin/sh", profile.launcher)
    render = [*launcher, "render", "--json"]
    places = {_place_of(run_in_sandbox([*launcher, "env", layer], folder)) for layer in LAYERS}
    own = {place: _in_cache(place) for place in places}
    present = Path(sys.prefix)
    if all(_is_environment(environment) for environment in own.values()):
        try:
            return run_in_sandbox(render, folder, mounts=_at_both(own))
        except StudyError:
            if present in own.values():
                raise
            # they may be older than what rendering needs, or half removed
    return run_in_sandbox(render, folder, mounts=dict.fromkeys(places, present))


def _place_of(told: bytes) -> str:
    """Where in the sandbox's cache a launcher looks for an environment."""
    place = told.decode(errors="replace").strip()
    if not ENVIRONMENT.fullmatch(place):
        raise StudyError("its launcher names no environment")
    return place


def _in_cache(place: str) -> Path:
    """The same place in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / place.removeprefix(f"{CACHE}/")


def _is_environment(folder: Path) -> bool:
    """Whether a folder is one of Python's: no other of the cache is shown to code of others."""
    return (folder / "pyvenv.cfg").is_file()


def _at_both(environments: Mapping[str, Path]) -> dict[str, Path]:
    """Environments where the launcher looks for them, and where those that build on them do."""
    return {**environments, **{str(folder): folder for folder in environments.values()}}


def _lay_out(repo: Path, tree: str, folder: Path) -> None:
    """Write the small plain files of a tree; links are left out, and names that lead elsewhere."""
    plain: dict[str, str] = {}
    for path, entry in read_tree(repo, tree).items():
        if entry.mode.startswith("100"):
            plain[path] = entry.object
    contents = read_objects(repo, list(plain.values()))
    for path, content in zip(plain, contents, strict=True):
        place = folder / path
        if ".." in place.parts or path.startswith("/") or len(content) > LARGEST_FILE:
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        except OSError:  # a tree that no file system can hold; its code will miss the file
            continue
