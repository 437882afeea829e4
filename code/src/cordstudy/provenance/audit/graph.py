"""The graph of a lineage as boxes and arrows: runs, and the sources that they read.

Owns: which boxes there are, what stands in them, and where they and the arrows between them lie.
Does not own: the lineage (`lineage`), or the page that shows the graph (`views`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter

from cordstudy.provenance.audit.lineage import Lineage, RunNode

WIDTH_PX, GAP_PX, ROW_GAP_PX, LINE_PX, PAD_PX = 200, 24, 56, 15, 8
LETTERS = 29
"""Of a line in a box."""
ACROSS = 12
"""Boxes beside each other at most; more of one layer stand in rows below each other."""


@dataclass(frozen=True)
class Box:
    """A run, or a source: what it is called (`name`), and the place on the page that tells of
    it."""

    name: str
    words: str
    anchor: str
    is_source: bool

    @property
    def lines(self) -> list[str]:
        """All of what stands in it: nothing is cut, so that none looks like another."""
        return [self.name, *textwrap.wrap(self.words, LETTERS)]


@dataclass(frozen=True)
class Place:
    """A box, and where its upper left corner is, in px."""

    box: Box
    x: int
    y: int


@dataclass(frozen=True)
class Graph:
    """Runs and sources by layers: what is read stands below what reads it."""

    lineage: Lineage

    @cached_property
    def layers(self) -> list[list[RunNode]]:
        """Runs by how many lie between them and the target, at most; the target's own first."""
        runs = self.lineage.runs
        builds_on = {
            commit: [node.run for node in run.inputs if node.run] for commit, run in runs.items()
        }
        depth = dict.fromkeys(runs, 0)
        for commit in reversed(list(TopologicalSorter(builds_on).static_order())):
            for maker in builds_on[commit]:
                depth[maker] = max(depth[maker], depth[commit] + 1)
        layers: list[list[RunNode]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for commit, layer in depth.items():
            layers[layer].append(runs[commit])
        return layers

    @cached_property
    def sources(self) -> dict[tuple[str, str], int]:
        """Subdatasets, by path and commit, and the layer in which each stands: below all that
        read it."""
        lowest: dict[tuple[str, str], int] = {}
        for layer, runs in enumerate(self.layers):
            for run in runs:
                for node in run.inputs:
                    if node.dataset:
                        key = (node.dataset, node.dataset_commit)
                        lowest[key] = max(lowest.get(key, 0), layer + 1)
        return lowest

    @cached_property
    def places(self) -> dict[str, Place]:
        """Every box with its place, by its anchor."""
        rows: list[list[Box]] = []
        for layer in range(len(self.layers) + 1):
            boxes = self._boxes(layer)
            rows += [boxes[first : first + ACROSS] for first in range(0, len(boxes), ACROSS)]
        places = {}
        y = 1
        for row in rows:
            for column, box in enumerate(row):
                places[box.anchor] = Place(box, 1 + column * (WIDTH_PX + GAP_PX), y)
            y += self.height_px + ROW_GAP_PX
        return places

    def _boxes(self, layer: int) -> list[Box]:
        runs = self.layers[layer] if layer < len(self.layers) else []
        boxes = [Box(run.commit[:8], run.subject, run.commit[:8], is_source=False) for run in runs]
        for (path, commit), below in self.sources.items():
            if below == layer:
                words = f"{path} at {commit[:8]}"
                boxes.append(Box("source", words, source_anchor(path, commit), is_source=True))
        return boxes

    @cached_property
    def height_px(self) -> int:
        """Of every box: that of the one with the most lines."""
        most = max((len(box.lines) for box in self._all_boxes()), default=1)
        return most * LINE_PX + 2 * PAD_PX

    def _all_boxes(self) -> list[Box]:
        return [box for layer in range(len(self.layers) + 1) for box in self._boxes(layer)]

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of all of it."""
        places = self.places.values()
        width = max((place.x for place in places), default=0) + WIDTH_PX + 1
        return width, max((place.y for place in places), default=0) + self.height_px + 1

    @property
    def arrows(self) -> list[tuple[float, float, float, float]]:
        """From the head of each box to the foot of each that reads it: x, y, x, y, in px."""
        pairs: set[tuple[str, str]] = set()
        for run in self.lineage.runs.values():
            for node in run.inputs:
                if node.run in self.lineage.runs:
                    pairs.add((node.run[:8], run.commit[:8]))
                elif node.dataset:
                    pairs.add((source_anchor(node.dataset, node.dataset_commit), run.commit[:8]))
        return [self._arrow(maker, reader) for maker, reader in sorted(pairs)]

    def _arrow(self, maker: str, reader: str) -> tuple[float, float, float, float]:
        below, above = self.places[maker], self.places[reader]
        half = WIDTH_PX / 2
        return below.x + half, below.y, above.x + half, above.y + self.height_px + 2

    def readers(self, path: str, commit: str) -> Sequence[RunNode]:
        """The runs that read a source."""
        read = []
        for run in self.lineage.runs.values():
            if any((node.dataset, node.dataset_commit) == (path, commit) for node in run.inputs):
                read.append(run)
        return read


def source_anchor(path: str, commit: str) -> str:
    """The place on the page that tells of a source."""
    letters = [letter if letter.isascii() and letter.isalnum() else "-" for letter in path]
    return f"source-{''.join(letters)}-{commit[:8]}"
