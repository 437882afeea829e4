"""Doing the same with many things, in as many processes as this machine may use.

Owns: the order of results, which is that of the things, and a progress bar on the way.
Does not own: how many processes those are (`machine`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from cordstudy.base.machine import progress, workers

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], *, what: str, chunk: int = 1
) -> Iterator[Result]:
    """The result for each item, in order; one worker is this process itself.

    A process is given `chunk` items at a time. Raises what `function` raises.
    """
    if workers() == 1:
        yield from progress(map(function, items), total=len(items), what=what)
        return
    with ProcessPoolExecutor(workers()) as pool:
        results = pool.map(function, items, chunksize=chunk)
        yield from progress(results, total=len(items), what=what)
