"""Where a step command enters: the settings, the step's own module, one message for an error.

Owns: what every step shares before its module is imported, and the one place where errors
become a message and an exit code.
Does not own: which module a command is (`code/study` names it, by the file of that name in a
room of `pipeline`), or the commands about a study (`cordstudy.__main__`).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

from cordstudy.base import determinism
from cordstudy.base.errors import StudyError, indented, inline, machine_fault


def main(arguments: Sequence[str]) -> int:
    """Run the step whose module is the first argument with the others; the exit code."""
    module, *rest = arguments
    determinism.apply(rest, step=True)  # before numpy and torch are imported
    name = module.rpartition(".")[2]

    def step() -> None:
        command = importlib.import_module(module).command
        command.main(args=rest, prog_name=f"code/study {name}", standalone_mode=True)

    return exit_code(step, [name, *rest])


def exit_code(command: Callable[[], None], arguments: Sequence[str]) -> int:
    """Run a command; its exit code, once an error is told.

    `arguments` are those of the command line, for a message about a fault of the machine.
    """
    try:
        command()
    except StudyError as error:
        told = error
    except Exception as error:
        fault = machine_fault(error, arguments)
        if fault is None:
            raise
        told = fault
    else:
        return 0
    print(f"error: {indented(told)}", file=sys.stderr)
    if told.hint:
        print(f"hint: {inline(told.hint)}", file=sys.stderr)
    return 1
