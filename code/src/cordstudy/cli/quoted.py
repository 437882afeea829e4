"""Ids of records in the output of commands that documents quote: those of the newest records.

Owns: finding a quoted id beside the subject of its record, and putting the present one there.
Does not own: the other results in documents (`recorded`), or which files have any (`written`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

RECORD = re.compile(
    r"(?P<before>(?:── |running ))(?P<id>[0-9a-f]{8})"
    r"(?P<after> '?(?P<subject>[A-Z][^'\n]*?)(?:'|,? (?:by )?…))"
)
"""A line of `audit` or of the remote `rerun`: an id and the subject of its record, which may be cut
with an ellipsis."""
FILE = re.compile(r"^(?P<path>derivatives/\S+) (?P<id>[0-9a-f]{8})$", re.MULTILINE)
"""The first line of `audit FILE`: a path and the id of what it holds."""


def with_ids(text: str, *, records: Mapping[str, str], files: Mapping[str, str]) -> str:
    """A text with the present ids: of records by their subject, of files by their path. What is
    not known stays as it is."""

    def record(found: re.Match[str]) -> str:
        present = records.get(found["subject"], found["id"])
        return f"{found['before']}{present[:8]}{found['after']}"

    def file(found: re.Match[str]) -> str:
        return f"{found['path']} {files.get(found['path'], found['id'])[:8]}"

    return FILE.sub(file, RECORD.sub(record, text))
