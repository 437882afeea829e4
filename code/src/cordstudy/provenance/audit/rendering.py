"""What records ought to say: the steps that the code and the studies at their commits render.

Owns: which records the present code can tell of, and rendering the others by their commits' own code
in a sandbox. Does not own: the steps (told by the caller), or the sandbox (`sandbox`).

The present code renders a record's step as the code of its commit did where all that rendering reads
was the same there: the renderer, the study's file, and the modules whose imports it follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter, ValidationError

from cordstudy.provenance.audit.sandbox import python_in_sandbox
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.gitlog import Entry, object_id, read_objects, read_tree
from cordstudy.provenance.history.index import History, RecordedCommit
from cordstudy.provenance.history.paths import Declared
from cordstudy.provenance.history.records import join
from cordstudy.provenance.running.step import Recorded

CODE = "code"
SCRIPT = """\
import json, pathlib
from cordstudy.study.steps import steps
from cordstudy.study.loading import load_study
root = pathlib.Path(".")
found = []
for path in sorted(root.glob("code/studies/*.toml")):
    try:
        found += [(s.outputs, s.argv, s.inputs) for s in steps(load_study(root, path.stem))]
    except Exception:
        pass  # a study that could not be rendered then either
print(json.dumps(found))
"""
LARGEST_FILE = 2**20
PRINTED = TypeAdapter(list[tuple[list[str], list[str], list[str]]])


@dataclass(frozen=True)
class Expected:
    """What the record of a step says: its command and its inputs."""

    cmd: str
    inputs: frozenset[str]


@dataclass(frozen=True)
class Steps:
    """The steps that some code renders, by their outputs."""

    by_outputs: Mapping[tuple[str, ...], Expected]

    @cached_property
    def outputs(self) -> Declared:
        """What any of them makes."""
        return Declared(spec for outputs in self.by_outputs for spec in outputs)


@dataclass(frozen=True)
class Rendered:
    """What the present code renders: the steps of each study by the path of its file, and the files
    that the renderer itself consists of."""

    studies: Mapping[str, Sequence[Recorded]]
    renderer: tuple[str, ...]


def by_present_code(
    history: History, commits: Iterable[RecordedCommit], rendered: Rendered
) -> dict[str, Steps]:
    """What is expected of the records that the present code can tell of, by their commits."""
    every = [(path, step) for path, steps in rendered.studies.items() for step in steps]
    expected = Steps(
        {step.outputs: Expected(join(step.argv), frozenset(step.inputs)) for _, step in every}
    )
    modules = {
        step.outputs: (
            path,
            *(spec for spec in step.inputs if spec.startswith(f"{CODE}/") and spec.endswith(".py")),
        )
        for path, step in every
    }
    studies = tuple({*rendered.studies, *(p for p in history.paths if _is_study(p))})
    here = cache(lambda path: _here(history, path))
    found = {}
    for commit in commits:
        outputs = commit.record.from_root(commit.record.outputs)
        read = (*rendered.renderer, *modules.get(outputs, studies))
        if all(_holds(history.entry_before(commit.id, path), here(path)) for path in read):
            found[commit.id] = expected
    return found


def _is_study(path: str) -> bool:
    return path.startswith(f"{CODE}/studies/") and path.endswith(".toml") and path.count("/") == 2


def _here(history: History, path: str) -> str:
    """The object that git would keep for a file as it is in the working tree; empty for none."""
    try:
        return object_id((history.repo / path).read_bytes(), like=history.id)
    except OSError:
        return ""


def _holds(entry: Entry | None, held: str) -> bool:
    return not held if entry is None else entry.mode.startswith("100") and entry.object == held


def by_own_code(
    history: History, commits: Sequence[RecordedCommit], told: Callable[[int], None]
) -> dict[str, Steps]:
    """What is expected of records by the code of their commits, run in a sandbox; without those whose
    code cannot be run so. `told` is the number of trees of code, before the first runs."""
    trees = _code_trees(history, commits)
    told(len(set(trees.values())))
    steps = {tree: _run(history, tree) for tree in sorted(set(trees.values()))}
    return {commit: steps[tree] for commit, tree in trees.items() if steps[tree] is not None}


def _code_trees(history: History, commits: Sequence[RecordedCommit]) -> dict[str, str]:
    """The tree of code that each record ran with, by its commit."""
    asked = [commit for commit in commits if commit.parents]
    lines = "".join(f"{commit.parents[0]}:{CODE}\n" for commit in asked).encode()
    answers = read_git(
        history.repo, "cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=lines
    ).split(b"\n")
    words = [answer.decode().split() for answer in answers]
    return {commit.id: said[1] for commit, said in zip(asked, words) if said[0] == "tree"}


def _run(history: History, tree: str) -> Steps | None:
    """What a tree of code renders; None where it does not."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _lay_out(history, tree, folder / CODE)
        printed = python_in_sandbox(SCRIPT, folder, path=f"{CODE}/src")
    try:
        found = PRINTED.validate_json(printed or b"")
    except ValidationError:
        return None
    return Steps(
        {
            tuple(outputs): Expected(join(argv), frozenset(inputs))
            for outputs, argv, inputs in found
            if argv
        }
    )


def _lay_out(history: History, tree: str, folder: Path) -> None:
    """Write the small plain files of a tree; links are left out, and names that lead elsewhere."""
    entries = {
        path: entry
        for path, entry in read_tree(history.repo, tree).items()
        if entry.mode.startswith("100")
    }
    contents = read_objects(history.repo, [entry.object for entry in entries.values()])
    for path, content in zip(entries, contents, strict=True):
        place = folder / path
        if ".." in place.parts or path.startswith("/") or len(content) > LARGEST_FILE:
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        except OSError:  # a tree that no file system can hold; its code will miss the file
            continue
