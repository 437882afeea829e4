"""What records ought to say: the steps that the code and the studies at their commits render.

Owns: which records the present code can tell of, and rendering the others by their commits' own
code.
Does not own: what code renders and how it says so (`running.rendered`), or asking other code
(`running.own_code`).

The present code renders a record's step as the code of its commit did where all that rendering
reads was the same there: the renderer, the study's file, and the modules whose imports it follows.
Other code is asked through its own launcher, `LAUNCHER render --json`: no name of its modules is
known here. What it does not render so is unreadable, which is no fault of a record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.gitlog import Entry, object_id
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.paths import Declared
from cordstudy.provenance.profile import Profile
from cordstudy.provenance.running.own_code import printed_by
from cordstudy.provenance.running.rendered import Rendered, Steps, printed, understood


@dataclass(frozen=True)
class Expectations:
    """What is expected of records, by their commits; of which nobody can tell, and why."""

    steps: dict[str, Steps] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    present: Declared | None = None
    """What the steps make that the present code has; None where it cannot tell of some study."""

    def __or__(self, other: Expectations) -> Expectations:
        steps, unreadable = self.steps | other.steps, self.unreadable | other.unreadable
        return Expectations(steps, unreadable, self.present or other.present)

    def add(self, commit: RecordedCommit, steps: Steps) -> None:
        """Expect the steps of a record, as far as they can be told."""
        self.steps[commit.id] = steps
        why = steps.unreadable(commit.record.from_root(commit.record.outputs))
        if why:
            self.unreadable[commit.id] = why


def by_present_code(
    history: History, commits: Iterable[RecordedCommit], rendered: Rendered, profile: Profile
) -> Expectations:
    """What is expected of the records that the present code can tell of."""
    steps = understood(printed(rendered))
    modules = _modules_read(rendered, profile)
    studies = {path for path in history.paths if _is_study(path, profile)}
    studies |= {*rendered.studies, *rendered.faults}
    here = cache(lambda path: _here(history, path))

    def is_as_here(commit: RecordedCommit, path: str) -> bool:
        return _holds(history.entry_before(commit.id, path), here(path))

    expectations = Expectations(present=None if steps.faults else steps.outputs)
    for commit in commits:
        outputs = commit.record.from_root(commit.record.outputs)
        read = (*rendered.renderer, *modules.get(outputs, studies))
        if all(is_as_here(commit, path) for path in read):
            expectations.add(commit, steps)
    return expectations


def _modules_read(rendered: Rendered, profile: Profile) -> dict[tuple[str, ...], tuple[str, ...]]:
    """What rendering each step reads beside the renderer, by the step's outputs."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for path, steps in rendered.studies.items():
        for step in steps:
            modules = [spec for spec in step.inputs if _is_module(spec, profile)]
            found[step.outputs] = (path, *modules)
    return found


def _is_module(path: str, profile: Profile) -> bool:
    return path.startswith(f"{profile.code}/") and path.endswith(".py")


def _is_study(path: str, profile: Profile) -> bool:
    folder, _, name = path.rpartition("/")
    return folder == profile.parameters and name.endswith(".toml")


def _here(history: History, path: str) -> str:
    """The object that git would keep for a file as it is in the working tree; empty for none."""
    try:
        return object_id((history.repo / path).read_bytes(), like=history.id)
    except OSError:
        return ""


def _holds(entry: Entry | None, held: str) -> bool:
    if entry is None:
        return not held
    return entry.mode.startswith("100") and entry.object == held


def by_own_code(
    history: History,
    commits: Sequence[RecordedCommit],
    profile: Profile,
    report: Callable[[int], None],
) -> Expectations:
    """What is expected of records by the code of their commits, run in a sandbox.

    `report` is told the number of trees of code, before the first runs.
    """
    trees = _code_trees(history, commits, profile)
    names = sorted(set(trees.values()))
    report(len(names))
    rendered: dict[str, Steps] = {}
    faults: dict[str, str] = {}
    for tree in names:
        try:
            rendered[tree] = understood(printed_by(history.repo, tree, profile))
        except StudyError as error:
            faults[tree] = f"its own code cannot be run: {error}"
    expectations = Expectations()
    for commit in commits:
        tree = trees.get(commit.id, "")
        if tree in rendered:
            expectations.add(commit, rendered[tree])
        else:
            expectations.unreadable[commit.id] = faults.get(tree, "it ran without code")
    return expectations


def _code_trees(
    history: History, commits: Sequence[RecordedCommit], profile: Profile
) -> dict[str, str]:
    """The tree of code that each record ran with, by its commit."""
    asked = [commit for commit in commits if commit.parents]
    lines = [f"{commit.parents[0]}:{profile.code}\n" for commit in asked]
    form = "--batch-check=%(objecttype) %(objectname)"
    answers = read_git(history.repo, "cat-file", form, stdin="".join(lines).encode())
    trees: dict[str, str] = {}
    for commit, answer in zip(asked, answers.decode().splitlines(), strict=True):
        kind, _, name = answer.partition(" ")
        if kind == "tree":
            trees[commit.id] = name
    return trees
