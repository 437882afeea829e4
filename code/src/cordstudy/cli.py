"""The command line about a study: `code/study --help`.

Owns: turning arguments into values, one call each, and printing what comes back.
Does not own: what any command does. Step commands are entered past this module
(`__main__`), so that a change here is no change of a step's code.
"""

from __future__ import annotations

import os
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from tqdm import tqdm

from cordstudy import steps as table
from cordstudy.commands import COMMANDS
from cordstudy.errors import StudyError
from cordstudy.provenance import run as running
from cordstudy.provenance import sources
from cordstudy.provenance.gitannex import git, gitlinks
from cordstudy.provenance.status import State, builds_on, states
from cordstudy.study import Study, load_study

ROOT = Path(__file__).resolve().parents[3]
"""The study dataset that this code is part of."""
LOCAL = ROOT / ".cordstudy"
"""What this clone keeps for itself: logs and, unless `site.toml` says where, workspaces."""

EPILOG = """\b
Examples, from the root of a study:
  code/study run --dry-run                   what there is to do, and the commands
  code/study run --jobs 2                    do it, two steps at a time
  code/study run predict:general             one step, and what it builds on
  code/study status                          what is done, what is stale and why
  code/study segment image.nii.gz --out .    segment any image with a trained model
  git log                                    the lab book: one commit a step
  datalad rerun COMMIT                       make one step's outputs again
"""


class Commands(click.Group):
    """Lists the step commands too, which `__main__` runs."""

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists."""
        super().format_commands(context, formatter)
        with formatter.section("Step commands (what records call; each has --help)"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--study",
    "name",
    default="phantom",
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


@cli.command()
@click.argument("names", metavar="[STEP]...", nargs=-1)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Steps at a time.")
@click.option("--dry-run", is_flag=True, help="Show each step's state and command; change nothing.")
@click.pass_obj
def run(name: str, names: tuple[str, ...], jobs: int, dry_run: bool) -> None:
    """Run the steps that are not done; all, or STEPs and what they build on."""
    study = load_study(ROOT, name)
    every = table.steps(study)
    wanted = _with_upstream(every, table.select(every, names) if names else every)
    if dry_run:
        _print_plan(wanted, states(ROOT, every))
        return
    running.check_clean(ROOT)
    site = _site(jobs)
    with running.sole_run(ROOT, site):
        sources.prepare_study(ROOT)
        _get_sources(study, site, jobs=jobs)
        _commit_rules(study)
        found = states(ROOT, every)
        todo = [step for step in wanted if found[step.name].word != "done"]
        click.echo(f"{len(wanted) - len(todo)} of {len(wanted)} steps are done" + ("" if todo else "; nothing to do"))
        with Progress(len(todo)) as report:
            running.run_steps(ROOT, todo, jobs=jobs, site=site, report=report)
    if (ROOT / study.summary_table).exists():
        _print_results(study)


@cli.command()
@click.pass_obj
def status(name: str) -> None:
    """Say of each step whether it is done, stale (and why) or missing."""
    for step, state in states(ROOT, table.steps(load_study(ROOT, name))).items():
        click.echo(f"{state.word:8} {step:28} {state.commit[:8]:9} {state.why}".rstrip())


@cli.group("inputs", invoke_without_command=True)
@click.pass_context
def inputs(context: click.Context) -> None:
    """Show the sources of the study: pinned commit, installed or not, content present."""
    if context.invoked_subcommand:
        return
    study = load_study(ROOT, context.obj)
    click.echo(f"{'dataset':16} {'role':6} {'path':36} {'pinned':9} {'installed':10} content")
    for source in _sources(study):
        state = sources.source_state(ROOT, source)
        installed = (
            "no" if not state.installed else "yes" if state.installed == state.pin else f"at {state.installed[:7]}"
        )
        content = f"{state.present} of {state.files} files" if state.installed else ""
        role = study.datasets[source.name].role
        click.echo(
            f"{source.name:16} {role:6} {source.path:36} {state.pin[:8] or 'not':9} {installed:10} {content}".rstrip()
        )


@inputs.command("get")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Sources at a time.")
@click.pass_obj
def inputs_get(name: str, names: tuple[str, ...], jobs: int) -> None:
    """Install sources at their pin, all or by NAME; phantom ones are made here."""
    study = load_study(ROOT, name)
    if unknown := [n for n in names if n not in study.datasets]:
        raise StudyError(f"there is no dataset {unknown[0]!r}", hint=f"one of: {', '.join(study.datasets)}")
    site = _site(jobs)
    with running.sole_run(ROOT, site):
        sources.prepare_study(ROOT)
        _get_sources(study, site, jobs=jobs, only=names)


@cli.command()
@click.pass_obj
def results(name: str) -> None:
    """Print the table model × test set, and where the report is."""
    _print_results(load_study(ROOT, name))


@cli.command()
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--model", default="general", show_default=True, help="Which model of the study.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the masks.")
@click.pass_obj
def segment(name: str, images: tuple[Path, ...], model: str, out: Path) -> None:
    """Segment the cord in IMAGES (NIfTI) with a trained model; each mask is on its image's own grid."""
    study = load_study(ROOT, name)
    if model not in study.models:
        raise StudyError(f"the study has no model {model!r}", hint=f"one of: {', '.join(study.models)}")
    folder = ROOT / study.model(model)
    for fold in study.train.folds:
        checkpoint = folder / f"fold_{fold}/checkpoint_final.pth"
        if not checkpoint.exists():
            known = checkpoint.is_symlink()
            hint = (
                f"datalad get {checkpoint.relative_to(ROOT)}" if known else f"code/study run train:{model}:fold{fold}"
            )
            raise StudyError(f"{checkpoint}: {'its content is not here' if known else 'not trained yet'}", hint=hint)
    from cordstudy.pipeline.segment import segment as segment_images  # nibabel, and then torch

    settings = study.predict
    written = segment_images(
        folder, images, out, folds=study.train.folds, mirror_axes=settings.mirror_axes, tile_step=settings.tile_step
    )
    for path in written:
        click.echo(path)


@cli.command("env")
def environment() -> None:
    """Print the folder of this commit's environment (made by `make -C code env`)."""
    click.echo(sys.prefix)


class Progress:
    """A line a step, and on a terminal a bar below them."""

    def __init__(self, total: int) -> None:
        self.bar = tqdm(total=total, unit="step", disable=None if total else True, leave=False)
        self.active: list[str] = []

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, step: str, event: str, seconds: float) -> None:
        if event == "runs":
            self.active.append(step)
        else:
            self.active.remove(step)
            self.bar.update()
            self.bar.write(f"{event:7} {step:28} {seconds:6.1f} s")
        self.bar.set_postfix_str(", ".join(self.active))


def _site(jobs: int) -> running.Site:
    """What `site.toml` says of this machine. Raises StudyError for an unknown key."""
    path = ROOT / "site.toml"
    content = tomllib.loads(path.read_text()) if path.is_file() else {}
    known = {"scratch", "cores", "device"}
    if unknown := sorted(set(content) - known):
        raise StudyError(f"{path}: {unknown[0]}: unknown key", hint=f"known are {', '.join(sorted(known))}")
    if "device" in content:
        os.environ["CORDSTUDY_DEVICE"] = content["device"]
    cores = content.get("cores") or os.cpu_count() or 1
    scratch = Path(content["scratch"]) if "scratch" in content else LOCAL / "workspaces"
    return running.Site(scratch=scratch, logs=LOCAL / "logs", workers=max(1, cores // jobs))


def _sources(study: Study) -> list[sources.Source]:
    code = table.code_files("phantom")
    return [
        sources.Source(name, dataset.path, phantom, code if phantom else ())
        for name, dataset in study.datasets.items()
        for phantom in [table.phantom_command(dataset)]
    ]


def _get_sources(study: Study, site: running.Site, *, jobs: int, only: tuple[str, ...] = ()) -> None:
    """Install what is not, `jobs` at a time; warn where a phantom comes out other than pinned."""
    lacking = [s for s in _sources(study) if (not only or s.name in only) and not sources.is_ready(ROOT, s)]
    if not only:
        sources.check_sources(ROOT, [source for source in lacking if not source.phantom])
    pins = gitlinks(ROOT, "HEAD")

    def get(source: sources.Source) -> tuple[sources.Source, bool]:
        return source, sources.get_source(ROOT, source, scratch=site.scratch, workers=site.workers)

    with ThreadPoolExecutor(jobs) as pool:
        bar = tqdm(pool.map(get, lacking), total=len(lacking), desc="sources", unit="source", disable=None, leave=False)
        for source, moved in bar:
            bar.write(f"{'made' if source.phantom else 'got':7} {source.path}")
            if moved and source.path in pins:
                bar.write(
                    f"warning: {source.path} as made here is not what was pinned ({pins[source.path][:8]}): pinned anew"
                )


def _commit_rules(study: Study) -> None:
    """Bring the rules files up to date with the study's TOML, in a commit of their own."""
    changed = []
    for path, content in table.rules_files(study).items():
        file = ROOT / path
        if not file.is_file() or file.read_text() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
            changed.append(path)
    if changed:
        git(ROOT, "add", "--", *changed)
        git(ROOT, "commit", "-q", "-m", f"chore({study.name}): render the rules of the study", "--", *changed)


def _with_upstream(every: list[table.Step], chosen: list[table.Step]) -> list[table.Step]:
    """The chosen steps and all that they build on, in order."""
    needed = list(chosen)
    for step in reversed(every):
        if step not in needed and any(builds_on(other, step) for other in needed):
            needed.append(step)
    return [step for step in every if step in needed]


def _print_plan(wanted: list[table.Step], found: dict[str, State]) -> None:
    for step in wanted:
        state = found[step.name]
        click.echo(f"{state.word:8} {step.name:28} {state.why}".rstrip())
        click.echo(f"         {' '.join(step.argv)}")


def _print_results(study: Study) -> None:
    path = ROOT / study.summary_table
    if not path.exists():
        raise StudyError(f"there is no {study.summary_table}", hint="code/study run")
    header, *lines = path.read_text().splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"))) for line in lines]
    names, models = (list(dict.fromkeys(row[key] for row in rows)) for key in ("testset", "model"))
    dice = {(row["model"], row["testset"]): float(row["dice"]) for row in rows}
    width = max(map(len, names)) + 2
    click.echo("\nMean Dice, model × test set")
    click.echo(f"{'':16}" + "".join(f"{n:>{width}}" for n in names))
    for model in models:
        click.echo(f"{model:16}" + "".join(f"{dice[model, n]:>{width}.3f}" for n in names))
    for key in ("participants", "cases"):
        counts = {row["testset"]: row[key] for row in rows}
        click.echo(f"{'n ' + key:16}" + "".join(f"{counts[n]:>{width}}" for n in names))
    checkpoint = f"{study.model(models[0])}/fold_{study.train.folds[0]}/checkpoint_final.pth"
    click.echo(f"\nReport: {ROOT / study.report}")
    click.echo(
        f"\nNext, in {ROOT}:\n"
        '  . "$(code/study env)/bin/activate"           # datalad and git-annex on the PATH\n'
        "  git log                                      # one record a step\n"
        "  code/study status\n"
        f"  datalad rerun $(git log -1 --format=%h -- {study.cases_table})\n"
        f"  datalad get {checkpoint}\n"
        "  code/study segment IMAGE.nii.gz --out masks  # any NIfTI image of the neck"
    )
