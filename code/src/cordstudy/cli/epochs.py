"""How far a training has come, and where its log is while it runs.

Owns: reading the checkpoint that it would go on from, and finding its log.
Does not own: writing either (`pipeline.learning.trainer`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cordstudy.cli.here import ROOT
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.marks import workspaces_of
from cordstudy.provenance.running.workspace import CLONE
from cordstudy.study.step import Step

LOG = "training_log.txt"
"""What a training says of each epoch, among its outputs."""


def epochs_of(step: Step) -> int:
    """How many epochs a step trains; 0 for one that is no training."""
    words = list(step.arguments)
    return int(words[words.index("--epochs") + 1]) if "--epochs" in words else 0


def reached(machine: Machine, step: Step) -> int:
    """The epoch that a training would go on from, were it killed now; 0 before its first ended."""
    names = [path.name.split("-")[1] for path in machine.progress(step.name).rglob("epoch-*-*.pth")]
    return max((int(name) for name in names if name.isdigit()), default=0)


def epoch_line(machine: Machine, step: Step) -> str:
    """How far a training has come, in words; empty for a step that is none, and before its first
    epoch has ended."""
    epochs = epochs_of(step)
    number = reached(machine, step) if epochs else 0
    return f"epoch {number} of {epochs}" if number else ""


def reached_by(machine: Machine, steps: Sequence[Step]) -> Callable[[str], str]:
    """What says how far a step has come, by its name."""
    by_name = {step.name: step for step in steps}
    return lambda name: epoch_line(machine, by_name[name])


def training_log(machine: Machine, step: Step) -> Path | None:
    """The log of a training: in the workspace where it runs, else as recorded; None for none."""
    folders = workspaces_of(ROOT, machine.scratch, step=machine.full_name(step.name))
    for root in [*(folder / CLONE for folder in folders), ROOT]:
        for spec in step.outputs:
            for path in root.glob(spec):
                if path.name == LOG and path.is_file():
                    return path
    return None
