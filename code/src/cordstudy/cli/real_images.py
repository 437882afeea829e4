"""The part of the README about real images: what the study `real` gives on those beside the
repository.

Owns: which of its sources a folder of images stands for, recording the study on them in a clone
that is thrown away, the part's tables and picture.
Does not own: the study (`code/studies/real.toml`), its numbers (`pipeline.judging`), or where the
part stands (`written`).
"""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table
from cordstudy.cli.here import PROFILE, ROOT
from cordstudy.cli.parts import lines, wrapped
from cordstudy.provenance.calling.gitannex import git, run, settle_identity
from cordstudy.provenance.running.marks import remove_tree
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from cordstudy.study.schema import Study

if TYPE_CHECKING:
    from cordstudy.pipeline.release.facts import Score

STUDY = "real"
FOLDERS = {"gm-challenge": "gm-challenge", "unf": "spine-generic-unf"}
"""By dataset of the study the folder that holds a part of it."""
PICTURE = "code/docs/real-worst.png"
GENERAL = "general"
"""The model that is told of by image."""
STEPS = ("compare", "leakage")
"""What the part is made of, with all that they build on."""


@dataclass(frozen=True)
class Judged:
    """The study as recorded in a clone on the images of a folder."""

    clone: Path
    folder: Path

    @property
    def study(self) -> Study:
        """Its values."""
        return load_study(self.clone, STUDY)

    @property
    def layout(self) -> Layout:
        """Where its files are."""
        return Layout(self.study)

    def image(self, case: Mapping[str, str]) -> Path:
        """The image of a case, below the folder of images."""
        dataset = case["dataset"]
        source = self.study.datasets[dataset].path
        return Path(FOLDERS[dataset]) / Path(case["image"]).relative_to(source)


@contextmanager
def judged_on(folder: Path, *, jobs: int = 2) -> Iterator[Judged]:
    """The study, recorded on the images of a folder in a clone of HEAD. Raises StudyError where one
    of its sources is not in the folder, or a step fails."""
    scratch = Path(tempfile.mkdtemp())
    clone = scratch / "study"
    try:
        git(ROOT, "clone", "-q", str(ROOT), str(clone))
        settle_identity(clone, like=ROOT)
        lay_out(clone, folder)
        command = [PROFILE.launcher, "--study", STUDY, "run", "--jobs", str(jobs), *STEPS]
        run([str(clone / command[0]), *command[1:]], cwd=clone)
        yield Judged(clone, folder)
    finally:
        remove_tree(scratch)


def lay_out(clone: Path, folder: Path) -> None:
    """Make the sources of a clone's study from a folder of images, each a plain git repository, and
    commit them as its pins."""
    study = load_study(clone, STUDY)
    for name, below in FOLDERS.items():
        source, place = folder / below, clone / study.datasets[name].path
        if not source.is_dir():
            raise StudyError(f"{source}: there is no such folder", hint="--real FOLDER")
        shutil.copytree(source, place, dirs_exist_ok=True, copy_function=shutil.copyfile)
        git(clone, "init", "-q", "-b", "main", str(place))
        settle_identity(place, like=clone)
        git(place, "add", "--all")
        git(place, "commit", "-q", "-m", f"{below}, as it lies beside the study")
        git(clone, "add", study.datasets[name].path)
    git(clone, "commit", "-q", "-m", "chore(inputs): pin the images beside the study")


def real_part(judged: Judged, *, trained: str) -> str:
    """The lines of the part; `trained` is the commit of the last training."""
    cases = cases_of(judged)
    paragraphs = [
        wrapped(_who(cases)),
        "\n".join(model_rows(scores_by_model(judged), cases)),
        "\n".join(image_rows(cases, judged)),
        wrapped(_worst(cases)),
        f"![Outlines of the reference and of two models in the worst case]({PICTURE})",
        wrapped(_made_by(judged.study, trained)),
    ]
    return lines("\n\n".join(paragraphs))


def cases_of(judged: Judged) -> list[dict[str, str]]:
    """The rows of the table of cases, those of first trainings, with each one's image as the
    source has it."""
    images = {}
    for name in judged.study.datasets:
        for row in read_table(judged.clone / judged.layout.raw(name) / "cases.tsv", "image"):
            images[row["case_id"]] = {"image": row["image"], "dataset": row["dataset"]}
    table = read_table(judged.clone / judged.layout.cases_table, "model", "case_id", "dice")
    return [row | images[row["case_id"]] for row in table if row["replicate"] == "1"]


def scores_by_model(judged: Judged) -> dict[str, Sequence[Score]]:
    """How each network did on each test set."""
    from cordstudy.pipeline.release.facts import scores_of  # pandas, SciPy: 1 s

    table = judged.clone / judged.layout.cases_table
    settings = judged.clone / judged.layout.judging
    return {name: scores_of(table, settings, name).scores for name in models_of(judged.study)}


def model_rows(
    scores: Mapping[str, Sequence[Score]], cases: Sequence[Mapping[str, str]]
) -> list[str]:
    """The rows of the table of models: on each test set the mean over people, and its interval
    where there is one; then people in whom it failed, and the lowest Dice of an image."""
    testsets = [score.testset for score in next(iter(scores.values()))]
    rows = [_row("model", *testsets, "failed in", "lowest"), "|" + "---|" * (len(testsets) + 3)]
    for model, own in scores.items():
        failed, people = sum(s.failed for s in own), sum(s.people for s in own)
        lowest = min(float(case["dice"]) for case in cases if case["model"] == model)
        told = [_mean(score) for score in own]
        rows.append(_row(model, *told, f"{failed} of {people}", f"{lowest:.3f}"))
    return rows


def _mean(score: Score) -> str:
    if math.isnan(score.low) or score.people == 1:
        return f"{score.dice:.3f}"
    return f"{score.dice:.3f} ({score.low:.3f} to {score.high:.3f})"


def image_rows(cases: Sequence[Mapping[str, str]], judged: Judged) -> list[str]:
    """The rows of the table of images: which file, of which field strength, and the Dice of the
    general model."""
    digits = "SHA-256, first 12 digits"
    rows = [_row("image", "tesla", GENERAL, digits), "|---|---|---|---|"]
    general = [case for case in cases if case["model"] == GENERAL]
    for case in sorted(general, key=lambda case: (case["dataset"], float(case["dice"]))):
        image = judged.image(case)
        digest = hashlib.sha256((judged.folder / image).read_bytes()).hexdigest()
        dice = f"{float(case['dice']):.3f}"
        rows.append(_row(f"`{image}`", case["field_strength"], dice, f"`{digest[:12]}`"))
    return rows


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _who(cases: Sequence[Mapping[str, str]]) -> str:
    """How many of whom the tables are about."""
    people = {(case["testset"], case["person"]) for case in cases}
    images = {case["case_id"] for case in cases}
    kinds = sorted({case["contrast"].rpartition("_")[2] for case in cases})
    fields = sorted({case["field_strength"] for case in cases}, key=float)
    return (
        f"{len(images)} images ({', '.join(kinds)}) of {len(people)} people at "
        f"{' and '.join(fields)} T: mean Dice over people, with the 95 % interval that allows for "
        "failures not seen where there are several."
    )


def _worst(cases: Sequence[Mapping[str, str]]) -> str:
    """The image on which the general model does worst, in a sentence."""
    general = [case for case in cases if case["model"] == GENERAL]
    worst = min(general, key=lambda case: float(case["dice"]))
    name = Path(worst["image"]).name
    return f"The worst of them for `{GENERAL}`, {name} (Dice {float(worst['dice']):.3f}):"


def _made_by(study: Study, trained: str) -> str:
    """What gives these numbers, of which commits."""
    pins = []
    for name, folder in FOLDERS.items():
        path = study.datasets[name].path
        pin = git(ROOT, "rev-parse", f"HEAD:{path}").strip()
        pins.append(f"`{folder}` is a part of `{path}` at {pin[:12]}")
    return (
        f"Made by `code/study written --real FOLDER`, which records the study `{STUDY}` on the "
        f"images of a folder in a clone, with the models of the records up to commit `{trained}`, "
        f"the last training. Of the folder {', '.join(pins)}."
    )


def worst_outlined(judged: Judged) -> bytes:
    """The picture of the worst case, as PNG."""
    from cordstudy.pipeline.judging.settings import read_settings
    from cordstudy.pipeline.report.evaluation import read_evaluation  # pandas, Matplotlib: 2 s
    from cordstudy.pipeline.report.gallery import Gallery, by_model, by_testset
    from cordstudy.pipeline.report.standalone import worst_picture

    layout, clone, study = judged.layout, judged.clone, judged.study
    evaluation = read_evaluation(clone / layout.evaluation)
    models = models_of(study).values()
    return worst_picture(
        Gallery(
            scores=evaluation.scores,
            settings=read_settings(clone / layout.judging),
            best_specific=evaluation.best_specific,
            raws=by_testset([clone / layout.raw(name) for name in study.datasets]),
            predictions=by_model([clone / layout.predictions(model, 1) for model in models]),
        )
    )
