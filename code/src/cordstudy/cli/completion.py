"""Completion in bash: what click has, for a program that is called by a path.

Owns: that a step's name is one word, and that `code/study`, `./study` and any other path to it are
completed. Other shells look for a program of its name on the PATH.
Does not own: what a name can be (`groups`).
"""

from __future__ import annotations

from click.shell_completion import BashComplete, add_completion_class

WORD = 'COMP_WORDBREAKS="${COMP_WORDBREAKS//:}"\n'
"""Bash breaks words at colons, of which a step's name has some."""


@add_completion_class
class OfPath(BashComplete):
    """Bash looks up a completion by the last part of a path too."""

    source_template = WORD + BashComplete.source_template.replace("%(prog_name)s", "study")
