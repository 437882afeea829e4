"""The one way in which commands about a study print.

Owns: that nothing of a history, a path, a log or a message steers a terminal.
Does not own: which characters do (`errors.visible`), or what is said.
"""

from __future__ import annotations

import json

import click

from cordstudy.base.errors import visible


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text, of which values of others' are shown on one line by `errors.inline`."""
    click.echo(visible(text), err=err, nl=nl)


def say_json(value: object) -> None:
    """Print a value as JSON."""
    say_json_text(json.dumps(value, indent=1))


def say_json_text(text: str) -> None:
    """Print JSON; of what steers a terminal, its writers leave only DEL as it is."""
    click.echo(text.replace("\x7f", "\\u007f"))
