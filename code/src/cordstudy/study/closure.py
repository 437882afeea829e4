"""The files that a step's code consists of: inputs of its records.

Owns: finding the module of a command, and following imports from it.
Does not own: whether a change of such a file changes what it says (`provenance.history.code`).

A step's command is the module of its name in one of the rooms of `pipeline`: the one that holds a
click command. Its code is what that module imports, anywhere in it and in whatever form, the
packages on the way, and the files beside them that they name. An import whose target no one can
read from the text is an error, as a record would leave out what it loads.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from unicodedata import normalize

from cordstudy.base.errors import StudyError

SOURCE = Path(__file__).resolve().parents[2]
FOLDER = "code/src"
PACKAGE = "cordstudy"
LOCK = "code/requirements/steps.lock"
ENTRY = "cordstudy.base.entry"
"""Where `code/study` enters for a step; it alone may import a module by a name that it is given."""
COMMAND = re.compile(r"^@click\.command", re.MULTILINE)
"""What tells a step's module from another of the same name, here and in `code/study`."""
IMPORTERS = frozenset({"__import__", "import_module"})
"""Functions that import the module whose name they are given."""
UNREADABLE = frozenset({"runpy", "imp", "pkgutil", "zipimport"})
"""Modules that run or import others by what only a run can tell."""
HIDDEN = frozenset({"exec", "eval", "spec_from_file_location", "exec_module"})
"""Functions that run text or files of which no import tells."""
SUSPECT = re.compile("|".join(sorted(IMPORTERS | HIDDEN)))
"""What a text holds, with its names as Python takes them, that calls or hands on one of these."""
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where statements lie below others in Python's syntax."""


@cache
def commands() -> dict[str, str]:
    """The module of each step command, by the command's name, sorted."""
    modules = {}
    for path in sorted(SOURCE.glob(f"{PACKAGE}/pipeline/*/*.py"), key=lambda path: path.stem):
        if COMMAND.search(path.read_text("utf-8")):
            modules[path.stem] = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    return modules


def help_line(module: str) -> str:
    """The first paragraph of what a step command says of itself, without importing it."""
    for node in ast.parse(_text(_file(module))).body:
        if isinstance(node, ast.FunctionDef) and node.name == "command":
            return (ast.get_docstring(node) or "").partition("\n\n")[0]
    return ""


@cache
def code_files(command: str) -> tuple[str, ...]:
    """The files that a step command consists of, relative to the study's root, sorted."""
    files = files_of([ENTRY, commands()[command]])
    return tuple(sorted({"code/study", LOCK, *files}))


def notebook_files(notebook: Path) -> tuple[str, ...]:
    """The files of this package that a notebook's cells import, relative to the study's root."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    modules: set[str] = set()
    for cell in cells:
        if cell["cell_type"] == "code":
            text = "".join(cell["source"])
            modules |= set(_imports(text, module="", where=str(notebook)))
    return files_of(sorted(modules))


def files_of(modules: Iterable[str]) -> tuple[str, ...]:
    """The files of modules and of all that they import, relative to the study's root, sorted.

    Raises StudyError for an import that cannot be followed.
    """
    seen: set[str] = set()
    todo = list(modules)
    files: set[str] = set()
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        path = _file(module)
        files |= {path, *_beside(path)}
        todo += _imports_of(module)
        package = module.rpartition(".")[0]
        if package:
            todo.append(package)
    return tuple(sorted(f"{FOLDER}/{path}" for path in files))


@cache
def _imports_of(module: str) -> tuple[str, ...]:
    path = _file(module)
    is_package = path.endswith("__init__.py")
    return tuple(_imports(_text(path), module=module, where=path, is_package=is_package))


def _imports(text: str, *, module: str, where: str, is_package: bool = False) -> Iterator[str]:
    """The modules of this package that a text imports."""
    tree = ast.parse(text)
    package = module if is_package else module.rpartition(".")[0]
    names: list[str] = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += _from(node, package, where)
    if module != ENTRY and SUSPECT.search(normalize("NFKC", text)):
        names += _by_function(list(ast.walk(tree)), where)
    for name in names:
        if name.partition(".")[0] in UNREADABLE:
            raise _hidden(where, f"it imports {name}")
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            yield _known(name, where)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """All statements of a tree, at whatever depth; no expressions, which are far more."""
    todo = [tree]
    while todo:
        node = todo.pop()
        yield node
        for name in BLOCKS:
            block = getattr(node, name, ())
            if isinstance(block, list):
                todo += block


def _from(node: ast.ImportFrom, package: str, where: str) -> Iterator[str]:
    """The modules that `from … import …` names: the one before `import`, and those among the
    names after it."""
    start = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        start = ".".join([*above, *([start] if start else [])])
    yield start
    if start != PACKAGE and not start.startswith(f"{PACKAGE}."):
        if start == "importlib":
            _check_not_renamed(node, where)
        return
    for alias in node.names:
        if alias.name == "*":
            raise _hidden(where, f"it imports * from {start}")
        if _is_module(f"{start}.{alias.name}"):
            yield f"{start}.{alias.name}"


def _check_not_renamed(node: ast.ImportFrom, where: str) -> None:
    for alias in node.names:
        if alias.name in IMPORTERS and alias.asname:
            raise _hidden(where, f"it calls {alias.name} {alias.asname}")


def _by_function(nodes: Sequence[ast.AST], where: str) -> list[str]:
    """The modules that calls of `import_module` and `__import__` name."""
    called: set[ast.AST] = set()
    names = []
    for node in nodes:
        if not isinstance(node, ast.Call) or _name(node.func) not in IMPORTERS:
            continue
        told = node.args[0] if node.args else None
        if not isinstance(told, ast.Constant) or not isinstance(told.value, str):
            raise _hidden(where, f"line {node.lineno} imports what only a run can tell")
        if told.value.startswith("."):
            raise _hidden(where, f"line {node.lineno} imports {told.value} by a function")
        called.add(node.func)
        names.append(told.value)
    for node in nodes:
        if node not in called:
            _check_nothing_is_hidden(node, where)
    return names


def _check_nothing_is_hidden(node: ast.AST, where: str) -> None:
    """Raise StudyError where a module hands on what imports, or runs text or files."""
    if isinstance(node, ast.Name | ast.Attribute) and _name(node) in IMPORTERS:
        raise _hidden(where, f"line {node.lineno} hands on {_name(node)}")
    if isinstance(node, ast.Call) and _name(node.func) in HIDDEN and not _is_method(node.func):
        raise _hidden(where, f"line {node.lineno} calls {_name(node.func)}")


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _is_method(node: ast.AST) -> bool:
    """Whether `eval` or `exec` is one of an object, such as a network's: not the built-in one."""
    return isinstance(node, ast.Attribute) and node.attr in ("exec", "eval")


def _hidden(where: str, what: str) -> StudyError:
    return StudyError(
        f"{where}: {what}: which files a step consists of cannot be told",
        hint="import it by its name",
    )


def _known(name: str, where: str) -> str:
    """A module's name; raises StudyError where there is none of it."""
    if not _is_module(name):
        raise StudyError(f"{where}: there is no module {name}", hint="correct the import")
    return name


def _is_module(name: str) -> bool:
    place = SOURCE.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def _file(module: str) -> str:
    """The file of a module, below `code/src`."""
    place = "/".join(module.split("."))
    package = f"{place}/__init__.py"
    return package if (SOURCE / package).is_file() else f"{place}.py"


def _text(path: str) -> str:
    return (SOURCE / path).read_text("utf-8")


@cache
def _beside(path: str) -> frozenset[str]:
    """The files of a module's folder that are no modules and that it names, or that those name; so
    are those of folders below it that hold no modules."""
    others = _others((SOURCE / path).parent)
    named: set[Path] = set()
    texts = [_text(path)]
    while texts:
        text = texts.pop()
        for other in others:
            if other not in named and other.name in text:
                named.add(other)
                texts.append(other.read_text("utf-8", errors="replace"))
    return frozenset(str(other.relative_to(SOURCE)) for other in named)


def _others(folder: Path) -> list[Path]:
    """The files of a folder that are no modules, and of its folders that hold nothing else."""
    others: list[Path] = []
    for entry in folder.iterdir():
        if entry.is_file() and entry.suffix != ".py":
            others.append(entry)
        elif entry.is_dir() and entry.name != "__pycache__" and not [*entry.rglob("*.py")]:
            others += [path for path in entry.iterdir() if path.is_file()]
    return others
