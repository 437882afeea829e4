"""What is wrong in a study's TOML, in words: a line a key.

Owns: the key as it stands in the file, what should be there, and the nearest known key.
Does not own: what may stand there (`schema`, `sources.rules`), or what `pydantic` finds.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from cordstudy.base.texts import did_you_mean
from cordstudy.study.external import External
from cordstudy.study.schema import Study

PATTERNS = {
    r"^[a-z0-9][a-z0-9-]*$": "lower-case letters, digits and -",
    r"^inputs/[^/]+$": "a subdataset below inputs, such as inputs/site-a",
    r"^[a-z]+/[A-Za-z0-9_-]*[A-Za-z0-9]$": "<datatype>/<entities>_<suffix>, such as anat/T2w",
    r"^ses-[A-Za-z0-9]+$": "a session, such as ses-M0",
    r"^code/.+\.tsv$": "a table of this study's, such as code/studies/split.tsv",
    r"^code/.+\.md$": "a text of this study's, such as code/studies/changes.md",
    r"^[0-9a-f]{64}$": "64 digits of 0 to 9 and a to f",
    r"\S": "some text",
}
"""What each regular expression of the tables asks for."""
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text in quotes",
    "list": "a list in [ ]",
    "dict": "a table",
    "model": "a table",
}
"""What TOML calls the kinds of values, by how the types of faults begin."""
BOUNDS = {
    "greater_than": ("gt", "above {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than": ("lt", "below {}"),
    "less_than_equal": ("le", "at most {}"),
}
NO_KEYS = ("name", "trained_in", "given")
"""What a study has from its file's name, from another study or a release, and not from its file."""
LONGEST = 60
"""Signs of a value that are shown."""


def fault_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """A line a key: where it stands in the file, and what it should be; in the file's order."""
    by_key: dict[str, list[str]] = {}
    for fault in error.errors():
        key, table = _place(fault["loc"], model)
        for said in _words(fault, key, table).split("\n"):
            words = by_key.setdefault(key, [])
            if said not in words:
                words.append(said)
    lines = []
    for key, words in by_key.items():
        if not key:
            lines += words
        else:
            lines.append(f"{key}: {' or '.join(words)}")
    return lines


def told(lines: Iterable[str]) -> str:
    """Lines as the end of a message: one stands in its line, more stand below."""
    lines = list(lines)
    if len(lines) == 1:
        return lines[0]
    return f"{len(lines)} faults" + "".join(f"\n  {line}" for line in lines)


def _place(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[str, Any]:
    """A key as people write it, and the type of the table that it stands in.

    What `pydantic` adds to tell alternatives of a type apart stands in no file.
    """
    kind: Any = model
    table: Any = model
    names: list[str] = []
    for index, part in enumerate(loc):
        inner, is_there = _inner(kind, part)
        is_last = index == len(loc) - 1
        if not is_there and not (is_last and model_of(kind) and not _is_tag(part)):
            continue  # an alternative
        table, kind = kind, inner
        if isinstance(part, str):
            names.append(part)
        elif not is_last:  # the value itself is shown
            names.append(f"#{part + 1}")
    return ".".join(names), table


def _is_tag(part: int | str) -> bool:
    """Whether a part of a place names an alternative of a type, as keys do not."""
    return isinstance(part, str) and ("[" in part or part in ("bool", "int", "str", "float"))


def _inner(kind: Any, part: int | str) -> tuple[Any, bool]:
    """The type of what stands in a value of a type, and whether anything of that name does."""
    model = model_of(kind)
    if model and part in model.model_fields:
        return model.model_fields[str(part)].annotation, True
    for alternative in alternatives(kind):
        arguments = get_args(alternative)
        if get_origin(alternative) is list and isinstance(part, int):
            return arguments[0], True
        if get_origin(alternative) is dict and isinstance(part, str) and not _is_tag(part):
            return arguments[1], True
    return None, False


def alternatives(kind: Any) -> list[Any]:
    """The types that a value may have, bare of what they are annotated with."""
    origin = get_origin(kind)
    if origin is Annotated:
        return alternatives(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return [one for other in get_args(kind) for one in alternatives(other)]
    return [kind]


def model_of(kind: Any) -> type[BaseModel] | None:
    """The table that a value of a type may be; None where it can be none."""
    for one in alternatives(kind):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _words(fault: Mapping[str, Any], key: str, table: Any) -> str:
    """What is wrong with one key."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "missing":
        return "this key or section is missing"
    if kind == "extra_forbidden":
        return f"unknown key{_known_key(key, table)}"
    if kind == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    asked = _asked(kind, context)
    if not asked:
        return str(fault["msg"])
    return f"{asked}, not {_shown(fault['input'])}"


def _asked(kind: str, context: Mapping[str, Any]) -> str:
    """What should stand there; empty for a kind of fault that has no words here."""
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(context["pattern"], f"text like {context['pattern']}")
    if kind == "literal_error":
        return _one_of(str(context["expected"]))
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        return words.format(context[name])
    if kind == "finite_number":
        return "a finite number"
    if kind in ("too_short", "string_too_short"):
        return f"at least {context['min_length']} of them"
    if kind == "string_too_long":
        return f"at most {context['max_length']} signs"
    return KINDS.get(kind.partition("_")[0], "") if kind.endswith(("_type", "_parsing")) else ""


def _one_of(expected: str) -> str:
    """`'a', 'b' or 'c'` as TOML has text."""
    return expected.replace("'", '"')


def _known_key(key: str, table: Any) -> str:
    """The nearest key that a table has, or all of them."""
    model = model_of(table)
    if model is None:
        return ""
    name = key.rpartition(".")[2]
    near = did_you_mean(name, keys_of(model)).strip()
    if near:
        return f": {near}"
    return f"; known are {', '.join(keys_of(model))}"


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that a table may have; the name of a study is that of its file."""
    no_keys = NO_KEYS if model in (Study, External) else ()
    return [name for name in model.model_fields if name not in no_keys]


def _shown(value: object) -> str:
    """A value as TOML would have it, not at length."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
