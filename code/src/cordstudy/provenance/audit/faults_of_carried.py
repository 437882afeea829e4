"""The faults of content that travels in the history as plain files.

Owns: what is wrong with such a file, and with how much there is.
Does not own: what is carried (`history.carried`), or keeping it up to date (`running.carrying`).
"""

from __future__ import annotations

from collections.abc import Iterator

from cordstudy.provenance.audit.faults import Fault
from cordstudy.provenance.history.carried import (
    FOLDER,
    LARGEST_HISTORY,
    LARGEST_TOTAL,
    carried,
    corrupted,
    total_of_history,
)
from cordstudy.provenance.history.index import History

KIND = "carried content"


def of_carried(history: History) -> Iterator[Fault]:
    """Whether all that a history carries is what it is said to be, is named, and is little."""
    files = carried(history.repo, history.tree)
    named = {entry.key for entry in history.tree.values() if entry.key}
    for file in files:
        if not file.key:
            yield Fault(KIND, file.path, "it is not where the content of an annex key belongs")
        elif file.key not in named:
            yield Fault(KIND, file.path, "no file of the dataset has this content")
    total = sum(file.size for file in files)
    if total > LARGEST_TOTAL:  # and is not read
        yield _too_much(total, LARGEST_TOTAL, "are carried")
    else:
        for file in corrupted(history.repo, files):
            yield Fault(
                "corrupted carried", file.path, "its content is not what its annex key says"
            )
    ever = total_of_history(history.repo, history.id)
    if ever > LARGEST_HISTORY:
        yield _too_much(ever, LARGEST_HISTORY, "were ever carried")


def _too_much(total: int, limit: int, what: str) -> Fault:
    text = f"{total / 10**6:.1f} MB {what}, more than {limit / 10**6:.0f}"
    return Fault(KIND, FOLDER, text)
