"""The page about clusters: its commands are there, and its site.toml asks for what it says."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli import on_slurm
from cordstudy.cli.main import cli
from cordstudy.cli.site import Resources, Slurm, read_site
from cordstudy.study.loading import load_study
from cordstudy.study.needs import NEEDS
from cordstudy.study.steps import steps
from helpers import REPOSITORY

PAGE = (REPOSITORY / "code/docs/cluster.md").read_text()
TABLE = {step.name: step for step in steps(load_study(REPOSITORY, "full"))}
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
TOML = [text for kind, text in BLOCKS if kind == "toml"]


def commands() -> list[list[str]]:
    """The words of each call of the launcher that the page tells."""
    lines = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
    called = [shlex.split(line, comments=True) for line in lines]
    inline = re.findall(r"`(code/study [^`]*)`", PAGE)
    return [words for words in [*called, *map(shlex.split, inline)] if words[0] == "code/study"]


def rows(after: str) -> list[list[str]]:
    """The cells of the first table after some text."""
    text = PAGE.split(after)[1]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table, after
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]
    ]


def options(number: int, name: str, tmp_path) -> list[str]:
    """What the job of a step of the full study asks for by one of the page's site.tomls."""
    path = tmp_path / "site.toml"
    path.write_text(TOML[number])
    site = read_site(path)
    assert site.slurm
    return list(on_slurm.request_of(TABLE[name], site, site.slurm).options)


def test_the_page_has_ten_commands_from_laptop_to_jobs():
    first = next(text for kind, text in BLOCKS if kind == "sh")
    assert len(first.splitlines()) == 10


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_of_the_page_parses(words):
    context = cli.make_context("code/study", words[1:])
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, words_left(context))
        assert command, name
        context = command.make_context(name, rest, parent=context)
        if not words_left(context):
            break


def words_left(context: click.Context) -> list[str]:
    """What a group has not read: the name of a command, and what follows it."""
    return [*context._protected_args, *context.args]


def test_the_full_study_is_as_the_page_says():
    trainings = [name for name, step in TABLE.items() if step.command == "train"]
    assert f"{len(trainings)} trainings, {len(TABLE)} steps" in PAGE and len(trainings) == 25
    assert f"0 of {len(TABLE)} steps are done; {len(TABLE)} to submit" in PAGE


def test_the_example_renders_what_the_page_says(tmp_path):
    told = re.search(r"is submitted with `(.*?)`,", PAGE, re.DOTALL)
    assert told
    train = options(0, "train:general:fold0", tmp_path)
    assert told[1].split() == [
        word
        for word in train[2:]
        if word.startswith(tuple(word.partition("=")[0] for word in told[1].split()))
    ]
    assert {"--mail-type=FAIL", "--constraint=nvlink", "--nodes=1"} <= set(train)
    for name in ("predict:general", "validate:general"):
        asked = options(0, name, tmp_path)
        assert {"--gres=gpu:1", "--partition=gpu"} <= set(asked)
    split = options(0, "split", tmp_path)
    assert "--partition=cpu" in split and not any(word.startswith("--gres") for word in split)


def test_the_job_in_a_container_has_its_words_in_front(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(TOML[1])
    slurm = read_site(path).slurm
    assert slurm and slurm.wrapper[:3] == ("apptainer", "exec", "--nv") and slurm.setup


def test_a_gpu_that_nothing_would_use_is_refused(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(TOML[0].replace('device = "cuda"', ""))
    site = read_site(path)
    assert site.slurm
    with pytest.raises(StudyError, match="gpu:a100:1, and would not use it"):
        on_slurm.request_of(TABLE["train:general:fold0"], site, site.slurm)
    on_slurm.request_of(TABLE["split"], site, site.slurm)


def test_the_tables_of_the_page_have_each_key_and_each_need():
    keys = {key for row in rows("`split` without a GPU.") for key in re.findall(r"`(\w+)`", row[0])}
    assert keys >= set(Resources.model_fields) and keys == set(Slurm.model_fields) - {"commands"}
    told = {}
    for names, *asked in rows("what the step itself asks for"):
        told |= {name: asked for name in re.findall(r"`(\w+)`", names)}
    for command, needs in NEEDS.items():
        gpu = "yes" if needs.gpu else "no"
        assert told[command] == [str(needs.cores), f"{needs.memory_gb}G", str(needs.hours), gpu]
    assert set(told) == set(NEEDS)
