"""The kinds of images that BIDS knows, and the folders that they lie in.

Owns: asking BIDS's own schema.
Does not own: which images a source has (`images`).
"""

from __future__ import annotations

from bidsschematools.schema import load_schema

from cordstudy.pipeline.sources.names import ENDING


def datatypes_of(suffix: str) -> set[str]:
    """The folders that BIDS has images with this suffix in; none for one that it does not know."""
    datatypes: set[str] = set()
    for group in load_schema().rules.files.raw.values():
        for rule in group.values():
            if ENDING in rule.get("extensions", ()) and suffix in rule.get("suffixes", ()):
                datatypes.update(rule["datatypes"])
    return datatypes
