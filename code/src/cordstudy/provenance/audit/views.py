"""A lineage as people and programs read it: a tree of text, JSON, a page.

Owns: the form. Does not own: the lineage (`lineage`), or exports in others' formats (`export`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from graphlib import TopologicalSorter
from pathlib import Path
from posixpath import commonpath

import jinja2
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from cordstudy.base.errors import inline
from cordstudy.provenance.audit.lineage import FileNode, Lineage, RunNode, faults, stale

DEEPEST = 40
"""Runs that a tree is deep at most: a line has no room for more."""


def as_text(lineage: Lineage, *, depth: int | None, width: int | None) -> str:
    """A tree that fits `width` columns (of the terminal without one), `depth` runs deep."""
    console = Console(width=width, highlight=False, color_system=None)
    tree = Tree(_line(_named(lineage.target)))
    for row in lineage.rows[:3]:
        tree.add(Text("  ".join(f"{inline(key)}={inline(value)}" for key, value in row.items())))
    if len(lineage.rows) > 3:
        tree.add(f"and {len(lineage.rows) - 3} more rows")
    _grow(tree, lineage, [lineage.target], set(), DEEPEST if depth is None else min(depth, DEEPEST))
    with console.capture() as captured:
        console.print(tree)
        console.print(Text("\n".join(_verdict(lineage))))
    return captured.get()


def _verdict(lineage: Lineage) -> Iterator[str]:
    """The last lines: whether the chain is whole, and what is stale in it."""
    told = faults(lineage)
    yield (
        "the chain is broken:"
        if told
        else f"the chain is whole: {len(lineage.runs)} runs, down to the sources"
    )
    yield from (f"  {inline(line)}" for line in told)
    yield from (f"stale since: {inline(line)}" for line in stale(lineage))


def _grow(
    tree: Tree, lineage: Lineage, nodes: Sequence[FileNode], seen: set[str], depth: int
) -> None:
    """Add files, those of one origin as one branch, and the runs that made them."""
    for group in _groups(nodes):
        branch = tree if group == [lineage.target] else tree.add(_line(_told(group)))
        run = lineage.runs.get(group[0].run)
        if run is None:
            continue
        if depth <= 0:
            branch.add(_line(f"{run.commit[:8]} {run.subject} …"))
        elif run.commit in seen:
            branch.add(_line(f"{run.commit[:8]} {run.subject} (above)"))
        else:
            seen.add(run.commit)
            below = branch.add(
                _line(
                    f"{run.commit[:8]} {run.subject}, by {run.author.partition(' <')[0]} on {run.date[:10]}"
                )
            )
            below.add(_line(f"$ {run.command}"))
            below.add(
                _line(
                    f"code: {len(run.code)} files, environment lock {run.environment[:8] or 'not declared'}"
                )
            )
            if run.stale:
                more = f" (and {len(run.stale) - 1} more)" if len(run.stale) > 1 else ""
                below.add(_line(f"stale since: {run.stale[0]}{more}"))
            for node in run.parameters:
                below.add(_line(f"parameters: {node.path} {node.object[:8]}"))
            _grow(below, lineage, run.inputs, seen, depth - 1)


def _line(text: str) -> Text:
    return Text(inline(text), overflow="ellipsis", no_wrap=True)


def _groups(nodes: Sequence[FileNode]) -> Iterator[list[FileNode]]:
    """Files by what made them, or by their subdataset; those with a fault alone."""
    groups: dict[tuple[str, ...], list[FileNode]] = {}
    for node in nodes:
        alone = node.path if node.fault else ""
        groups.setdefault(
            (node.run, node.commit, node.dataset, node.dataset_commit, alone), []
        ).append(node)
    yield from groups.values()


def _told(group: Sequence[FileNode]) -> str:
    first = group[0]
    if len(group) == 1:
        place = _named(first)
    else:
        place = f"{len(group)} files of {commonpath([node.path for node in group])}"
    if first.dataset:
        return f"{place}, at {first.dataset_commit[:8]} of {first.url or first.dataset}"
    if first.fault:
        return f"{place}: {first.fault}"
    return (
        place
        if first.run
        else f"{place}, committed as {first.commit[:8]} by {first.author.partition(' <')[0]} on {first.date[:10]}"
    )


def _named(node: FileNode) -> str:
    return f"{node.path} {node.key or node.object[:8]}"


def as_json(lineage: Lineage) -> str:
    """All of a lineage; see code/docs/lineage.schema.json."""
    content = {**asdict(lineage), "runs": {key: asdict(run) for key, run in lineage.runs.items()}}
    return json.dumps(content | {"faults": faults(lineage)}, indent=1, sort_keys=True)


def as_page(lineage: Lineage) -> str:
    """A self-contained page: the graph of runs to walk, and a card for each."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["groups"] = lambda nodes: list(_groups(nodes))
    environment.globals["told"] = _told
    layers = _layers(lineage)
    return environment.get_template("lineage.html.j2").render(
        lineage=lineage,
        layers=layers,
        edges=_edges(lineage, layers),
        faults=faults(lineage),
        stale=stale(lineage),
        box=BOX,
    )


BOX = {"width": 190, "height": 46, "x": 215, "y": 96}
"""Size and distance of the graph's boxes, in px."""


def _layers(lineage: Lineage) -> list[list[RunNode]]:
    """Runs by how many lie between them and the target, at most; the target's own first."""
    builds = {
        commit: [node.run for node in run.inputs if node.run]
        for commit, run in lineage.runs.items()
    }
    depth = dict.fromkeys(lineage.runs, 0)
    for commit in reversed(list(TopologicalSorter(builds).static_order())):
        for made in builds[commit]:
            depth[made] = max(depth[made], depth[commit] + 1)
    count = max(depth.values(), default=-1) + 1
    return [
        [lineage.runs[commit] for commit, at in depth.items() if at == layer]
        for layer in range(count)
    ]


def _edges(
    lineage: Lineage, layers: list[list[RunNode]]
) -> list[tuple[float, float, float, float]]:
    """Lines between the boxes of runs and of those that read from them."""
    places = {
        run.commit: (column, row)
        for row, layer in enumerate(layers)
        for column, run in enumerate(layer)
    }
    pairs = {
        (run.commit, node.run)
        for layer in layers
        for run in layer
        for node in run.inputs
        if node.run in places
    }
    centre, height = BOX["width"] / 2, BOX["height"]
    return [
        (
            places[a][0] * BOX["x"] + centre,
            places[a][1] * BOX["y"] + height,
            places[b][0] * BOX["x"] + centre,
            places[b][1] * BOX["y"],
        )
        for a, b in sorted(pairs)
    ]
