"""How commands are listed, and what is told of one that is not there.

Owns: summaries that are not cut, commands and steps that are near to what was typed, `--study`
behind any command.
Does not own: which commands there are (`main`, and each group's own module).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import click
from click.shell_completion import CompletionItem

from cordstudy.cli.here import ROOT, chosen_study, known_studies, read_default
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study
from cordstudy.study.steps import steps

Rows = list[tuple[str, str]]
LONGEST = 1_000
"""Signs of a summary: its first sentence, whole."""


class Group(click.Group):
    """A group whose help tells the whole first sentence of each command."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and summaries of the commands."""
        rows: Rows = []
        for name in self.list_commands(context):
            command = self.get_command(context, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(LONGEST)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def takes_study(command: click.Command) -> click.Command:
    """Have a command, and those below it, take `--study` too, as people type it there."""
    if command.hidden or any(option.name == "study" for option in command.params):
        return command
    command.params.append(
        click.Option(
            ["--study"],
            metavar="NAME",
            expose_value=False,
            callback=_choose,
            shell_complete=complete_study,
            help="Which study; it may stand before the command too.",
        )
    )
    if isinstance(command, click.Group):
        for below in command.commands.values():
            takes_study(below)
    return command


def _choose(context: click.Context, _: click.Parameter, name: str | None) -> None:
    if name is not None and not context.resilient_parsing:
        context.obj = context.find_root().obj = chosen_study(name)


Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_study(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The studies that start so."""
    return _starting(dict.fromkeys(known_studies(), ""), incomplete)


def _completing(names: Callable[[Study], Mapping[str, str]]) -> Completer:
    """What completes a name of the study that a command line is about; its `--study` may not be
    parsed yet where it stands behind."""

    def complete(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        told = context.find_root().params.get("name")
        return _starting(names(load_study(ROOT, told or read_default())), incomplete)

    return complete


def _starting(names: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=about or None)
        for name, about in names.items()
        if name.startswith(incomplete)
    ]


def _named(names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, "")


complete_step = _completing(lambda study: {step.name: step.message for step in steps(study)})
complete_model = _completing(lambda study: _named(models_of(study)))
complete_dataset = _completing(lambda study: _named(study.datasets))
