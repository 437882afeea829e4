"""Every key of a study's TOML as tables of Markdown, from the model itself.

Owns: which tables there are, and the words of each key, which stand below it in the code.
Does not own: what may stand there (`schema`, `sources.rules`).
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cordstudy.study.external import External
from cordstudy.study.faults import alternatives, keys_of, model_of
from cordstudy.study.schema import Study

HEADER = "| key | meaning | default |\n|---|---|---|"


def key_tables() -> str:
    """A table for each kind of table of the TOML, below its name and what it is for."""
    parts: list[str] = []
    shown: set[type[BaseModel]] = set()
    for name, model in (*tables_of(Study, ""), *tables_of(External, "")):
        if model in shown:
            continue
        shown.add(model)
        rows = [_row(model, key) for key in keys_of(model)]
        parts.append(f"### {name}\n\n{about(model)}\n\n" + "\n".join([HEADER, *rows]))
    return "\n\n".join(parts)


def tables_of(model: type[BaseModel], name: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables that stand in a table, with the heading of each: `[datasets.NAME]`."""
    for key in keys_of(model):
        kind = model.model_fields[key].annotation
        for inner, below in _inner(kind):
            path = ".".join(part for part in (name, key, below) if part)
            yield f"`[{path}]`", inner
            yield from tables_of(inner, path)


def _inner(kind: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """The table that a value is or holds, and what stands for its own name."""
    model = model_of(kind)
    if model:
        yield model, ""
        return
    for one in alternatives(kind):
        arguments = get_args(one)
        if get_origin(one) is dict and (held := model_of(arguments[1])):
            yield held, "NAME"
        if get_origin(one) is list and (held := model_of(arguments[0])):
            yield held, ""


def about(model: type[BaseModel]) -> str:
    """What a table is for: the first paragraph of its docstring, in lines of Markdown."""
    paragraph = inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0]
    return textwrap.fill(" ".join(paragraph.split()), 120, break_on_hyphens=False)


def words_of_keys(model: type[BaseModel]) -> dict[str, str]:
    """What is said of each key: the string that stands below it in the code of its class."""
    words: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        if not issubclass(kind, BaseModel) or kind is BaseModel:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
        assert isinstance(body, ast.ClassDef)
        for line, below in zip(body.body, body.body[1:]):
            if isinstance(line, ast.AnnAssign) and isinstance(below, ast.Expr):
                name, text = ast.unparse(line.target), ast.literal_eval(below.value)
                words[name] = " ".join(text.split())
    return words


def _row(model: type[BaseModel], key: str) -> str:
    info = model.model_fields[key]
    words = words_of_keys(model).get(key, "") or _first_words(info)
    cells = (f"`{key}`", words.replace("|", "\\|"), _default(info))
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _first_words(info: FieldInfo) -> str:
    """What is said of a key that is a table and says nothing of itself."""
    return "a table, below" if any(_inner(info.annotation)) else ""


def _default(info: FieldInfo) -> str:
    """A default as TOML has it."""
    if info.is_required():
        return "needed"
    value = info.default
    if isinstance(value, BaseModel):
        return "as below"
    if value is None or value in ([], {}):
        return "none"
    return f"`{json.dumps(value)}`"
