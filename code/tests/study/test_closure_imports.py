"""What a step's code consists of: every form of import is followed, or refused."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.study import closure

FORMS = {
    "import cordstudy.pipeline.raw.deep": {"pipeline/raw/deep.py"},
    "import cordstudy.pipeline.raw.deep as d": {"pipeline/raw/deep.py"},
    "from cordstudy.pipeline.raw import deep": {"pipeline/raw/deep.py"},
    "from cordstudy.pipeline.raw import deep as d, other": {
        "pipeline/raw/deep.py",
        "pipeline/raw/other.py",
    },
    "from cordstudy.pipeline.raw.deep import thing": {"pipeline/raw/deep.py"},
    "from . import deep": {"pipeline/raw/deep.py"},
    "from .deep import thing": {"pipeline/raw/deep.py"},
    "from ..sources import far": {"pipeline/sources/far.py", "pipeline/sources/__init__.py"},
    "from ..sources.far import thing": {"pipeline/sources/far.py", "pipeline/sources/__init__.py"},
    "def f():\n    from .deep import thing": {"pipeline/raw/deep.py"},
    "if True:\n    import cordstudy.pipeline.raw.deep": {"pipeline/raw/deep.py"},
    "import importlib\nimportlib.import_module('cordstudy.pipeline.raw.deep')": {
        "pipeline/raw/deep.py"
    },
    "from importlib import import_module\nimport_module('cordstudy.pipeline.raw.deep')": {
        "pipeline/raw/deep.py"
    },
    "__import__('cordstudy.pipeline.raw.deep')": {"pipeline/raw/deep.py"},
    "from cordstudy.pipeline.sources import thing": {"pipeline/sources/__init__.py"},
}
DEEP = "import cordstudy.pipeline.raw.deep"
PLACES = (
    f"class C:\n    async def f(self):\n        {DEEP}",
    f"try:\n    {DEEP}\nfinally:\n    pass",
    f"try:\n    pass\nexcept* OSError:\n    {DEEP}",
    f"try:\n    pass\nexcept OSError:\n    pass\nelse:\n    {DEEP}",
    f"try:\n    pass\nfinally:\n    {DEEP}",
    f"for x in ():\n    pass\nelse:\n    {DEEP}",
    f"with open('x'):\n    while True:\n        {DEEP}",
    f"match 1:\n    case 2:\n        pass\n    case _:\n        {DEEP}",
    f"if 1:\n    pass\nelif 2:\n    {DEEP}",
)
"""Where statements can stand below others."""
FORMS |= {text: {"pipeline/raw/deep.py"} for text in PLACES}
REFUSED = [
    "import importlib\nname = 'x'\nimportlib.import_module(name)",
    "import importlib\nload = importlib.import_module",
    "from importlib import import_module as load\nload('cordstudy.pipeline.raw.deep')",
    "import importlib\nimportlib.import_module('.deep', 'cordstudy.pipeline.raw')",
    "__import__('cordstudy.' + 'pipeline')",
    "import runpy\nrunpy.run_module('cordstudy.pipeline.raw.deep')",
    "import pkgutil",
    "exec('import cordstudy.pipeline.raw.deep')",
    "eval('1')",
    "\N{MATHEMATICAL BOLD SMALL E}val('1')",
    "import importlib\nimportlib.i\N{MATHEMATICAL BOLD SMALL M}port_module('x' + 'y')",
    "from cordstudy.pipeline.raw import *",
    "import cordstudy.pipeline.raw.gone",
]


def forget() -> None:
    """Read the files anew: they are other ones, or changed."""
    for cached in (closure.commands, closure.code_files, closure._imports_of, closure._beside):
        cached.cache_clear()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of the same name and rooms, to be written to."""
    root = tmp_path / "cordstudy"
    texts = {
        "__init__.py": "",
        "base/__init__.py": "",
        "base/entry.py": "import importlib\n\ndef main(name):\n    importlib.import_module(name)\n",
        "pipeline/__init__.py": "",
        "pipeline/raw/__init__.py": "",
        "pipeline/raw/deep.py": "thing = 1\n",
        "pipeline/raw/other.py": "",
        "pipeline/sources/__init__.py": "from cordstudy.base import entry as thing\n",
        "pipeline/sources/far.py": "thing = 2\n",
    }
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    monkeypatch.setattr(closure, "SOURCE", tmp_path)
    forget()
    yield root
    forget()


def made(package: Path, text: str) -> set[str]:
    """The files of a step of this text, without those that every step in its room has."""
    write(package, text)
    files = {path.removeprefix("code/src/cordstudy/") for path in closure.code_files("made")}
    return files - {
        "code/study",
        closure.LOCK,
        "__init__.py",
        "base/__init__.py",
        "base/entry.py",
        "pipeline/__init__.py",
        "pipeline/raw/__init__.py",
        "pipeline/raw/made.py",
    }


def write(package: Path, text: str) -> None:
    command = "import click\n\n\n@click.command('made')\ndef command():\n    '''Make it.'''\n"
    (package / "pipeline/raw/made.py").write_text(f"{text}\n{command}")
    forget()


@pytest.mark.parametrize("text", FORMS)
def test_every_form_of_import_is_followed(package, text):
    ast.parse(text)
    assert made(package, text) == FORMS[text]


@pytest.mark.parametrize("text", REFUSED)
def test_an_import_that_cannot_be_read_from_the_text_is_refused(package, text):
    ast.parse(text)
    with pytest.raises(StudyError, match=r"made\.py"):
        made(package, text)


def test_packages_on_the_way_are_inputs_and_so_is_what_they_import(package):
    (package / "pipeline/raw/__init__.py").write_text(
        "from cordstudy.pipeline.sources import far\n"
    )
    assert made(package, "") == {"pipeline/sources/far.py", "pipeline/sources/__init__.py"}


def test_files_that_a_module_names_are_inputs_and_those_that_they_name(package):
    for name, text in {"page.j2": "{{ 'page.css' }}", "page.css": "", "other.css": ""}.items():
        (package / "pipeline/raw" / name).write_text(text)
    assert made(package, "PAGE = 'page.j2'") == {"pipeline/raw/page.j2", "pipeline/raw/page.css"}


def test_a_step_is_the_module_of_its_name_that_holds_a_command(package):
    write(package, "")
    (package / "pipeline/sources/status.py").write_text("def command(): ...\n")
    assert closure.commands() == {"made": "cordstudy.pipeline.raw.made"}
    assert closure.help_line("cordstudy.pipeline.raw.made") == "Make it."


def test_no_list_of_commands_is_an_input_of_any_step():
    names = closure.commands()
    for name in names:
        for path in closure.code_files(name):
            text = (closure.SOURCE.parent.parent / path).read_text("utf-8", errors="replace")
            named = [other for other in names if f"pipeline.{other}" in text or f"{other}:" in text]
            assert len(named) < len(names) / 2, f"{name}: {path} names {named}"
