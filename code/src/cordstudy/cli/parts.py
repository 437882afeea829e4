"""Parts of a text that are written by a command, between marks that Markdown does not show.

Owns: where such a part begins and ends, and putting words into it.
Does not own: which words (`written`).

    <!-- results: NAME --> what is written <!-- end results -->

A part that is one phrase stands in a sentence, and not where a line begins: Markdown would take the
rest of that line for HTML. One of several lines stands on lines of its own.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

from cordstudy.base.errors import StudyError

END = "<!-- end results -->"
PART = re.compile(rf"(<!-- results: ([a-z][a-z-]*) -->)((?:(?!<!-- ).)*?)({END})", re.DOTALL)
WIDTH = 100
MARK = re.compile(rf"<!-- results: .*?-->|{END}")


def parts(text: str, *, where: str) -> dict[str, list[str]]:
    """What stands in the parts of a text, by name. Raises StudyError for a mark without its
    other, and for a phrase that begins a line."""
    found: dict[str, list[str]] = {}
    for match in PART.finditer(text):
        if match[3] and "\n" not in match[3] and text[: match.start()].endswith("\n"):
            raise StudyError(
                f"{where}: part {match[2]!r} begins a line, where Markdown does not read it",
                hint="put a word before its mark",
            )
        found.setdefault(match[2], []).append(match[3])
    count = sum(len(held) for held in found.values())
    if len(MARK.findall(text)) != 2 * count:
        raise StudyError(
            f"{where}: a mark of results has no other",
            hint=f"<!-- results: NAME --> … {END}",
        )
    return found


def filled(text: str, told: Mapping[str, str]) -> str:
    """A text with other words in its parts."""
    return PART.sub(lambda match: f"{match[1]}{told[match[2]]}{match[4]}", text)


def lines(text: str) -> str:
    """Words that stand on lines of their own in a part."""
    return f"\n{text}\n"


def wrapped(text: str) -> str:
    """A paragraph in lines, broken at spaces alone."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)
