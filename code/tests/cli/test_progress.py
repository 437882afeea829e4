"""What is said while steps run, and following one."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli import log, progress
from cordstudy.cli.epochs import epoch_line, training_log
from cordstudy.cli.progress import Progress
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.marks import mark
from cordstudy.provenance.running.notes import note
from helpers import REPOSITORY, Step, steps_of

TRAINING = next(step for step in steps_of(REPOSITORY, "phantom") if step.command == "train")


@pytest.fixture
def machine(tmp_path) -> Machine:
    return Machine(scratch=tmp_path / "scratch", logs=tmp_path / "logs/phantom", workers=1)


def checkpoint(machine: Machine, epoch: int) -> None:
    """What a training keeps after an epoch."""
    folder = machine.progress(TRAINING.name) / "address"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"epoch-{epoch:06d}-abc.pth").touch()


def test_a_step_says_n_of_n_as_it_starts_and_ends_and_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(progress, "LOOKS_S", 0.01)
    monkeypatch.setattr(progress, "TELLS_S", 0.05)
    steps = [Step("one", "true", outputs=("a",)), Step("two", "true", outputs=("b",))]
    with Progress(
        steps, {"one": 30.0, "two": 20.0}, jobs=1, reached=lambda name: f"{name} at 3 of 9"
    ) as report:
        report("one", "runs", 0.0)
        time.sleep(0.5)
        report("one", "done", 0.5)
        report("two", "runs", 0.0)
        report("two", "failed", 0.5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:5] == ["starts", "one", "1", "of", "2,"]
    assert lines[0].endswith("it took 30 s")
    at_work = [line for line in lines if line.startswith("at work")]
    assert at_work and "one at 3 of 9, 0 of 2, about " in at_work[0] and "left" in at_work[0]
    ends = [line for line in lines if line.startswith("done")]
    assert re.search(r"1 of 2, about \d+ s left$", ends[0])
    assert lines[-2].startswith("starts     two") and "2 of 2" in lines[-2]
    assert lines[-1].startswith("failed") and "of 2" not in lines[-1]


def test_the_epochs_of_a_training_are_told_from_its_first_on(machine):
    assert epoch_line(machine, TRAINING) == ""
    checkpoint(machine, 3)
    checkpoint(machine, 12)
    epochs = TRAINING.arguments[TRAINING.arguments.index("--epochs") + 1]
    assert epoch_line(machine, TRAINING) == f"epoch 12 of {epochs}"
    (split,) = (step for step in steps_of(REPOSITORY, "phantom") if step.command == "split")
    assert epoch_line(machine, split) == ""


def test_the_log_of_a_training_is_that_of_its_workspace_else_the_recorded_one(machine):
    recorded = training_log(machine, TRAINING)
    assert recorded is not None and recorded.is_relative_to(REPOSITORY / "models")
    at_work = workspace_log(machine)
    assert training_log(machine, TRAINING) == at_work


def workspace_log(machine: Machine) -> Path:
    """The log of a training at work in a workspace."""
    folder = machine.scratch / "phantom.train.x"
    (spec,) = (spec for spec in TRAINING.outputs if spec.endswith("training_log.txt"))
    path = folder / "dataset" / spec
    path.parent.mkdir(parents=True)
    mark(folder, REPOSITORY, machine.full_name(TRAINING.name))
    path.write_text("epoch 0: train loss 1\n")
    return path


@pytest.mark.parametrize("ending", ["done", "failed"])
def test_a_step_is_followed_until_it_has_ended(monkeypatch, capsys, machine, ending):
    monkeypatch.setattr(log, "read_machine", lambda *_, **__: machine)
    monkeypatch.setattr(log, "LOOKS_S", 0.02)
    said = machine.log(TRAINING.name)
    monkeypatch.setattr(log, "logs_of_job", lambda *_: [said])
    epochs = workspace_log(machine)
    note(machine.logs, TRAINING.name, "running")
    said.write_text("preprocess\n")

    def work() -> None:
        time.sleep(0.3)
        epochs.write_text("epoch 0: train loss 1\nepoch 1: train loss \x1b[2J\n")
        time.sleep(0.3)
        note(machine.logs, TRAINING.name, ending, "step train failed: the disk is full")

    worker = threading.Thread(target=work)
    worker.start()
    follow = log.log.callback.__wrapped__  # type: ignore[union-attr]
    if ending == "failed":
        with pytest.raises(StudyError, match="the disk is full"):
            follow("phantom", TRAINING.name, True)
    else:
        follow("phantom", TRAINING.name, True)
    worker.join()
    assert capsys.readouterr().out.splitlines() == [
        "preprocess",
        "epoch 0: train loss 1",
        "epoch 1: train loss \\x1b[2J",
    ]
