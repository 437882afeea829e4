"""`site.toml`: what a user says of a machine, and of a cluster.

Owns: its keys, and one error for what cannot be read.
Does not own: what a step asks for (`study.needs`), or what is made of both (`on_slurm`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
)

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import did_you_mean
from cordstudy.study.needs import NEEDS

Text = Annotated[StrictStr, Field(min_length=1)]
Count = Annotated[StrictInt, Field(ge=1)]
Line = Annotated[StrictStr, Field(min_length=1, pattern=r"^[^\n\r]*$")]
GPUS = ("gpu", "gpus", "nvidia", "cuda0")
DEVICE = re.compile(r"cpu|cuda(:\d+)?")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Resources(_Table):
    """What jobs ask of Slurm, in its own words; what is left open is `study.needs`', or Slurm's."""

    partition: Line | None = None
    account: Line | None = None
    gres: Line | None = None
    """Of steps for which a GPU is of use, where `device` is `cuda`; one GPU if it is left open."""
    time: Line | None = None
    memory: Line | None = None
    cores: Count | None = None
    options: tuple[Line, ...] = ()
    """Further options of `sbatch`."""


class Slurm(Resources):
    """A cluster."""

    store: Text | None = None
    """Where `store init` makes the repository that jobs clone."""
    scratch: Text = "$TMPDIR"
    """Where nodes make workspaces; variables are those of a job."""
    setup: tuple[Line, ...] = ()
    """Lines of shell before each step."""
    wrapper: tuple[Text, ...] = ()
    """Words in front of each command."""
    commands: Mapping[str, Resources] = {}
    """Resources of steps of one command: the tables `[slurm.<command>]`."""

    def resources(self, command: str) -> Resources:
        """What is said for steps of a command, or else for all."""
        of_all = self.model_dump(include=set(Resources.model_fields))
        own = self.commands.get(command, Resources()).model_dump(exclude_unset=True)
        return Resources(**{**of_all, **own})


class Site(_Table):
    """What a user says of a machine; empty for what they leave open."""

    study: Text = ""
    """The study that commands are about where none is named."""
    scratch: Text = ""
    cores: Count = 0
    device: Text = ""
    slurm: Slurm | None = None

    @field_validator("device")
    @classmethod
    def _is_device(cls, name: str) -> str:
        if not DEVICE.fullmatch(name):
            near = '; a GPU is "cuda"' if name.casefold() in GPUS else ""
            raise ValueError(f'steps compute on "cpu", "cuda" or "cuda:1"{near}')
        return name


def read_site(path: Path) -> Site:
    """What a site.toml says; nothing where there is none.

    Raises StudyError for what is no TOML, an unknown key, and a value of another kind.
    """
    try:
        content = tomllib.loads(path.read_text()) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: {error}", hint="correct the TOML") from error
    _check_keys(content, Site.model_fields, where=str(path))
    slurm = content.get("slurm")
    if isinstance(slurm, dict):
        content["slurm"] = _with_commands(slurm, where=f"{path}: slurm")
    try:
        return Site(**content)
    except ValidationError as error:
        raise _refused(error, path) from error


def _with_commands(slurm: dict[str, object], *, where: str) -> dict[str, object]:
    """A cluster's table with those of commands in a table of their own."""
    commands = {key: value for key, value in slurm.items() if key in NEEDS}
    rest = {key: value for key, value in slurm.items() if key not in NEEDS}
    _check_keys(rest, [*Slurm.model_fields, *NEEDS], where=where)
    for command, own in commands.items():
        if isinstance(own, dict):
            _check_keys(own, Resources.model_fields, where=f"{where}.{command}")
    return {**rest, "commands": commands}


def _check_keys(content: Iterable[str], known: Iterable[str], *, where: str) -> None:
    """Raise StudyError for a key that is not known."""
    names = sorted(set(known) - {"commands"})
    for key in content:
        if key not in names:
            near = did_you_mean(key, names)
            raise StudyError(
                f"{where}: {key}: unknown key", hint=f"{near}known are {', '.join(names)}"
            )


def _refused(error: ValidationError, path: Path) -> StudyError:
    """One error in words, for the first value that is of another kind."""
    first = error.errors()[0]
    place = [str(word) for word in first["loc"] if word != "commands"]
    return StudyError(
        f"{path}: {'.'.join(place)}: {first['input']!r}: "
        f"{first['msg'].removeprefix('Value error, ')}",
        hint="correct the TOML",
    )
