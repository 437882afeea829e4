"""The command line about a study: `code/study --help`.

Owns: the group, its help, the list of commands; each command is the module of its name here.
Does not own: what any command does. Step commands are entered past this package (`base.entry`),
so that a change here is no change of a step's code.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from cordstudy.base.errors import StudyError
from cordstudy.cli.groups import LONGEST, Group, complete_study, takes_study
from cordstudy.cli.here import DEFAULT, chosen_study, typed
from cordstudy.cli.readiness import asks_for_help, check_has_history, note_if_not_set_up
from cordstudy.study.closure import commands, help_line

COMMANDS = (
    "setup",
    "run",
    "reproduce",
    "store",
    "status",
    "log",
    "new",
    "inputs",
    "cases",
    "audit",
    "verify",
    "results",
    "methods",
    "segment",
    "bids-derivative",
    "publish",
    "space",
    "carried",
    "recompute",
    "written",
    "render",
    "job",
)
"""Each is in the module of its name here (`_` for `-`), which is imported when it is called: a job
of a cluster has no time for the others."""
EPILOG = """\b
Examples, from the root of a study:
  code/study setup                           make a fresh clone ready
  code/study new mine --from inputs/a        a first TOML of a study of your own
  code/study run --dry-run                   what there is to do, and the commands
  code/study run --jobs 2                    do it, two steps at a time
  code/study run --on slurm                  the same on a cluster, a job for each step
  code/study run predict:general             one step, and what it builds on
  code/study status                          what is done, what is stale and why
  code/study log train:general:fold0 -f      what a step says as it runs, the epochs of a training
  code/study --study public cases            which images and masks a study finds
  code/study audit --leakage                 whether a test subject ever reached training
  code/study verify --sample 3               run three steps again: is it still the same?
  code/study reproduce --jobs 2              make the whole study again here, with verdicts
  code/study methods                         methods and results, as a paper could take them
  code/study segment image.nii.gz --out .    segment any image with a trained model
  code/study bids-derivative --testset epi --out ../epi-masks   masks as BIDS has them
  code/study publish ria STORE --dry-run     what others would get
  git log                                    the lab book: one commit a step
  datalad rerun COMMIT                       make one step's outputs again

\b
Completion of commands, steps and names by the Tab key, in bash (a line for ~/.bashrc):
  eval "$(_CORDSTUDY_COMPLETE=bash_source code/study)"
"""


class CommandsAndSteps(Group):
    """Imports a command when it is called; lists the step commands too, which `base.entry` runs."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Their names, sorted as click does."""
        return sorted(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The one of a name."""
        if name not in COMMANDS:
            return None
        module = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"cordstudy.cli.{module}"), module)
        return takes_study(command)

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called. One that is none is told of with what it is near to; a step,
        with how it is run."""
        try:
            return super().resolve_command(context, args)
        except click.NoSuchCommand as error:
            name = error.command_name
            if name.partition(":")[0] in commands():
                raise click.UsageError(f"{name} is a step: code/study run {name}") from error
            known = [*COMMANDS, *commands(), "env", "exec"]
            raise click.NoSuchCommand(name, possibilities=known, ctx=context) from error

    def invoke(self, context: click.Context) -> Any:
        """Run a command. What an error says to type works as it stands: about this study, from the
        working folder."""
        try:
            return super().invoke(context)
        except StudyError as error:
            study = context.obj or DEFAULT
            raise StudyError(typed(str(error), study), hint=typed(error.hint, study)) from error

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists."""
        super().format_commands(context, formatter)
        steps = []
        for name, module in commands().items():
            told = click.Command(name, help=help_line(module)).get_short_help_str(LONGEST)
            steps.append((name, told))
        with formatter.section("Step commands (what records call; each has --help)"):
            formatter.write_dl(steps)


def _print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from cordstudy.cli.origins import version_line

        click.echo(version_line())
        context.exit()


@click.group(
    cls=CommandsAndSteps,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--study",
    "name",
    metavar="NAME",
    shell_complete=complete_study,
    help="Which study: the name of a file in code/studies. Without it, `study` of site.toml, else "
    f"{DEFAULT}.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Version and commit of this program.",
)
@click.pass_context
def cli(context: click.Context, name: str | None) -> None:
    """Run, inspect and use a study that trains and compares segmentation models.

    A study is a DataLad dataset. Each of its steps is one command with declared inputs and
    outputs, run in a clean clone and kept as one DataLad run record.
    """
    if asks_for_help():
        return
    context.obj = chosen_study(name)
    check_has_history(context.invoked_subcommand)
    note_if_not_set_up(context.invoked_subcommand, context.obj)
