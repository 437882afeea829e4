"""Reading a rendered page."""

from __future__ import annotations

import html
import re


def plain(page: str) -> str:
    """The words of a page."""
    body = re.sub(r"<(script|style|svg).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())
