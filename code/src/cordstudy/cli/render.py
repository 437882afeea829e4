"""`render`: the steps of every study here, and how sources are made, for programs.

Owns: rendering all studies of this code, those that cannot be rendered too.
Does not own: the steps (`study.steps`), or the form in which they are told
(`provenance.running.rendered`).
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import PROFILE, ROOT
from cordstudy.cli.phantoms import phantom_recipes
from cordstudy.cli.saying import say_json_text
from cordstudy.provenance.running.recipes import Recipe
from cordstudy.provenance.running.rendered import Rendered, printed
from cordstudy.study.closure import files_of
from cordstudy.study.loading import load_study
from cordstudy.study.step import Step
from cordstudy.study.steps import steps

RENDERERS = ("cordstudy.study.steps", "cordstudy.study.loading")
"""The modules that say what the steps of a study are."""


@click.command(hidden=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON, the one form that there is.")
def render(as_json: bool) -> None:
    """Print the steps of all studies, for `audit --all --render` of any later commit.

    It is how the gate asks the code of a commit what the records of that commit ought to say, so
    this command line and what it prints stay as they are:

    \b
    {"format": 1,
     "studies": {
       "code/studies/NAME.toml": {
         "steps": [{"argv": [...], "inputs": [...], "outputs": [...]}, ...],
         "sources": [{"path": "inputs/NAME", "argv": [...], ...}, ...],
         "fault": "why there are no steps; empty where there are"}}}

    argv is the whole command, inputs and outputs are declared paths from the root of the dataset.
    Sources are those that are made here: how an old pin is made anew, by the code of its time.
    More keys may come; another meaning of these is another format. Beside it the gate asks
    `code/study env steps` and `code/study env tools`, which print the folders of the environments
    that the launcher uses, below XDG_CACHE_HOME.
    """
    if not as_json:
        raise StudyError("render is for programs", hint="code/study render --json")
    say_json_text(printed(rendered()).model_dump_json(indent=1))


def rendered() -> Rendered:
    """What the code here renders; a study that is being edited may render nothing."""
    tables: dict[str, list[Step]] = {}
    recipes: dict[str, Mapping[str, Recipe]] = {}
    faults: dict[str, str] = {}
    for path in sorted(ROOT.glob(f"{PROFILE.parameters}/*.toml")):
        name = str(path.relative_to(ROOT))
        try:
            study = load_study(ROOT, path.stem)
            tables[name] = steps(study)
            recipes[name] = phantom_recipes(study)
        except (StudyError, ValueError, OSError) as error:
            faults[name] = str(error) or type(error).__name__
    return Rendered(tables, files_of(RENDERERS), faults, recipes)
