"""The kinds of images that BIDS knows.

Owns: asking BIDS's own schema.
Does not own: which images a source has (`images`).
"""

from __future__ import annotations

from bidsschematools.schema import load_schema

from cordstudy.pipeline.sources.names import ENDING


def is_known(suffix: str) -> bool:
    """Whether BIDS has images with a suffix."""
    for group in load_schema().rules.files.raw.values():
        for rule in group.values():
            if ENDING in rule.get("extensions", ()) and suffix in rule.get("suffixes", ()):
                return True
    return False
