"""Reading text that others wrote: whole, of the kind that it should be, or one clear error.

Owns: what no text, JSON or value may be, whoever wrote it, so that nothing fails deep below or
waits for ever.
Does not own: what a file means (`tables`, whoever reads it), or where it may lie (`within`).
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from cordstudy.base.errors import StudyError
from cordstudy.base.within import regular

T = TypeVar("T")
LARGEST = 256 * 2**20
"""The bytes of the largest text that is read."""
CORRECT = "correct it where it comes from, or make it again"


def read_text(path: Path, *, largest: int = LARGEST, errors: str = "strict") -> str:
    """The text of a file, in UTF-8, without the byte order mark that some editors put first; its
    lines end with `\\n`.

    Raises StudyError where there is no file, and for one that is too large or no text.
    """
    size = regular(path).stat().st_size
    if size > largest:
        raise StudyError(f"{path}: {size:,} bytes, at most {largest:,} are read", hint=CORRECT)
    try:
        text = path.read_text(encoding="utf-8-sig", errors=errors)
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: no UTF-8 text: {error}", hint="store it as UTF-8") from error
    if "\0" in text:
        raise StudyError(f"{path}: no text: it holds NUL", hint=CORRECT)
    return text


def read_json(path: Path, *, hint: str = CORRECT) -> Any:
    """The content of a JSON file.

    Raises StudyError for one that is no JSON, or holds what none of ours does: thousands of
    brackets in each other, numbers of thousands of digits, NUL, half characters, a key twice in one
    object.
    """
    return parse_json(read_text(path), path, hint=hint)


def parse_json(text: str, path: Path, *, hint: str = CORRECT) -> Any:
    """The content of a text that `path` held; see `read_json`."""
    try:
        content = json.loads(text, object_pairs_hook=_once)
        check_values(content)
    except RecursionError as error:
        message = f"{path}: not JSON: brackets in brackets in brackets"
        raise StudyError(message, hint=hint) from error
    except ValueError as error:
        raise StudyError(f"{path}: not JSON: {error}", hint=hint) from error
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The values of an object by key. Raises ValueError for a key that is there twice."""
    values = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key!r} stands there twice")
        values[key] = value
    return values


def check_values(content: object) -> None:
    """Look through values, as JSON has them.

    Raises ValueError or RecursionError where one is text that can be no path and no output.
    """
    text = json.dumps(content, ensure_ascii=False, default=str)
    if "\\u0000" in text:
        raise ValueError("it holds NUL")
    text.encode()  # half a character raises UnicodeEncodeError, a ValueError


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The start of a hint that says which known name is nearest to one that is not known; empty
    where none is near. Neither case nor `sub-` counts."""
    by_bare = {_bare(other): other for other in sorted(known)}
    near = difflib.get_close_matches(_bare(name), by_bare, n=1)
    return f"did you mean {by_bare[near[0]]!r}? " if near else ""


def _bare(name: str) -> str:
    return name.strip().casefold().removeprefix("sub-")


def shaped(kind: type[T], content: object) -> T:
    """Values as a dataclass, each of the type that it has there.

    Raises ValueError, in one line, where one is not.
    """
    try:
        made: T = _adapter(kind).validate_python(content)  # type: ignore[arg-type]  # is hashable
    except ValidationError as error:
        fault = error.errors()[0]
        words = [str(part) for part in fault["loc"]]
        words.append(fault["msg"])
        raise ValueError(": ".join(words)) from error
    return made


@functools.cache
def _adapter(kind: type[object]) -> TypeAdapter[Any]:
    """What checks values of a type: it takes a thousand times longer to make than to use."""
    return TypeAdapter(kind)


def faults(error: ValidationError) -> str:
    """Every fault of values that were read, in words: the key, then what is wrong with it."""
    words = {"extra_forbidden": "unknown key", "missing": "this key or section is missing"}
    said = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        what = words.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        said.append(f"{key}: {what}" if key else what)
    return "; ".join(said)
