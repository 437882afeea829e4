"""`bids-derivative`: the masks that a model made of a test set, as a BIDS derivative.

Owns: which masks and images those are, whether they are what was recorded, and what the derivative
says of how they came about.
Does not own: bringing masks back to their images (`pipeline.learning.derivative`), or their names
(`pipeline.sources.mask_names`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import did_you_mean, read_json
from cordstudy.base.within import regular
from cordstudy.cli.here import PROFILE, ROOT
from cordstudy.cli.inputs import check_dataset
from cordstudy.cli.origins import citation, source_url, version
from cordstudy.cli.saying import say
from cordstudy.pipeline.raw.layout import RawCase, read_cases
from cordstudy.pipeline.raw.names import mask_file
from cordstudy.pipeline.sources.keys import content_key
from cordstudy.pipeline.sources.mask_names import mask_name
from cordstudy.pipeline.sources.names import ENDING
from cordstudy.provenance.calling.gitannex import gitlinks
from cordstudy.provenance.history.commits import RecordedCommit
from cordstudy.provenance.history.index import History
from cordstudy.provenance.profile import NAME
from cordstudy.study.layout import Layout, trained
from cordstudy.study.loading import load_study
from cordstudy.study.schema import Study
from cordstudy.study.steps import judged

BIDS_VERSION = "1.10.1"
SOURCE = "source"
"""What the source is called in BIDS URIs."""
README = """\
# {title}

Masks of the {structure} (1 where it is) that the model `{model}` made of the test images of
`{testset}`, each on the grid of its image. They are no reference: `GeneratedBy` in each sidecar
names the commit of the study that made the mask, and the model by git-annex key.

A mask has the entities of its image; `space` is what else the image's name says, its suffix at
least, and `SpatialReference` names the image itself. Written by

    code/study --study {study} bids-derivative --model {model} --testset {testset} --out FOLDER
"""


@click.command("bids-derivative")
@click.option(
    "--model", default="general", show_default=True, help="Which model; `NAME.2`: its replicate."
)
@click.option("--testset", required=True, help="Which dataset of the study; its test images.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="New folder for the derivative, in the study or elsewhere.",
)
@click.pass_obj
def bids_derivative(name: str, model: str, testset: str, out: Path) -> None:
    """Write the masks that a model made of a test set as a BIDS derivative.

    Each mask is on its image's own grid, named after it (sub-X_space-T2w_label-SC_mask.nii.gz),
    with a sidecar that says which model and commit made it. The recorded predictions, and the
    images of the source, have to be here; each is checked against the records.

    \b
    Example:
      code/study bids-derivative --testset epi --out ../epi-masks
    """
    masks = Derivative(load_study(ROOT, name), model, testset).write(out)
    say(f"{len(masks)} masks of {testset} by {model} in {out}")


@dataclass(frozen=True)
class Derivative:
    """The masks of one test set by one training of a model.

    Raises StudyError where the study has no such model or test set.
    """

    study: Study
    model: str
    testset: str

    def __post_init__(self) -> None:
        check_dataset(self.study, self.testset)
        known = [trained(model, number) for model, number in judged(self.study)]
        if self.model not in known:
            near = did_you_mean(self.model, known)
            raise StudyError(
                f"the study has no model {self.model!r}", hint=f"{near}one of: {', '.join(known)}"
            )

    @property
    def folder(self) -> str:
        """Where the predictions are, relative to the study."""
        return f"{Layout(self.study).derivatives}/predictions/{self.model}/{self.testset}"

    @property
    def source(self) -> str:
        """Where the source is, relative to the study."""
        return self.study.datasets[self.testset].path

    @cached_property
    def cases(self) -> list[RawCase]:
        """The cases of the test set."""
        raw = ROOT / Layout(self.study).raw(self.testset)
        cases = [case for case in read_cases(raw) if case.is_to_test]
        if not cases:
            raise StudyError(f"{raw}: no case to test on", hint="code/study run")
        return cases

    @cached_property
    def history(self) -> History:
        """What HEAD has recorded."""
        return History(ROOT)

    @cached_property
    def origin(self) -> tuple[str, str]:
        """The URL and the pinned commit of the source."""
        pin = gitlinks(ROOT, self.history.id).get(self.source, "")
        if not pin:
            raise StudyError(
                f"{self.source}: HEAD has no such subdataset", hint="code/study inputs"
            )
        return source_url(ROOT, self.source, pin), pin

    def write(self, out: Path) -> list[Path]:
        """Write it into a new folder; the paths of the masks."""
        from cordstudy.pipeline.learning.derivative import (  # nibabel: half a second
            Mask,
            check_new,
            write_derivative,
        )

        check_new(out)
        self.check_here()
        masks = []
        for case in self.cases:
            path = case.image.removeprefix(f"{self.source}/")
            masks.append(
                Mask(
                    pred=ROOT / self.prediction(case),
                    image=ROOT / case.image,
                    name=mask_name(path, self.study.task.label),
                    sidecar=self.sidecar(case, path),
                )
            )
        return write_derivative(masks, self.texts(), out.resolve())

    def prediction(self, case: RawCase) -> str:
        """Where the prediction of a case is, relative to the study."""
        return f"{self.folder}/{mask_file(case.case_id)}"

    def check_here(self) -> None:
        """Raise StudyError for content that is not here, and for what is not as recorded."""
        _check_content([self.prediction(case) for case in self.cases], get=self.folder)
        images = [case.image for case in self.cases]
        _check_content(images, get=" ".join(images))
        for case in self.cases:
            path = self.prediction(case)
            entry = self.history.tree.get(path)
            _check_key(path, entry.key if entry else "", "the one that HEAD has")
            _check_key(case.image, case.image_key, "the one that was converted")

    def record(self, case: RawCase) -> RecordedCommit:
        """The run that made a prediction."""
        path = self.prediction(case)
        commit = self.history.producer(path)
        if commit is None:
            raise StudyError(f"{path}: no record made it", hint="code/study audit " + path)
        return commit

    def generated_by(self, commit: RecordedCommit) -> dict[str, object]:
        """How BIDS tells of a run: the program, the commit, the model by its files' keys."""
        weights = []
        for item in self.history.inputs(commit):
            if item.path.endswith(".pth") and item.entry:
                weights.append({"Path": item.path, "Key": item.entry.identity.split()[-1]})
        about: dict[str, object] = {
            "Name": NAME,
            "Version": version(),
            "Description": f"model {self.model} of the study {self.study.name}",
            "Commit": commit.id,
            "Dataset": self.history.dataset_id,
        }
        return about | ({"Weights": weights} if weights else {})

    def sidecar(self, case: RawCase, path: str) -> dict[str, object]:
        """What is told beside a mask; `path` is the image's, relative to the source."""
        image = f"bids:{SOURCE}:{path}"
        return {
            "Description": _capital(self.study.task.structure),
            "GeneratedBy": [self.generated_by(self.record(case))],
            "Manual": False,
            "Sources": [image],
            "SpatialReference": image,
            "Type": "ROI",
        }

    def texts(self) -> dict[str, str]:
        """The texts of the derivative's root, by their names."""
        structure = self.study.task.structure
        title = f"{_capital(structure)} masks of {self.testset} by the model {self.model}"
        readme = README.format(
            title=title,
            structure=structure,
            model=self.model,
            testset=self.testset,
            study=self.study.name,
        )
        description = json.dumps(self.description(title), indent=1, sort_keys=True) + "\n"
        return {"README.md": readme, "dataset_description.json": description}

    def description(self, title: str) -> dict[str, object]:
        """The derivative's dataset_description.json."""
        commits = {commit.id: commit for commit in map(self.record, self.cases)}
        url, pin = self.origin
        cited = citation()
        description: dict[str, object] = {
            "Authors": [author.name for author in cited.authors],
            "BIDSVersion": BIDS_VERSION,
            "DatasetLinks": {SOURCE: url},
            "DatasetType": "derivative",
            "GeneratedBy": [self.generated_by(commits[name]) for name in sorted(commits)],
            "HowToAcknowledge": cited.message,
            "Name": title,
            "SourceDatasets": [{"URL": url, "Version": pin}],
        }
        return description | self.licence()

    def licence(self) -> dict[str, object]:
        """The source's licence, where it tells one: masks of its images are under it."""
        path = ROOT / self.source / "dataset_description.json"
        told = read_json(path).get("License") if path.is_file() else None
        return {"License": told} if isinstance(told, str) else {}


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _check_content(paths: Sequence[str], *, get: str) -> None:
    """Raise StudyError where the content of a file is not here."""
    lacking = []
    for path in paths:
        try:
            regular(ROOT / path)
        except StudyError:
            lacking.append(path)
    if lacking:
        raise StudyError(
            f"{lacking[0]}: its content is not here; so {len(lacking)} of {len(paths)} files",
            hint=f"datalad get {get}",
        )


def _check_key(path: str, key: str, which: str) -> None:
    """Raise StudyError for a file that is another than a record tells of."""
    found = content_key(ROOT / path, ending=ENDING)
    if found != key:
        raise StudyError(
            f"{path}: it is {found}, {which} is {key or 'none'}",
            hint=f"have that here: {PROFILE.launcher} status",
        )
