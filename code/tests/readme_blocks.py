"""The commands that the README tells, by the heading that they stand under."""

from __future__ import annotations

import re

from helpers import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def commands_under(*headings: str) -> str:
    """All of them in a row, as a shell takes them."""
    blocks = []
    for heading in headings:
        part = re.search(rf"^## {heading}\n(.*?)(?=^## )", README, re.DOTALL | re.MULTILINE)
        assert part, heading
        blocks += re.findall(r"```sh\n(.*?)```", part[1], re.DOTALL)
    return "".join(blocks)


def first_commands() -> list[str]:
    """Those above the first heading, without what they say of themselves."""
    blocks = re.findall(r"```sh\n(.*?)```", README.partition("\n## ")[0], re.DOTALL)
    lines = "".join(blocks).splitlines()
    return [word for line in lines for word in line.partition("#")[0].strip().split(" && ")]


def headings() -> list[str]:
    """Every heading that commands stand under."""
    found = re.findall(r"^## (.*)$", README, re.MULTILINE)
    return [heading for heading in found[:-1] if commands_under(heading)]
