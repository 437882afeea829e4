"""A lineage as people and programs read it: a tree of text, JSON, a page.

Owns: the form. Does not own: the lineage (`lineage`), or exports in others' formats (`export`).
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

from cordstudy.provenance.lineage import FileNode, Lineage, RunNode, faults


def as_text(lineage: Lineage, *, depth: int | None, width: int | None) -> str:
    """A tree that fits `width` columns (of the terminal without one), `depth` runs deep."""
    console = Console(width=width, highlight=False, color_system=None)
    tree = Tree(Text(_named(lineage.target), overflow="ellipsis", no_wrap=True))
    for row in lineage.rows[:3]:
        tree.add(Text("  ".join(f"{key}={value}" for key, value in row.items())))
    if len(lineage.rows) > 3:
        tree.add(f"and {len(lineage.rows) - 3} more rows")
    _grow(tree, lineage, [lineage.target], set(), depth)
    with console.capture() as captured:
        console.print(tree)
        told = faults(lineage)
        console.print(Text("\n".join(["the chain is broken:", *(f"  {line}" for line in told)]) if told else
                           f"the chain is whole: {len(lineage.runs)} runs, down to the sources"))  # fmt: skip
    return captured.get()


def _grow(tree: Tree, lineage: Lineage, nodes: Sequence[FileNode], seen: set[str], depth: int | None) -> None:
    """Add files, those of one origin as one branch, and the runs that made them."""
    for group in _groups(nodes):
        branch = tree if group == [lineage.target] else tree.add(_line(_told(group)))
        run = lineage.runs.get(group[0].run)
        if run is None:
            continue
        if depth is not None and depth <= 0:
            branch.add(_line(f"{run.commit[:8]} {run.subject} …"))
        elif run.commit in seen:
            branch.add(_line(f"{run.commit[:8]} {run.subject} (above)"))
        else:
            seen.add(run.commit)
            below = branch.add(
                _line(f"{run.commit[:8]} {run.subject}, by {run.author.partition(' <')[0]} on {run.date[:10]}")
            )
            below.add(_line(f"$ {run.command}"))
            below.add(_line(f"code: {len(run.code)} files, environment lock {run.environment[:8] or 'not declared'}"))
            for node in run.parameters:
                below.add(_line(f"parameters: {node.path} {node.object[:8]}"))
            _grow(below, lineage, run.inputs, seen, None if depth is None else depth - 1)


def _line(text: str) -> Text:
    return Text(text, overflow="ellipsis", no_wrap=True)


def _groups(nodes: Sequence[FileNode]) -> Iterator[list[FileNode]]:
    """Files by what made them, or by their subdataset; those with a fault alone."""
    groups: dict[tuple[str, ...], list[FileNode]] = {}
    for node in nodes:
        alone = node.path if node.fault else ""
        groups.setdefault((node.run, node.commit, node.dataset, node.dataset_commit, alone), []).append(node)
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
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["groups"] = lambda nodes: list(_groups(nodes))
    environment.globals["told"] = _told
    layers = _layers(lineage)
    return environment.get_template("lineage.html.j2").render(
        lineage=lineage, layers=layers, edges=_edges(lineage, layers), faults=faults(lineage), box=BOX
    )


BOX = {"width": 190, "height": 46, "x": 215, "y": 96}
"""Size and distance of the graph's boxes, in px."""


def _layers(lineage: Lineage) -> list[list[RunNode]]:
    """Runs by how many lie between them and the target, at most; the target's own first."""
    depth: dict[str, int] = {}

    def visit(commit: str, at: int) -> None:
        if depth.get(commit, -1) < at:
            depth[commit] = at
            for node in lineage.runs[commit].inputs:
                if node.run in lineage.runs:
                    visit(node.run, at + 1)

    if lineage.target.run:
        visit(lineage.target.run, 0)
    count = max(depth.values(), default=-1) + 1
    return [[lineage.runs[commit] for commit, at in depth.items() if at == layer] for layer in range(count)]


def _edges(lineage: Lineage, layers: list[list[RunNode]]) -> list[tuple[float, float, float, float]]:
    """Lines between the boxes of runs and of those that read from them."""
    places = {run.commit: (column, row) for row, layer in enumerate(layers) for column, run in enumerate(layer)}
    pairs = {(run.commit, node.run) for layer in layers for run in layer for node in run.inputs if node.run in places}
    centre, height = BOX["width"] / 2, BOX["height"]
    return [
        (places[a][0] * BOX["x"] + centre, places[a][1] * BOX["y"] + height,
         places[b][0] * BOX["x"] + centre, places[b][1] * BOX["y"])
        for a, b in sorted(pairs)
    ]  # fmt: skip
