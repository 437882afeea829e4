"""How a step is declared: its code among its inputs, paths below folders, repeated options.

Owns: the forms that all steps of a study are told in.
Does not own: which steps there are (`steps`, `learning_steps`), or what a step is (`step`).
"""

from __future__ import annotations

from collections.abc import Iterable

from cordstudy.study.closure import code_files
from cordstudy.study.step import Step

RAW_TRAIN = ("imagesTr/*", "labelsTr/*")
RAW_TEST = ("imagesTs/*", "labelsTs/*")


def declared(
    command: str,
    of: str,
    message: str,
    arguments: Iterable[object],
    *,
    inputs: Iterable[str],
    outputs: Iterable[str],
    identical: str = "anywhere",
) -> Step:
    """A step whose code is among its inputs."""
    return Step(
        command=command,
        of=of,
        message=message,
        arguments=tuple(str(argument) for argument in arguments),
        inputs=tuple(sorted({*code_files(command), *inputs})),
        outputs=tuple(outputs),
        identical=identical,
    )


def repeated(name: str, values: Iterable[object]) -> list[object]:
    """A repeatable option for each value."""
    words: list[object] = []
    for value in values:
        words += [f"--{name}", value]
    return words


def below(folders: Iterable[str], names: Iterable[str]) -> list[str]:
    """Each name below each folder."""
    names = list(names)
    return [f"{folder}/{name}" for folder in folders for name in names]
