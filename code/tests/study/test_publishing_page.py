"""The page about publishing: its commands parse, and what it says of a DOI comes from one file."""

from __future__ import annotations

import json
import re
import shlex

import click
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.citation import TARGET, zenodo_text
from cordstudy.cli.main import cli
from cordstudy.provenance.citation import PLACE
from helpers import REPOSITORY

PAGE = (REPOSITORY / "code/docs/publishing.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
LINES = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines()]


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_each_command_of_the_page_parses(words):
    assert words[0] == "code/study"
    context = cli.make_context("code/study", words[1:])
    while isinstance(context.command, click.Group):
        left = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, left)
        assert command, name
        context = command.make_context(name, rest, parent=context)


def test_every_kind_of_place_is_on_the_page():
    group = cli.get_command(click.Context(cli), "publish")
    assert isinstance(group, click.Group)
    told = {words[2] for words in LINES if words[1] == "publish"}
    assert told == set(group.commands)


def test_the_record_for_zenodo_is_what_citation_says():
    assert (REPOSITORY / TARGET).read_text() == zenodo_text(REPOSITORY / PLACE)


def test_people_are_named_as_zenodo_names_them(tmp_path):
    path = tmp_path / PLACE
    text = (REPOSITORY / PLACE).read_text()
    person = "{family-names: Bar, given-names: Foo, orcid: https://orcid.org/0000-0001}"
    path.write_text(re.sub(r"  - name: .*", f"  - {person}", text))
    assert json.loads(zenodo_text(path))["creators"] == [{"name": "Bar, Foo", "orcid": "0000-0001"}]
    path.write_text(text.replace("license: MIT\n", ""))
    with pytest.raises(StudyError, match="license is missing"):
        zenodo_text(path)
    path.write_text("title: [")
    with pytest.raises(StudyError, match=PLACE):
        zenodo_text(path)
