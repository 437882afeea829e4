"""The settings of a machine, and the names that a step has there."""

from pathlib import Path

from cordstudy.provenance.running.machine import Machine, file_name

LOGS = Path("/local/logs/it")


def test_a_step_is_told_its_workers_and_nothing_that_nobody_set():
    machine = Machine(Path("/scratch"), LOGS, workers=3)
    assert machine.env() == {"CORDSTUDY_WORKERS": "3"}


def test_every_setting_of_a_machine_reaches_a_step_as_a_variable_that_steps_read(monkeypatch):
    from cordstudy.base import machine as read

    machine = Machine(Path("/scratch"), LOGS, workers=2, device="cuda")
    env = machine.env(progress=Path("/local/progress"), cache=Path("/cache"))
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert read.workers() == 2
    assert read.device() == "cuda"
    assert read.kept_progress() == Path("/local/progress")
    assert read.cache_folder() == Path("/cache")


def test_tables_of_one_dataset_keep_logs_and_progress_of_a_step_apart():
    one = Machine(Path("/scratch"), LOGS, workers=1)
    other = Machine(Path("/scratch"), LOGS.with_name("other"), workers=1)
    assert one.full_name("train:a") != other.full_name("train:a")
    assert one.log("train:a") != other.log("train:a")
    assert one.progress("train:a") != other.progress("train:a")
    assert one.run_lock == other.run_lock, "they run in one dataset"


def test_a_step_s_name_becomes_one_name_of_a_file():
    assert file_name("train:a/b fold 0") == "train-a-b-fold-0"
