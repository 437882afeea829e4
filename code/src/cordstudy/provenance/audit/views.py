"""A lineage as people and programs read it: a tree of text, JSON, a page.

Owns: the form. Does not own: the lineage (`lineage`), where the boxes of its graph lie (`graph`),
or exports in others' formats (`exports`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from posixpath import commonpath

import jinja2
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from cordstudy.base.errors import inline
from cordstudy.provenance.audit.graph import LINE_PX, PAD_PX, WIDTH_PX, Graph, source_anchor
from cordstudy.provenance.audit.lineage import FileNode, Lineage, RunNode, faults, stale

DEEPEST = 40
"""Runs that a tree is deep at most: a line has no room for more."""
SHOWN_ROWS = 3
UNFOLDED = 40
"""Runs of which a page shows at most all at once: the layers of more are folded."""


def as_text(lineage: Lineage, *, depth: int | None, width: int | None) -> str:
    """A tree that fits `width` columns (of the terminal without one), `depth` runs deep."""
    console = Console(width=width, highlight=False, color_system=None)
    tree = Tree(_line(_headline(lineage)))
    for row in lineage.rows[:SHOWN_ROWS]:
        cells = [f"{inline(column)}={inline(value)}" for column, value in row.items()]
        tree.add(Text("  ".join(cells)))
    if len(lineage.rows) > SHOWN_ROWS:
        tree.add(f"and {len(lineage.rows) - SHOWN_ROWS} more rows")
    deepest = DEEPEST if depth is None else min(depth, DEEPEST)
    _Branches(lineage).grow(tree, lineage.asked, deepest)
    with console.capture() as captured:
        console.print(tree)
        console.print(Text("\n".join(_verdict(lineage))))
    return captured.get()


def _verdict(lineage: Lineage) -> Iterator[str]:
    """The last lines: whether the chain is whole, and what is stale in it."""
    broken = faults(lineage)
    of_people = [node for node in lineage.asked if node.commit and not node.fault]
    if of_people:
        yield _by_hand(lineage, of_people)
    if broken:
        yield "the chain is broken:"
    elif lineage.runs:
        yield f"the chain is whole: {len(lineage.runs)} runs, down to the sources"
    for line in broken:
        yield f"  {inline(line)}"
    for line in stale(lineage):
        yield f"stale since: {inline(line)}"


def _headline(lineage: Lineage) -> str:
    """What was asked about."""
    if lineage.files:
        return f"{lineage.target.path}/ {len(lineage.files)} files"
    return _name(lineage.target)


def _by_hand(lineage: Lineage, nodes: Sequence[FileNode]) -> str:
    """That no run made files, and who did."""
    if lineage.files:
        return f"no run made {len(nodes)} of {len(lineage.files)} files: they are committed by hand"
    (node,) = nodes
    who = f"{_person(node.author)} on {node.date[:10]}"
    return f"no run made it: committed by hand as {node.commit[:8]} by {who}"


class _Branches:
    """Grows a tree with files and the runs that made them, each run told once."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.told: set[str] = set()

    def grow(self, tree: Tree, nodes: Sequence[FileNode], depth: int) -> None:
        """Add files, those of one origin as one branch, and the runs that made them."""
        for group in _groups(nodes):
            is_root = group == [self.lineage.target]
            branch = tree if is_root else tree.add(_line(_told(group)))
            run = self.lineage.runs.get(group[0].run)
            if run:
                self._add_run(branch, run, depth)

    def _add_run(self, branch: Tree, run: RunNode, depth: int) -> None:
        name = f"{run.commit[:8]} {run.subject}"
        if depth <= 0:
            branch.add(_line(f"{name} …"))
            return
        if run.commit in self.told:
            branch.add(_line(f"{name} (above)"))
            return
        self.told.add(run.commit)
        below = branch.add(_line(f"{name}, by {_person(run.author)} on {run.date[:10]}"))
        for line in _about(run):
            below.add(_line(line))
        self.grow(below, run.inputs, depth - 1)


def _about(run: RunNode) -> Iterator[str]:
    """What is told of a run beside its name: a line each."""
    yield f"$ {run.command}"
    lock = run.environment[:8] or "not declared"
    yield f"code: {len(run.code)} files, environment lock {lock}"
    if run.stale:
        more = f" (and {len(run.stale) - 1} more)" if len(run.stale) > 1 else ""
        yield f"stale since: {run.stale[0]}{more}"
    for node in run.parameters:
        yield f"parameters: {node.path} {node.object[:8]}"


def _line(text: str) -> Text:
    return Text(inline(text), overflow="ellipsis", no_wrap=True)


def _person(author: str) -> str:
    return author.partition(" <")[0]


def _groups(nodes: Sequence[FileNode]) -> list[list[FileNode]]:
    """Files by what made them, or by their subdataset; those with a fault alone."""
    groups: dict[tuple[str, ...], list[FileNode]] = {}
    for node in nodes:
        alone = node.path if node.fault else ""
        origin = (node.run, node.commit, node.dataset, node.dataset_commit, alone)
        groups.setdefault(origin, []).append(node)
    return list(groups.values())


def _told(group: Sequence[FileNode]) -> str:
    """What is told of files of one origin."""
    first = group[0]
    if len(group) == 1:
        files = _name(first)
    else:
        files = f"{len(group)} files of {commonpath([node.path for node in group])}"
    if first.dataset:
        return f"{files}, at {first.dataset_commit[:8]} of {first.url or first.dataset}"
    if first.fault:
        return f"{files}: {first.fault}"
    if first.run:
        return files
    who = f"{_person(first.author)} on {first.date[:10]}"
    return f"{files}, committed as {first.commit[:8]} by {who}"


def _name(node: FileNode) -> str:
    return f"{node.path} {node.key or node.object[:8]}"


def as_json(lineage: Lineage) -> str:
    """All of a lineage; see code/docs/lineage.schema.json."""
    content = asdict(lineage)
    content["runs"] = {commit: asdict(run) for commit, run in lineage.runs.items()}
    content["faults"] = faults(lineage)
    return json.dumps(content, indent=1, sort_keys=True)


def as_page(lineage: Lineage) -> str:
    """A self-contained page: the graph of runs to walk, and a card for each."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["groups"] = _groups
    environment.globals["told"] = _told
    graph = Graph(lineage)
    return environment.get_template("lineage.html.j2").render(
        lineage=lineage,
        graph=graph,
        anchor=source_anchor,
        unfolded=len(lineage.runs) <= UNFOLDED,
        faults=faults(lineage),
        stale=stale(lineage),
        line_px=LINE_PX,
        pad_px=PAD_PX,
        width_px=WIDTH_PX,
    )
