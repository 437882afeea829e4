"""What may stand in `code/studies/<study>.toml`, as frozen values.

Owns: its tables and keys, and what of them must agree.
Does not own: what it says of the structure (`task`) and of releases (`releases`), what a study that
trains nothing may say (`external`), reading the file (`loading`), what follows from it (`models`,
`layout`, `steps`), or anything about a machine (`site.toml`, `cli`).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cordstudy.pipeline.sources.rules import (
    BELOW,
    Distinct,
    Name,
    Said,
    SourceRules,
    Stratum,
    Table,
)
from cordstudy.study.releases import Given, Release
from cordstudy.study.task import Task

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(gt=0)]
MOST_FOLDS = 1000
"""More are refused where all of them would be trained."""
Configuration = Literal["2d", "3d_fullres"]
"""nnU-Net's name of a kind of network."""


class Dataset(SourceRules):
    """A source as a study has it: its rules, and where it comes from."""

    number: Annotated[int, Field(ge=501, le=599)]
    """Of its nnU-Net dataset, 501 to 599: the same in every study, never changed, so that no other
    dataset's coming or going moves it."""
    split: Annotated[str, Field(pattern=r"^code/.+\.tsv$"), BELOW] | None = None
    """A published split in place of `[split]`: a TSV below `code/` of `participant_id` and `split`
    (train, val, test); val is fold 0."""
    licence: Said | None = None
    """Of a public source. Each source has one of `licence`, `ask` and `phantom`."""
    ask: Said | None = None
    """Whom to ask for access to a private source."""
    phantom: Said | None = None
    """Which source the generator is to imitate; such a source is made, not fetched."""
    phantom_participants: Count | None = None
    """How many people such a source has; where this is not said, as many as its kind has."""

    @model_validator(mode="after")
    def _has_one_access(self) -> Dataset:
        told = [value for value in (self.licence, self.ask, self.phantom) if value is not None]
        if len(told) != 1:
            raise ValueError("needs one of licence (public), ask (private) and phantom (made here)")
        if self.split and self.role == "test":
            raise ValueError("split: a dataset that no model sees is for testing as a whole")
        return self

    @property
    def terms(self) -> str:
        """What holds for whoever uses what was learned from the source."""
        if self.phantom:
            return "synthetic: nobody's data"
        return self.licence or f"private: ask {self.ask}"

    @property
    def access(self) -> str:
        """Who may have the source, in words."""
        if self.phantom:
            return "made here"
        return f"public, {self.licence}" if self.licence else f"private: ask {self.ask}"


class ModelTable(Table):
    """A model of the TOML: the datasets that it learns from; the number of its own nnU-Net
    dataset where they are several. A list stands for the datasets alone."""

    datasets: Annotated[list[Name], Field(min_length=1), Distinct]
    """What it learns from: datasets with the role `train`."""
    number: Annotated[int, Field(ge=601, le=699)] | None = None
    """601 to 699, needed where datasets are several and only there."""

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, told: object) -> object:
        return {"datasets": told} if isinstance(told, list) else told

    @model_validator(mode="after")
    def _has_a_number_if_merged(self) -> ModelTable:
        if len(self.datasets) > 1 and self.number is None:
            raise ValueError(
                "several datasets are merged to a new nnU-Net dataset, which needs a number "
                "from 601: { number = 601, datasets = [...] }"
            )
        if len(self.datasets) == 1 and self.number is not None:
            raise ValueError("number: a model of one dataset learns from that dataset's own")
        return self


class Split(Table):
    """How subjects are divided: a share for testing, the rest into folds, both in each
    stratum of participants who are alike in `stratify`."""

    seed: int = 1
    """What persons are put in an order by."""
    test_fraction: Share = 0.2
    """The share of persons that no model learns from."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Into how many parts the others are divided."""
    stratify: Annotated[list[Stratum], Distinct] = []
    """Divide alike in each group of these: `vendor`, `pathology`, `site`, `sex`."""


class Reduction(Table):
    """Values that replace those of nnU-Net's own plans, in its axis order: (z, y, x), or (y, x) of
    slices."""

    spacing_mm: list[float]
    """The grid that images are brought to."""
    patch_size: list[Count]
    """Voxels of what the network sees at once; each a multiple of 2 to the power of stages less
    one."""
    batch_size: Count
    """Patches that a step of training learns from."""
    features: Annotated[list[Count], Field(min_length=3)]
    """Of each stage; of two, nnU-Net's deep supervision would have no weight left."""
    convolutions: Count
    """Of each stage."""

    def check_axes(self, configuration: str) -> None:
        """Raise ValueError for values of another number of axes than a configuration has."""
        axes = 2 if configuration == "2d" else 3
        for name in ("spacing_mm", "patch_size"):
            if len(getattr(self, name)) != axes:
                raise ValueError(f"reduction.{name}: {configuration} has {axes} axes")


class Plan(Table):
    """nnU-Net's configuration, and what a small machine needs changed in it."""

    configuration: Configuration = "3d_fullres"
    """nnU-Net's: `2d` or `3d_fullres`."""
    reduction: Reduction | None = None
    """Smaller plans than nnU-Net's own, for a small machine: the table below."""

    @model_validator(mode="after")
    def _reduces_its_axes(self) -> Plan:
        if self.reduction:
            self.reduction.check_axes(self.configuration)
        return self


class Baseline(Table):
    """What stands beside the models and is in no comparison: one of a shape, a network of another
    configuration, and another's program.

    Shape and network learn from the general model's training set.
    """

    shape: Literal["mean"] | None = None
    """`"mean"`: the mean shape of the general model's training masks, outlined in every image: no
    network (step `shape`)."""
    configuration: Configuration | None = None
    """An nnU-Net of that configuration, `2d` or `3d_fullres`, from the general model's training
    set, by plans of its own, for as many steps."""
    reduction: Reduction | None = None
    """Of that nnU-Net, needed where `[plan]` has one; two axes (y, x) in 2D."""
    command: Said | None = None
    """A program of others, which must be installed where its step `program` runs: with `{image}`,
    the file to read, and `{mask}`, the one to write."""
    version: Said | None = None
    """A command line that prints the version of the program, which `program.json` beside its masks
    keeps."""
    trained_on: Annotated[list[Name], Distinct] = []
    """Datasets that the program's training has seen, maybe with what is for testing here: the
    report marks them."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Baseline:
        told = (self.shape, self.configuration, self.command)
        if sum(value is not None for value in told) != 1:
            raise ValueError("needs one of shape, configuration and command")
        if self.reduction and not self.configuration:
            raise ValueError("reduction: it is of a network; needs configuration")
        if self.reduction and self.configuration:
            self.reduction.check_axes(self.configuration)
        if self.trained_on and not self.command:
            raise ValueError("trained_on: it is of a program; needs command")
        if self.version and not self.command:
            raise ValueError("version: it is of a program; needs command")
        return self

    @model_validator(mode="after")
    def _names_its_files(self) -> Baseline:
        words_of(self.version or "", key="version")
        words = words_of(self.command or "")
        for name in ("{image}", "{mask}") if self.command else ():
            if not any(name in word for word in words):
                raise ValueError(f"command: {name} must stand in it")
        return self


def words_of(command: str, *, key: str = "command") -> list[str]:
    """The words of a command line. Raises ValueError, with the key that holds it, for one that is
    none."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


class Train(Table):
    """The same training for every model: fairness by default."""

    folds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), Distinct] = [
        0,
        1,
        2,
        3,
        4,
    ]
    """Those of `[split]` that a network is trained for, from 0; all of them where this is not
    said. A model is the average of its networks."""
    seed: int = 1
    """Of weights and batches."""
    replicates: Count = 1
    """Trainings of each model, the n-th with the seed `seed` + n - 1; judging takes the first,
    and the spread of all says how much a difference means."""
    replicates_of: dict[Name, Count] = {}
    """Trainings of some models, in place of that number: `{ general = 3 }`."""
    identical: Literal["here", "anywhere"] = "anywhere"
    """Whether a checkpoint has the same bytes on every processor with AVX2, or (faster, and on
    GPUs) on those of one kind: `../docs/determinism.md`."""
    epochs: Count = 1000
    """As nnU-Net has it; `epochs` times `iterations` steps in all."""
    iterations: Count = 250
    """Steps of an epoch."""
    validations: Count = 50
    """Batches of the fold that is held out, which an epoch ends with."""


class Fairness(Table):
    """What keeps a comparison of models from being one of something else.

    Plans of the general model for all, every dataset (not case) drawn alike, a general model no
    larger than the largest specific one (in images, in people), general models without one dataset
    each, models trained longer or shorter (a deviation).
    """

    plans: Literal["per-model", "shared"] = "per-model"
    """`"per-model"`: each model has nnU-Net's plans of its own training data; `"shared"`: all have
    those of the general model, or, with `leave_one_out`, of the model of the most datasets that
    sees none left out."""
    sampling: Literal["cases", "datasets"] = "cases"
    """What a batch of a merged model draws with like chance: `"cases"` or `"datasets"`."""
    size_matched: Annotated[list[Literal["images", "people"]], Distinct] = []
    """`["images", "people"]` or one of them: adds `size-matched`, general, from as many images as
    the largest of its datasets has; `size-matched-people`, from as many people, with all of their
    images. `true` is `["images"]`."""
    leave_one_out: bool | Annotated[list[Name], Distinct] = False
    """Adds a model `without-<dataset>` for each dataset of the general one, or for those of a
    list."""
    epochs: dict[Name, Count] = {}
    """Models that are trained longer or shorter, such as `{ general = 1600 }`; none: all alike."""

    @field_validator("size_matched", mode="before")
    @classmethod
    def _is_by_images(cls, told: object) -> object:
        """`true` is by images."""
        return (["images"] if told else []) if isinstance(told, bool) else told


class Predict(Table):
    """Test-time mirroring (axes of z, y, x as 0, 1, 2) and overlap of tiles."""

    mirror_axes: Annotated[list[Literal[0, 1, 2]], Distinct] = []
    """Axes of z, y, x, as 0, 1, 2, along which an image is mirrored and predicted too; nnU-Net
    takes all three, which takes eight times as long."""
    tile_step: Annotated[float, Field(gt=0, le=1)] = 0.5
    """How far a tile lies from the next, as a share of its size."""


class Judge(Table):
    """How models are judged: tolerance of the surface Dice, margin of equivalence (in Dice), the
    Dice below which a case is a failure, what is drawn at random."""

    nsd_tolerance_mm: Annotated[float, Field(gt=0)] = 1.0
    """How far surfaces may lie apart and count as one."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """Of equivalence, in Dice; below 1."""
    failure_dice: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The Dice below which a case is a failure; at most 1."""
    resamples: Annotated[int, Field(ge=500)] = 10_000
    """Of the statistics; at least 500."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Of what they draw at random; at least 0."""


def check_distinct(datasets: Mapping[str, Dataset], models: Mapping[str, ModelTable]) -> None:
    """Raise ValueError where two have one path, or one number."""
    paths = [dataset.path for dataset in datasets.values()]
    if len(set(paths)) < len(paths):
        raise ValueError("datasets: two of them have the same path")
    numbers: dict[int, str] = {}
    for name, dataset in datasets.items():
        other = numbers.setdefault(dataset.number, name)
        if other != name:
            raise ValueError(f"datasets.{name}.number: {dataset.number} is that of {other}")
    for name, table in models.items():
        if table.number is None:
            continue
        other = numbers.setdefault(table.number, name)
        if other != name:
            raise ValueError(f"models.{name}.number: {table.number} is that of {other}")


class Study(Table):
    """A whole study. `name` is that of its file.

    In one that trains nothing, all that is about training is that of `trained_in`, or of the
    release that is `given`.
    """

    name: Name
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    models: Annotated[dict[Name, ModelTable], Field(min_length=1)]
    split: Split = Split()
    plan: Plan = Plan()
    train: Train = Train()
    predict: Predict = Predict()
    fairness: Fairness = Fairness()
    baselines: dict[Name, Baseline] = {}
    judge: Judge = Judge()
    task: Task = Task()
    release: Release | None = None
    """Without it no model is packed for others."""
    trained_in: Study | None = None
    """The study whose models are judged here; None for one that trains its own."""
    given: Given | None = None
    """The release whose model is judged here; None for a study of models that were trained here."""

    @property
    def trains(self) -> bool:
        """Whether it trains the models that it judges."""
        return self.trained_in is None and self.given is None

    @model_validator(mode="before")
    @classmethod
    def _trains_every_fold(cls, told: object) -> object:
        """`train.folds` are all of `split.folds` where the file does not say which."""
        if not isinstance(told, dict):
            return told
        split, train = told.get("split", {}), told.get("train", {})
        if not isinstance(split, dict) or not isinstance(train, dict) or "folds" in train:
            return told
        folds = split.get("folds", Split().folds)
        if not isinstance(folds, int) or not 2 <= folds <= MOST_FOLDS:
            return told
        return {**told, "train": {**train, "folds": list(range(folds))}}

    @model_validator(mode="after")
    def _models_learn_from_training_sets(self) -> Study:
        datasets = (self.trained_in or self).datasets
        known = {name for name, dataset in datasets.items() if dataset.role == "train"}
        lines = []
        for model, table in self.models.items():
            for name in sorted(set(table.datasets) - known):
                lines.append(f'models.{model}: {name!r} is not a dataset with role "train"')
        if lines:
            raise ValueError("\n".join(lines))
        return self

    @model_validator(mode="after")
    def _folds_are_there(self) -> Study:
        last = max(self.train.folds)
        if last >= self.split.folds:
            raise ValueError(
                f"train.folds: there is no fold {last}, split.folds is {self.split.folds}"
            )
        return self

    @model_validator(mode="after")
    def _shapes_have_sections(self) -> Study:
        for name, baseline in self.baselines.items():
            if baseline.shape and not self.task.areas:
                raise ValueError(
                    f"baselines.{name}: a mean shape is a disc in each slice, of a structure that "
                    "runs along the body: task.areas is false"
                )
        return self

    @model_validator(mode="after")
    def _nothing_is_twice(self) -> Study:
        check_distinct(self.datasets, self.models)
        return self
