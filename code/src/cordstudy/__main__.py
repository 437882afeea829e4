"""Where `code/study` enters: a step command, or a command about a study.

Owns: choosing the module, so that a step imports its own code only, and the one place where
errors become a message and an exit code.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from cordstudy.pipeline import determinism

determinism.apply(sys.argv)  # before numpy and torch are imported


def main() -> int:
    """Run the command line; the exit code."""
    from cordstudy.errors import StudyError, indented, inline

    try:
        run(sys.argv)
    except StudyError as error:
        print(f"error: {indented(error)}", file=sys.stderr)
        if error.hint:
            print(f"hint: {inline(error.hint)}", file=sys.stderr)
        return error.exit_code
    return 0


def run(arguments: Sequence[str]) -> None:
    """Run a command; raises StudyError for what a user can mend, and for a fault of the machine."""
    from cordstudy.commands import COMMANDS
    from cordstudy.errors import StudyError, machine_fault

    name = arguments[1] if len(arguments) > 1 else ""
    try:
        if name in COMMANDS:
            module, _, attribute = COMMANDS[name][0].partition(":")
            command = getattr(importlib.import_module(module), attribute)
            command.main(args=list(arguments[2:]), prog_name=f"code/study {name}", standalone_mode=True)
        else:
            importlib.import_module("cordstudy.cli").cli.main(prog_name="code/study", standalone_mode=True)
    except StudyError:
        raise
    except Exception as error:
        if told := machine_fault(error, arguments):
            raise told from error
        raise


if __name__ == "__main__":
    sys.exit(main())
