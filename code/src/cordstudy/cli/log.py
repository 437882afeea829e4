"""`log`: what a step said, and says while it runs.

Owns: its options and lines, following files that grow.
Does not own: where logs are (`running.machine`, `epochs`), or what is in them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click

from cordstudy.base.errors import StudyError, visible
from cordstudy.cli.epochs import epochs_of, training_log
from cordstudy.cli.groups import complete_step
from cordstudy.cli.here import ROOT, called, read_machine
from cordstudy.cli.jobs import logs_of_job
from cordstudy.cli.saying import say
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.notes import is_running, read_note
from cordstudy.study.loading import load_study
from cordstudy.study.step import Step, select
from cordstudy.study.steps import steps

LOOKS_S = 0.5
"""Between two looks at the files."""


@click.command()
@click.argument("step", shell_complete=complete_step)
@click.option(
    "-f", "--follow", is_flag=True, help="Go on with what is added, until the step has ended."
)
@click.pass_obj
def log(name: str, step: str, follow: bool) -> None:
    """Print what a STEP said when it last ran here, or says as it runs; of a training, each epoch.

    A training that is done tells its epochs from its record's own log. With --follow: waits for
    what is added until the step has ended; exits with 1 where it failed.

    \b
    Examples:
      code/study log train:general:fold0
      code/study log train:general:fold0 -f      in a second terminal, while `run` is at work
    """
    (wanted,) = select(steps(load_study(ROOT, name)), [step])
    machine = read_machine(name, jobs=1)
    texts = _Texts(name, machine, wanted)
    any_line = False
    while True:
        runs = is_running(machine.logs, wanted.name)
        for line in texts.new():
            any_line = True
            say(visible(line))
        if not follow or not runs:
            break
        time.sleep(LOOKS_S)
    if follow:
        _raise_for_failure(machine, wanted)
    if not any_line:
        raise StudyError(
            f"{step} has no log here: it did not run in this clone, or has said nothing yet",
            hint=called(name, f"run {step}"),
        )


class _Texts:
    """The files of a step's words, and how far each was told."""

    def __init__(self, name: str, machine: Machine, step: Step) -> None:
        self.name, self.machine, self.step = name, machine, step
        self.told: dict[str, int] = {}

    def new(self) -> Iterator[str]:
        """The lines that no one has seen."""
        for kind, path in self._files():
            try:
                lines = path.read_text("utf-8", errors="replace").splitlines()
            except FileNotFoundError:  # a workspace that went
                continue
            before = self.told.get(kind, 0)
            self.told[kind] = max(before, len(lines))
            yield from lines[before:]

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in logs_of_job(self.name, self.step.name):
            yield path.name, path
        if epochs_of(self.step):
            epochs = training_log(self.machine, self.step)
            if epochs is not None:
                yield "epochs", epochs


def _raise_for_failure(machine: Machine, step: Step) -> None:
    """Raise StudyError where a step that was followed failed."""
    note = read_note(machine.logs, step.name)
    if note and note.word == "failed":
        raise StudyError(note.told or f"{step.name} failed", hint="the lines above say why")
