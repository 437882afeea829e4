"""The settings of a process: which are in force, and when a step may do without some."""

import os

import click
import pytest
from click.testing import CliRunner

from cordstudy.base import determinism


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch):
    """An environment of its own, put back afterwards."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.mark.parametrize(
    ("arguments", "capped"),
    [
        ([], True),
        (["--identical", "anywhere"], True),
        (["--identical", "here"], False),
        (["--identical=here"], False),
        (["--identical", "here", "--identical", "anywhere"], True),
        (["--identical=anywhere", "--identical", "here"], False),
        (["--identical"], True),
    ],
)
def test_a_step_does_without_the_caps_where_its_last_identical_says_here(arguments, capped):
    determinism.apply(arguments, step=True)
    present = determinism.present()
    assert all(present[name] == value for name, value in determinism.THREADS.items())
    for name, value in determinism.CAPS.items():
        assert present[name] == (value if capped else os.environ.get(name, ""))
    assert any(present[name] for name in determinism.CAPS) == capped


def test_a_users_own_settings_of_libraries_do_not_reach_a_step_but_those_of_a_machine_do():
    os.environ["MPLBACKEND"] = "pdf"
    os.environ["OMP_SCHEDULE"] = "dynamic"
    os.environ["PYTORCH_ALLOC_CONF"] = "backend:native"
    determinism.apply([], step=True)
    assert os.environ["MPLBACKEND"] == "agg"
    assert "OMP_SCHEDULE" not in os.environ
    assert os.environ["PYTORCH_ALLOC_CONF"] == "backend:native"


def test_the_option_is_declared_and_not_handed_on():
    @click.command()
    @determinism.identical_option
    def command() -> None:
        click.echo("done")

    run = CliRunner().invoke
    assert run(command, ["--identical", "here"]).output == "done\n"
    assert run(command, ["--identical", "nowhere"]).exit_code == 2
    assert run(command, []).exit_code == 2
