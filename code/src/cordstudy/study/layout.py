"""Where everything of a study lies, relative to its root.

Owns: the path of each output and of each parameter file.
Does not own: what is written there (`steps`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from cordstudy.study.models import Model, configuration
from cordstudy.study.schema import Study

TRAINER = "nnUNetTrainerRepeatable"
PLANS = "nnUNetPlans"


@dataclass(frozen=True)
class Layout:
    """The paths of one study, all of them relative to the root of the dataset."""

    study: Study

    @property
    def derivatives(self) -> str:
        """Folder of everything made but models."""
        return f"derivatives/{self.study.name}"

    @property
    def parameters(self) -> str:
        """Folder of the parameter files."""
        return f"code/studies/{self.study.name}"

    @property
    def judging(self) -> str:
        """The small file that says what the models and datasets are: a parameter of judging."""
        return f"{self.parameters}/judging.json"

    def rules(self, dataset: str) -> str:
        """The small file with the rules of one dataset: the parameters of its steps."""
        return f"{self.parameters}/{dataset}.json"

    @property
    def evaluation(self) -> str:
        """Folder of the tables."""
        return f"{self.derivatives}/evaluation"

    @property
    def cases_table(self) -> str:
        """One row a judged case."""
        return f"{self.evaluation}/cases.tsv"

    @property
    def leakage_table(self) -> str:
        """One row a comparison of two sides that must have nothing in common."""
        return f"{self.evaluation}/leakage.tsv"

    @property
    def cohort_tables(self) -> list[str]:
        """What `cohort` writes: from participants to cases, who they are, their reference masks."""
        return [f"{self.evaluation}/{name}.tsv" for name in ("flow", "cohort", "references")]

    @property
    def summary_table(self) -> str:
        """One row a model and test set."""
        return f"{self.evaluation}/summary.tsv"

    @property
    def sizes_table(self) -> str:
        """One row a model: what it learned from, counted."""
        return f"{self.evaluation}/sizes.tsv"

    @property
    def comparison_tables(self) -> list[str]:
        """What `compare` writes: the summary, comparisons of models, strata, the spread of
        retraining, the sizes of training sets, agreement of areas if those are measured, Dice by
        components kept."""
        names = ["summary", "comparisons", "strata", "replicates", "agreement", "components"]
        if not self.study.task.areas:
            names.remove("agreement")
        return [*(f"{self.evaluation}/{name}.tsv" for name in names), self.sizes_table]

    @property
    def report(self) -> str:
        """The page that people read."""
        return f"{self.derivatives}/report/index.html"

    @property
    def forest(self) -> str:
        """The differences that the answer rests on, as a picture of its own."""
        return f"{self.derivatives}/report/forest.png"

    @property
    def segmentation(self) -> str:
        """What the models outline in some cases, as a picture of its own."""
        return f"{self.derivatives}/report/segmentation.png"

    @property
    def notebook(self) -> str:
        """The executed notebook: the same analysis, to be changed."""
        return f"{self.derivatives}/report/results.ipynb"

    @property
    def splits_folder(self) -> str:
        """Folder of the tables of parts."""
        return f"{self.derivatives}/splits"

    def splits(self, dataset: str) -> str:
        """Which participant is in which part."""
        return f"{self.splits_folder}/{dataset}.tsv"

    def raw(self, dataset: str) -> str:
        """nnU-Net raw dataset of a source."""
        return self._raw(self.study.datasets[dataset].number, dataset)

    @property
    def _trained_in(self) -> Layout:
        """Where the models were trained: in this study, or in another."""
        return Layout(self.study.trained_in) if self.study.trained_in else self

    def training_set(self, model: Model) -> str:
        """The folder that tells the cases that a model learns from: its own raw dataset where it
        merges several, or that of the model whose it shares; of a release, what was unpacked."""
        if self.study.given:
            return self.model(model)
        place = self._trained_in
        if model.number is None:
            return place.raw(model.learns_from[0])
        return place._raw(model.number, model.set_of or model.name)

    def _raw(self, number: int, name: str) -> str:
        return f"{self.derivatives}/nnunet-raw/Dataset{number}_{name}"

    def model(self, model: Model) -> str:
        """A trained model in nnU-Net's results layout, or as it was unpacked from a release."""
        if self.study.given:
            return f"models/{self.study.name}/{model.name}/unpacked"
        dataset = PurePosixPath(self.training_set(model)).name
        trainer = f"{TRAINER}__{PLANS}__{configuration(self.study, model)}"
        return f"models/{self._trained_in.study.name}/{model.name}/{dataset}/{trainer}"

    def release(self, model: Model) -> str:
        """A trained model as others take it."""
        return f"models/{self.study.name}/{model.name}/release"

    def replicate(self, model: Model, number: int) -> str:
        """A trained model: its planned folder for the first training, one below it for another."""
        folder = self.model(model)
        return folder if number == 1 else f"{folder}/replicate_{number}"

    def fold(self, model: Model, number: int, fold: int) -> str:
        """One fold of one training of a model."""
        return f"{self.replicate(model, number)}/fold_{fold}"

    def predictions(self, model: Model, number: int) -> str:
        """Masks of all test sets, a folder each, by one training of a model."""
        return f"{self.derivatives}/predictions/{trained(model, number)}"


def trained(model: Model, number: int) -> str:
    """What a training of a model is called: the model's name, with a number from the second on."""
    return model.name if number == 1 else f"{model.name}.{number}"
