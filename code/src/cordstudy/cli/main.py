"""The command line about a study: `code/study --help`.

Owns: the group, its help, the list of commands; each command is the module of its name here.
Does not own: what any command does. Step commands are entered past this package (`base.entry`),
so that a change here is no change of a step's code.
"""

from __future__ import annotations

from importlib import import_module

import click

from cordstudy.cli.here import DEFAULT
from cordstudy.cli.readiness import note_if_not_set_up
from cordstudy.study.closure import commands, help_line

COMMANDS = (
    "setup",
    "run",
    "reproduce",
    "store",
    "status",
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
  code/study run --dry-run                   what there is to do, and the commands
  code/study run --jobs 2                    do it, two steps at a time
  code/study run --on slurm                  the same on a cluster, a job for each step
  code/study run predict:general             one step, and what it builds on
  code/study status                          what is done, what is stale and why
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
"""


class CommandsAndSteps(click.Group):
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
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists."""
        super().format_commands(context, formatter)
        steps = [(name, help_line(module)) for name, module in commands().items()]
        with formatter.section("Step commands (what records call; each has --help)"):
            formatter.write_dl(steps)


@click.group(
    cls=CommandsAndSteps,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--study",
    "name",
    default=DEFAULT,
    show_default=True,
    metavar="NAME",
    help="Which study: the name of a file in code/studies.",
)
@click.pass_context
def cli(context: click.Context, name: str) -> None:
    """Run, inspect and use a study that trains and compares spinal cord segmentation models.

    A study is a DataLad dataset. Each of its steps is one command with declared inputs and
    outputs, run in a clean clone and kept as one DataLad run record.
    """
    context.obj = name
    note_if_not_set_up(context.invoked_subcommand)
