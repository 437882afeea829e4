"""Where `code/study` enters for a command about a study.

Owns: the settings that its process and the steps' share, from before the first import.
Does not own: the commands (`cli`), or a step command, which `code/study` enters at `base.entry`.
"""

from __future__ import annotations

import os
import sys

from cordstudy.base import determinism
from cordstudy.base.entry import exit_code

determinism.apply(sys.argv[1:], step=False)  # before numpy and torch are imported

COMPLETE = "_CORDSTUDY_COMPLETE"
"""The variable by which a shell asks for completion, as click has it."""


def main() -> int:
    """Run the command line; the exit code."""
    return exit_code(_run, sys.argv[1:])


def _run() -> None:
    from cordstudy.cli.main import cli

    if COMPLETE in os.environ:
        from cordstudy.cli import completion  # noqa: F401 - it tells click of itself

    cli.main(prog_name="code/study", complete_var=COMPLETE, standalone_mode=True)


if __name__ == "__main__":
    sys.exit(main())
