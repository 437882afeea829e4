"""The lists of packages: what each holds, and what a change of it reaches."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cordstudy.study.closure import SOURCE, code_files, commands, files_of
from helpers import REPOSITORY, git, run

LISTS = ("steps", "tools", "dev")
"""Each builds on those before it."""
PACKAGE = SOURCE / "cordstudy"
IMPORTERS = {
    "steps": [PACKAGE / "base", PACKAGE / "pipeline"],
    "tools": [PACKAGE / "study", PACKAGE / "provenance", PACKAGE / "cli"],
    "dev": [REPOSITORY / "code/tests", REPOSITORY / "code/benchmarks"],
}
ELSEWHERE = {"rdflib", "rocrate_validator", "_typeshed"}
"""What a test imports in an environment of its own, and what type checkers alone know."""


@pytest.fixture
def launcher(tmp_path: Path) -> Path:
    """The launcher in a tree of its own, with locks to be changed."""
    code = tmp_path / "tree/code"
    shutil.copytree(REPOSITORY / "code/requirements", code / "requirements")
    for name in ("study", "study-tools.sh"):
        shutil.copy(REPOSITORY / "code" / name, code / name)
    return code / "study"


def folders(launcher: Path) -> dict[str, str]:
    """The folder of each environment."""
    return {name: run(launcher, "env", name, cwd=launcher.parent).stdout.strip() for name in LISTS}


@pytest.mark.parametrize("changed", LISTS)
def test_a_changed_lock_moves_its_own_environment_and_those_that_build_on_it(launcher, changed):
    before = folders(launcher)
    assert len(set(before.values())) == len(LISTS)
    with (launcher.parent / f"requirements/{changed}.lock").open("a") as handle:
        handle.write("another==1.0\n")
    after = folders(launcher)
    moved = [name for name in LISTS if after[name] != before[name]]
    assert moved == list(LISTS[LISTS.index(changed) :])


def test_git_annex_knows_kinds_and_any_name_in_a_locale_that_says_nothing(tmp_path, monkeypatch):
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    git(tmp_path, "init", "-q")
    run("git", "annex", "init", "-q", cwd=tmp_path)
    (tmp_path / "ü.txt").write_text("text")
    (tmp_path / "ü.bin").write_bytes(bytes(range(256)))
    kinds = "annex.largefiles=mimeencoding=binary"
    run("git", "-c", kinds, "annex", "add", "-q", ".", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_symlink()] == ["ü.bin"]
    status = git(tmp_path, "-c", "core.quotepath=false", "status", "--porcelain")
    assert status.split() == ["A", "ü.bin", "A", "ü.txt"]


def test_jupyter_is_beside_what_tests_need(launcher):
    def lab() -> str:
        return run(launcher, "env", "lab", cwd="/").stdout.strip()

    before, tests = lab(), folders(launcher)["dev"]
    with (launcher.parent / "requirements/lab.lock").open("a") as handle:
        handle.write("another==1.0\n")
    assert lab() != before and folders(launcher)["dev"] == tests
    assert "jupyterlab" in pinned("lab") - pinned("dev")


def test_what_people_activate_is_the_environment_of_tools(launcher):
    assert run(launcher, "env", cwd="/").stdout.strip() == folders(launcher)["tools"]
    failed = run(launcher, "env", "other", cwd="/", check=False)
    assert (failed.returncode, failed.stdout) == (2, "") and failed.stderr.startswith("error: ")


@pytest.mark.parametrize("command", commands())
def test_a_record_knows_the_lock_of_steps_and_no_other(command):
    files = code_files(command)
    assert [name for name in files if "requirements" in name] == ["code/requirements/steps.lock"]
    assert [name for name in files if "/src/" not in name] == [
        "code/requirements/steps.lock",
        "code/study",
    ]


@pytest.fixture
def steps_alone(tmp_path: Path) -> Path:
    """A cache folder in which only the environment of steps is."""
    made = run(REPOSITORY / "code/study", "env", "steps", cwd=tmp_path).stdout.strip()
    cache = tmp_path / "cache"
    (cache / "cordstudy/steps").mkdir(parents=True)
    (cache / "cordstudy/steps" / Path(made).name).symlink_to(made)
    return cache


@pytest.mark.parametrize("command", ["split", "report"])
def test_a_step_runs_where_only_its_code_and_the_environment_of_steps_are(
    tmp_path, steps_alone, command
):
    tree = tmp_path / "tree"
    for name in code_files(command):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tree / name)
    given = {"XDG_CACHE_HOME": str(steps_alone), "PATH": "/usr/bin:/bin"}
    told = run(tree / "code/study", command, "--help", cwd=tree, **given)
    assert f"Usage: code/study {command}" in told.stdout and told.stderr == ""
    failed = run(tree / "code/study", "status", cwd=tree, check=False, **given)
    assert failed.returncode == 3 and "study-tools.sh" in failed.stderr


def test_without_the_environment_of_tools_the_command_line_says_how_to_make_it(steps_alone):
    given = {"XDG_CACHE_HOME": str(steps_alone)}
    failed = run(REPOSITORY / "code/study", "status", cwd="/", check=False, **given)
    assert failed.returncode == 3 and f"not made: {steps_alone}/cordstudy/tools/" in failed.stderr
    assert "hint: make -C" in failed.stderr


def test_a_step_and_people_see_no_package_of_a_later_list():
    seen = "from importlib import metadata; print(*{d.name for d in metadata.distributions()})"
    paths = folders(REPOSITORY / "code/study")
    for number, name in enumerate(LISTS):
        told = run(f"{paths[name]}/bin/python", "-P", "-I", "-c", seen, cwd="/").stdout
        installed = {canonicalize_name(word) for word in told.split()}
        assert pinned(name) - {"appnope"} <= installed
        for later in LISTS[number + 1 :]:
            assert not pinned(later) & installed


@pytest.mark.parametrize("command", ["nnUNetv2_predict", "datalad", "git-annex"])
def test_stock_commands_are_in_the_environment_that_people_activate(command):
    folder = run(REPOSITORY / "code/study", "env", cwd="/").stdout.strip()
    script = f'. "{folder}/bin/activate" && command -v {command}'
    found = subprocess.run(["sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True)
    assert found.stdout.decode() == f"{folder}/bin/{command}\n"


def pinned(name: str) -> set[str]:
    """The packages of a lock, whatever their markers say."""
    text = (REPOSITORY / f"code/requirements/{name}.lock").read_text("utf-8")
    return set(re.findall(r"^([^\s=]+)==", text, re.MULTILINE))


def test_the_locks_do_not_overlap():
    for name in LISTS:
        assert pinned(name)
        for other in LISTS:
            assert name == other or not pinned(name) & pinned(other)


@pytest.mark.parametrize("name", [*LISTS, "lab"])
def test_every_package_of_a_lock_but_torch_has_hashes(name):
    text = (REPOSITORY / f"code/requirements/{name}.lock").read_text("utf-8")
    pins = re.findall(r"^\S.*\n(?:[ \t].*\n)*", text, re.MULTILINE)
    bare = [pin for pin in pins if "--hash=sha256:" not in pin]
    assert bare == (["torch==2.13.0\n"] if name == "steps" else [])


@pytest.mark.parametrize("name", LISTS)
def test_a_list_names_what_its_code_imports_and_its_lock_holds_all_that_this_needs(name):
    up_to_here = LISTS[: LISTS.index(name) + 1]
    declared = {canonicalize_name(need.name) for place in up_to_here for need in listed(place)}
    locked = {package for place in up_to_here for package in pinned(place)}
    imported = set(packages_of(imports_of(python_texts(IMPORTERS[name]))))
    assert imported and imported <= declared
    assert needs(declared) <= locked


def listed(name: str) -> list[Requirement]:
    """What `pyproject.toml` names for a list."""
    project = tomllib.loads((REPOSITORY / "code/pyproject.toml").read_text("utf-8"))
    if name == "steps":
        return [Requirement(text) for text in project["project"]["dependencies"]]
    return [Requirement(text) for text in project["dependency-groups"][name]]


def python_texts(folders: Iterable[Path]) -> Iterator[str]:
    """The text of every module of the folders; the notebook's cells with those of the pipeline."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            yield path.read_text("utf-8")
        if folder.name == "pipeline":
            notebook = json.loads((REPOSITORY / "code/notebooks/results.ipynb").read_text("utf-8"))
            for cell in notebook["cells"]:
                if cell["cell_type"] == "code":
                    yield "".join(cell["source"])


def imports_of(texts: Iterable[str]) -> set[str]:
    """The top-level modules that texts import, but those of this repository and of Python."""
    names: set[str] = set()
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    own = {"cordstudy"} | {path.stem for path in (REPOSITORY / "code/tests").glob("*.py")}
    return names - own - ELSEWHERE - sys.stdlib_module_names


def packages_of(modules: Iterable[str]) -> Iterator[str]:
    """The package that each module comes from."""
    packages = metadata.packages_distributions()
    for module in modules:
        for package in packages[module]:
            yield canonicalize_name(package)


def needs(packages: Iterable[str]) -> set[str]:
    """Packages and all that they need here, but for what the locks leave out on purpose."""
    project = tomllib.loads((REPOSITORY / "code/pyproject.toml").read_text("utf-8"))
    left_out = set(project["tool"]["uv"]["exclude-dependencies"])
    found: set[str] = set()
    todo = [(package, "") for package in packages]
    seen: set[tuple[str, str]] = set()
    while todo:
        package, extra = todo.pop()
        of_cuda = package.startswith(("nvidia-", "cuda-")) or package == "triton"
        if (package, extra) in seen or package in left_out or of_cuda:
            continue
        seen.add((package, extra))
        found.add(package)
        for text in metadata.requires(package) or ():
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                name = canonicalize_name(need.name)
                todo += [(name, ""), *((name, wanted) for wanted in need.extras)]
    return found


def test_the_code_of_steps_is_base_and_pipeline():
    for module in commands().values():
        for name in files_of([module]):
            assert (
                name.startswith(("code/src/cordstudy/base/", "code/src/cordstudy/pipeline/"))
                or name == "code/src/cordstudy/__init__.py"
            )
