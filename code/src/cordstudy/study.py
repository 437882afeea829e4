"""A study's TOML as frozen values, and the path of everything that a study has.

Owns: what may stand in `code/studies/<study>.toml`, and where each output of a study lies.
Does not own: the steps (`steps`), or anything about a machine (`site.toml`, `cli`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cordstudy.errors import StudyError
from cordstudy.pipeline.texts import check_values, read_text

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(gt=0)]


class Table(BaseModel):
    """A table of the TOML: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Image = Annotated[str, Field(pattern=r"^[a-z]+/[A-Za-z0-9_-]*[A-Za-z0-9]$")]
"""An image of a source: `<datatype>/<entities>_<suffix>`, without subject and session."""
LabelOrigin = Literal["manual", "corrected", "model", "unknown"]


class Exclusion(Table):
    """Participants and images (file names without extension) to leave out; why, and who says so."""

    participants: list[str] = []
    images: list[str] = []
    reason: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]


class ExcludeFile(Table):
    """A source's own list: a YAML file with lists of participants and sites by key, and the
    images that each key which the study follows is about."""

    path: str = "exclude.yml"
    keys: Annotated[dict[str, Annotated[list[Image], Field(min_length=1)] | Literal["all"]], Field(min_length=1)]


class Columns(Table):
    """The columns of participants.tsv, by what this study calls them."""

    sex: str = "sex"
    age: str = "age"
    vendor: str = "manufacturer"
    pathology: str = "pathology"
    site: str = "institution_id"


class Dataset(Table):
    """A BIDS source: where it lies, how its images and masks are named, what is left out.

    `mask` is the mask's name without extension, from `{stem}` (the image's) and `{subject}`
    (with the session where there is one), below `labels` in the folder that the image has
    below the source.
    """

    path: Annotated[str, Field(pattern=r"^inputs/[^/]+$")]
    role: Literal["train", "test"]
    images: Annotated[list[Image], Field(min_length=1)]
    labels: Annotated[str, Field(pattern=r"^[^/*].*[^/]$")]
    mask: str
    session: Annotated[str, Field(pattern=r"^ses-[A-Za-z0-9]+$")] | None = None
    columns: Columns = Columns()
    exclude: list[Exclusion] = []
    exclude_file: ExcludeFile | None = None
    label_origins: Annotated[list[LabelOrigin], Field(min_length=1)] = ["manual", "corrected", "model", "unknown"]
    """Masks of another origin are left out."""
    broken_sidecars: LabelOrigin | None = None
    """The origin of a mask whose sidecar is not JSON; an error where this is not said."""
    resample_masks: bool = False
    """Whether a mask on another grid is brought to the image's by nearest neighbour."""
    split: Annotated[str, Field(pattern=r"^code/.+\.tsv$")] | None = None
    """A published split (participant_id; split: train, val, test) in place of the study's."""
    licence: str | None = None
    """Of a public source."""
    ask: str | None = None
    """Whom to ask for access to a private source."""
    phantom: str | None = None
    """Which source the generator is to imitate; such a source is made, not fetched."""
    phantom_participants: Count | None = None

    @field_validator("mask")
    @classmethod
    def _has_known_fields(cls, mask: str) -> str:
        try:
            mask.format(stem="", subject="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"{mask!r} may have the fields {{stem}} and {{subject}} only") from error
        return mask

    @model_validator(mode="after")
    def _is_consistent(self) -> Dataset:
        if sum(value is not None for value in (self.licence, self.ask, self.phantom)) != 1:
            raise ValueError("needs one of licence (public), ask (private) and phantom (made here)")
        if self.split and self.role == "test":
            raise ValueError("split: a dataset that no model sees is for testing as a whole")
        for key, images in (self.exclude_file.keys if self.exclude_file else {}).items():
            if images != "all" and (wrong := sorted(set(images) - set(self.images))):
                raise ValueError(f"exclude_file.keys.{key}: {wrong[0]} is not among images")
        return self

    @property
    def access(self) -> str:
        """Who may have the source, in words."""
        if self.phantom:
            return "made here"
        return f"public, {self.licence}" if self.licence else f"private: ask {self.ask}"


class Split(Table):
    """How subjects are divided: a share for testing, the rest into folds, both in each
    stratum of participants who are alike in `stratify`."""

    seed: int
    test_fraction: Share
    folds: Annotated[int, Field(ge=2)]
    stratify: list[Literal["vendor", "pathology", "site", "sex"]] = []


class Reduction(Table):
    """Values that replace those of nnU-Net's own plans, in its axis order (z, y, x)."""

    spacing_mm: list[float]
    patch_size: list[Count]
    batch_size: Count
    features: list[Count]
    convolutions: Count


class Plan(Table):
    """nnU-Net's configuration, and what a small machine needs changed in it."""

    configuration: Literal["2d", "3d_fullres"]
    reduction: Reduction | None = None


class Train(Table):
    """The same training for every model: fairness by default."""

    folds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    seed: int
    replicates: Count = 1
    """Trainings of each model, the n-th with the seed `seed` + n - 1; judging takes the first,
    and the spread of all says how much a difference means."""
    identical: Literal["here", "anywhere"] = "anywhere"
    """Whether a checkpoint has the same bytes on every processor with AVX2, or (faster) on those
    of one kind."""
    epochs: Count
    iterations: Count
    validations: Count


class Fairness(Table):
    """What keeps a comparison of models from being one of something else: plans of the general model for
    all, every dataset (not case) drawn alike, a general model no larger than the largest specific one,
    general models without one dataset each, models trained longer or shorter (a deviation)."""

    plans: Literal["per-model", "shared"] = "per-model"
    sampling: Literal["cases", "datasets"] = "cases"
    size_matched: bool = False
    leave_one_out: bool = False
    epochs: dict[Name, Count] = {}


@dataclass(frozen=True)
class Model:
    """A model of a study: the datasets that it learns from, and what it is there to show."""

    name: str
    kind: Literal["general", "specific", "size-matched", "leave-one-out"]
    parts: tuple[str, ...]
    without: str = ""
    """The dataset that a leave-one-out model does not see."""

    @property
    def merged(self) -> bool:
        """Whether it has a training set of its own, made from those of several datasets or a share of them."""
        return len(self.parts) > 1 or self.kind == "size-matched"


class Predict(Table):
    """Test-time mirroring (axes of z, y, x as 0, 1, 2) and overlap of tiles."""

    mirror_axes: list[Literal[0, 1, 2]] = []
    tile_step: Annotated[float, Field(gt=0, le=1)]


class Judge(Table):
    """How models are judged: tolerance of the surface Dice, margin of equivalence (in Dice), bootstrap."""

    nsd_tolerance_mm: Annotated[float, Field(gt=0)] = 1.0
    margin: Annotated[float, Field(gt=0)] = 0.02
    resamples: Count = 10_000
    seed: int = 1


class Study(Table):
    """A whole study. `name` is that of its file."""

    name: Name
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    models: Annotated[dict[Name, list[str]], Field(min_length=1)]
    split: Split
    plan: Plan
    train: Train
    predict: Predict
    fairness: Fairness = Fairness()
    judge: Judge = Judge()

    @model_validator(mode="after")
    def _is_consistent(self) -> Study:
        trained = {name for name, dataset in self.datasets.items() if dataset.role == "train"}
        for model, parts in self.models.items():
            if not parts or (wrong := sorted(set(parts) - trained)):
                said = f'{wrong[0]!r} is not a dataset with role "train"' if parts else "it names no dataset"
                raise ValueError(f"models.{model}: {said}")
        if max(self.train.folds) >= self.split.folds:
            raise ValueError(
                f"train.folds: there is no fold {max(self.train.folds)}, split.folds is {self.split.folds}"
            )
        paths = [dataset.path for dataset in self.datasets.values()]
        if len(set(paths)) < len(paths):
            raise ValueError("datasets: two of them have the same path")
        if unknown := sorted(set(self.fairness.epochs) - set(self.all_models)):
            raise ValueError(f"fairness.epochs: there is no model {unknown[0]!r}")
        if (self.fairness.size_matched or self.fairness.leave_one_out) and len(self.models[self.general]) < 2:
            raise ValueError("fairness: size_matched and leave_one_out need a model of several datasets")
        if clash := sorted(set(self.models) & {model.name for model in self._derived()}):
            raise ValueError(f"models.{clash[0]}: fairness makes a model of this name")
        return self

    @property
    def derivatives(self) -> str:
        """Folder of everything made but models."""
        return f"derivatives/{self.name}"

    @property
    def cases_table(self) -> str:
        """One row a judged case."""
        return f"{self.derivatives}/evaluation/cases.tsv"

    @property
    def leakage_table(self) -> str:
        """One row a comparison of two sides that must have nothing in common."""
        return f"{self.derivatives}/evaluation/leakage.tsv"

    @property
    def summary_table(self) -> str:
        """One row a model and test set."""
        return f"{self.derivatives}/evaluation/summary.tsv"

    @property
    def comparison_tables(self) -> list[str]:
        """What `compare` writes: the summary, comparisons of models, strata, the spread of retraining."""
        names = ("summary", "comparisons", "strata", "replicates")
        return [f"{self.derivatives}/evaluation/{name}.tsv" for name in names]

    @property
    def general(self) -> str:
        """The model that learned from the most datasets."""
        return max(self.models, key=lambda model: len(self.models[model]))

    @cached_property
    def all_models(self) -> dict[str, Model]:
        """Every model that is trained: those of the TOML, then those that fairness asks for."""
        told = [
            Model(name, "general" if name == self.general else "specific", tuple(parts))
            for name, parts in self.models.items()
        ]
        return {model.name: model for model in (*told, *self._derived())}

    def _derived(self) -> list[Model]:
        parts = tuple(self.models[self.general])
        found = [Model("size-matched", "size-matched", parts)] if self.fairness.size_matched else []
        for left in parts if self.fairness.leave_one_out else ():
            found.append(Model(f"without-{left}", "leave-one-out", tuple(p for p in parts if p != left), left))
        return found

    def planned_by(self, model: str) -> str:
        """The model whose training data a model's plans come from. A leave-one-out model's are always
        its own: the general ones have seen the dataset that it leaves out."""
        shared = self.fairness.plans == "shared" and self.all_models[model].kind != "leave-one-out"
        return self.general if shared else model

    def epochs(self, model: str) -> int:
        """How long a model is trained."""
        return self.fairness.epochs.get(model, self.train.epochs)

    def balanced(self, model: str) -> bool:
        """Whether a model's batches draw its datasets with like chance."""
        return self.fairness.sampling == "datasets" and len(self.all_models[model].parts) > 1

    @property
    def report(self) -> str:
        """The page that people read."""
        return f"{self.derivatives}/report/index.html"

    @property
    def notebook(self) -> str:
        """The executed notebook: the same analysis, to be changed."""
        return f"{self.derivatives}/report/results.ipynb"

    @property
    def judging(self) -> str:
        """The small file that says what the models and datasets are: a parameter of judging."""
        return f"code/studies/{self.name}/judging.json"

    def rules(self, dataset: str) -> str:
        """The small file with the rules of one dataset: the parameters of its steps."""
        return f"code/studies/{self.name}/{dataset}.json"

    def splits(self, dataset: str) -> str:
        """Which participant is in which part."""
        return f"{self.derivatives}/splits/{dataset}.tsv"

    def raw(self, name: str) -> str:
        """nnU-Net raw dataset of a source, or of a model that merges several."""
        merged = [model.name for model in self.all_models.values() if model.merged]
        number = 501 + [*self.datasets, *merged].index(name)
        return f"{self.derivatives}/nnunet-raw/Dataset{number}_{name}"

    def training_set(self, model: str) -> str:
        """The raw dataset that a model learns from."""
        told = self.all_models[model]
        return self.raw(model) if told.merged else self.raw(told.parts[0])

    def model(self, model: str) -> str:
        """A trained model in nnU-Net's results layout."""
        dataset = Path(self.training_set(model)).name
        trainer = f"nnUNetTrainerRepeatable__nnUNetPlans__{self.plan.configuration}"
        return f"models/{self.name}/{model}/{dataset}/{trainer}"

    @property
    def replicates(self) -> range:
        """The trainings of each model, from 1; the first is the one that is judged."""
        return range(1, self.train.replicates + 1)

    def replicate(self, model: str, number: int) -> str:
        """A trained model: its planned folder for the first training, one below it for another."""
        return self.model(model) + (f"/replicate_{number}" if number > 1 else "")

    def predictions(self, model: str, number: int) -> str:
        """Masks of all test sets, a folder each, by one training of a model."""
        return f"{self.derivatives}/predictions/{self.trained(model, number)}"

    @staticmethod
    def trained(model: str, number: int) -> str:
        """What a training of a model is called: the model's name, with a number from the second on."""
        return model if number == 1 else f"{model}.{number}"


def load_study(root: Path, name: str) -> Study:
    """Read `code/studies/<name>.toml` of a study dataset. Raises StudyError for a file that is missing or no
    TOML, a missing or unknown key or a value of the wrong kind, naming file and key."""
    path = root / "code/studies" / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.toml")))
        raise StudyError(f"there is no study {name!r}", hint=f"one of: {known}")
    try:
        content = tomllib.loads(read_text(path))
        check_values(content)
    except (ValueError, RecursionError) as error:
        told = "brackets in brackets in brackets" if isinstance(error, RecursionError) else error
        raise StudyError(f"{path}: {told}", hint="correct the TOML") from error
    return parse_study(content, name=name, path=path)


def parse_study(content: Mapping[str, object], *, name: str, path: Path) -> Study:
    """Check the content of a study's TOML; `path` is for the message. See `load_study`."""
    try:
        return Study.model_validate({**content, "name": name})
    except ValidationError as error:
        raise StudyError(f"{path}: {_faults(error)}", hint="correct the study's TOML") from error


def _faults(error: ValidationError) -> str:
    """Every fault in words: the key as TOML writes it, then what is wrong with it."""
    words = {"extra_forbidden": "unknown key", "missing": "this key or section is missing"}
    said = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        what = words.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        said.append(f"{key}: {what}" if key else what)
    return "; ".join(said)
