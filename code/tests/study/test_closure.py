"""The files that each step consists of, as lists: one more file in a record is a decision.

Whoever changes one of them makes the step's records stale, so a list grows only where the step
cannot do without the file.
"""

import pytest

from cordstudy.study.closure import LOCK, SOURCE, code_files, commands

PACKAGE = "code/src/cordstudy/"
EVERY = {"code/study", LOCK, "base/determinism.py", "base/entry.py", "base/errors.py"}
"""What starts any step, and says what went wrong."""
TEXTS = {"base/tables.py", "base/texts.py", "base/within.py"}
SOURCES = {
    "pipeline/sources/exclude_list.py",
    "pipeline/sources/exclusions.py",
    "pipeline/sources/field_strength.py",
    "pipeline/sources/names.py",
    "pipeline/sources/participants.py",
    "pipeline/sources/parts.py",
    "pipeline/sources/persons.py",
    "pipeline/sources/rules.py",
}
INFERENCE = {
    "base/machine.py",
    "pipeline/learning/checkpoints.py",
    "pipeline/learning/devices.py",
    "pipeline/learning/memory.py",
    "pipeline/learning/networks.py",
    "pipeline/learning/nnunet.py",
    "pipeline/learning/options.py",
    "pipeline/learning/plans.py",
    "pipeline/learning/postprocessing.py",
    "pipeline/learning/predictor.py",
    "pipeline/raw/components.py",
    "pipeline/raw/grids.py",
    "pipeline/raw/headers.py",
    "pipeline/raw/volumes.py",
}
CLOSURES = {
    "phantom": TEXTS
    | {
        "base/machine.py",
        "pipeline/phantom/anatomy.py",
        "pipeline/phantom/descriptions.py",
        "pipeline/phantom/originals.py",
        "pipeline/phantom/phantom.py",
        "pipeline/phantom/scanner.py",
        "pipeline/phantom/tissues.py",
    },
    "split": TEXTS | SOURCES | {"pipeline/sources/split.py"},
    "convert": TEXTS
    | SOURCES
    | {
        "base/machine.py",
        "base/outputs.py",
        "base/processes.py",
        "pipeline/raw/dataset_json.py",
        "pipeline/raw/conversion.py",
        "pipeline/raw/convert.py",
        "pipeline/raw/digests.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/mask_values.py",
        "pipeline/raw/names.py",
        "pipeline/raw/replacing.py",
        "pipeline/raw/grids.py",
        "pipeline/raw/headers.py",
        "pipeline/raw/volumes.py",
        "pipeline/sources/cases.py",
        "pipeline/sources/finding.py",
        "pipeline/sources/images.py",
        "pipeline/sources/keys.py",
        "pipeline/sources/kinds.py",
        "pipeline/sources/label_origin.py",
        "pipeline/sources/makers.py",
        "pipeline/sources/makers.tsv",
    },
    "merge": TEXTS
    | {
        "base/outputs.py",
        "pipeline/raw/dataset_json.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/merge.py",
        "pipeline/raw/names.py",
        "pipeline/raw/replacing.py",
        "pipeline/sources/cases.py",
    },
    "plan": TEXTS
    | {
        "pipeline/learning/nnunet.py",
        "pipeline/learning/plan.py",
        "pipeline/learning/planner.py",
        "pipeline/learning/plans.py",
        "pipeline/raw/names.py",
    },
    "train": TEXTS
    | {
        "base/machine.py",
        "base/outputs.py",
        "pipeline/learning/batches.py",
        "pipeline/learning/checkpoints.py",
        "pipeline/learning/devices.py",
        "pipeline/learning/memory.py",
        "pipeline/learning/nnunet.py",
        "pipeline/learning/options.py",
        "pipeline/learning/plans.py",
        "pipeline/learning/preprocessor.py",
        "pipeline/learning/resuming.py",
        "pipeline/learning/train.py",
        "pipeline/learning/trainer.py",
    },
    "validate": TEXTS | INFERENCE | {"pipeline/learning/validate.py"},
    "predict": TEXTS
    | INFERENCE
    | {
        "base/outputs.py",
        "pipeline/learning/predict.py",
        "pipeline/raw/names.py",
        "pipeline/raw/predictions.py",
    },
    "package": TEXTS
    | {
        "base/outputs.py",
        "pipeline/judging/areas.py",
        "pipeline/judging/masks.py",
        "pipeline/judging/measures.py",
        "pipeline/judging/rows.py",
        "pipeline/judging/scores.py",
        "pipeline/judging/settings.py",
        "pipeline/judging/statistics.py",
        "pipeline/judging/surfaces.py",
        "pipeline/judging/surfels.tsv",
        "pipeline/learning/checkpoints.py",
        "pipeline/learning/options.py",
        "pipeline/learning/plans.py",
        "pipeline/learning/postprocessing.py",
        "pipeline/raw/dataset_json.py",
        "pipeline/raw/grids.py",
        "pipeline/raw/components.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/names.py",
        "pipeline/release/archive.py",
        "pipeline/release/card.md.j2",
        "pipeline/release/case_list.py",
        "pipeline/release/card.py",
        "pipeline/release/facts.py",
        "pipeline/release/inference.py",
        "pipeline/release/load.py.txt",
        "pipeline/release/metadata.py",
        "pipeline/release/package.py",
        "pipeline/release/weights.py",
        "pipeline/sources/cases.py",
    },
    "unpack": TEXTS
    | {
        "base/outputs.py",
        "pipeline/learning/checkpoints.py",
        "pipeline/learning/networks.py",
        "pipeline/learning/options.py",
        "pipeline/learning/plans.py",
        "pipeline/learning/postprocessing.py",
        "pipeline/raw/components.py",
        "pipeline/raw/dataset_json.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/names.py",
        "pipeline/release/archive.py",
        "pipeline/release/case_list.py",
        "pipeline/release/inference.py",
        "pipeline/release/opening.py",
        "pipeline/release/trusting.py",
        "pipeline/release/unpack.py",
        "pipeline/release/unpacking.py",
        "pipeline/sources/cases.py",
    },
    "shape": TEXTS
    | {
        "base/outputs.py",
        "pipeline/baselines/shape.py",
        "pipeline/raw/grids.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/mask_values.py",
        "pipeline/raw/names.py",
        "pipeline/raw/components.py",
        "pipeline/raw/predictions.py",
        "pipeline/raw/headers.py",
        "pipeline/raw/volumes.py",
        "pipeline/sources/cases.py",
    },
    "program": TEXTS
    | {
        "base/machine.py",
        "base/outputs.py",
        "pipeline/baselines/program.py",
        "pipeline/raw/grids.py",
        "pipeline/raw/mask_values.py",
        "pipeline/raw/names.py",
        "pipeline/raw/components.py",
        "pipeline/raw/predictions.py",
        "pipeline/raw/headers.py",
        "pipeline/raw/volumes.py",
    },
    "evaluate": TEXTS
    | {
        "base/machine.py",
        "base/processes.py",
        "pipeline/judging/areas.py",
        "pipeline/judging/evaluate.py",
        "pipeline/judging/masks.py",
        "pipeline/judging/measures.py",
        "pipeline/judging/reading.py",
        "pipeline/raw/components.py",
        "pipeline/judging/surfaces.py",
        "pipeline/judging/surfels.tsv",
        "pipeline/raw/grids.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/mask_values.py",
        "pipeline/raw/names.py",
        "pipeline/raw/headers.py",
        "pipeline/raw/volumes.py",
        "pipeline/sources/cases.py",
    },
    "compare": TEXTS
    | {
        "pipeline/judging/ablation.py",
        "pipeline/judging/agreement.py",
        "pipeline/judging/areas.py",
        "pipeline/judging/compare.py",
        "pipeline/judging/comparisons.py",
        "pipeline/judging/complete.py",
        "pipeline/judging/flips.py",
        "pipeline/judging/masks.py",
        "pipeline/judging/measures.py",
        "pipeline/judging/rows.py",
        "pipeline/judging/scores.py",
        "pipeline/judging/sensitivity.py",
        "pipeline/judging/settings.py",
        "pipeline/judging/sizes.py",
        "pipeline/judging/statistics.py",
        "pipeline/judging/strata.py",
        "pipeline/judging/surfaces.py",
        "pipeline/judging/surfels.tsv",
    },
    "leakage": TEXTS
    | {
        "pipeline/judging/leakage.py",
        "pipeline/judging/rows.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/names.py",
        "pipeline/sources/cases.py",
    },
    "cohort": TEXTS
    | {
        "pipeline/judging/cohort.py",
        "pipeline/judging/flow.py",
        "pipeline/judging/rows.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/names.py",
        "pipeline/sources/cases.py",
    },
    "report": TEXTS
    | {
        "base/machine.py",
        "pipeline/judging/ablation.py",
        "pipeline/judging/agreement.py",
        "pipeline/judging/answer.py",
        "pipeline/judging/cohort.py",
        "pipeline/judging/areas.py",
        "pipeline/judging/comparisons.py",
        "pipeline/judging/flips.py",
        "pipeline/judging/flow.py",
        "pipeline/judging/leakage.py",
        "pipeline/judging/masks.py",
        "pipeline/judging/measures.py",
        "pipeline/judging/reading.py",
        "pipeline/judging/rows.py",
        "pipeline/judging/scores.py",
        "pipeline/judging/sensitivity.py",
        "pipeline/judging/settings.py",
        "pipeline/judging/sizes.py",
        "pipeline/judging/stamp.py",
        "pipeline/judging/statistics.py",
        "pipeline/judging/strata.py",
        "pipeline/judging/surfaces.py",
        "pipeline/judging/surfels.tsv",
        "pipeline/judging/telling.py",
        "pipeline/raw/layout.py",
        "pipeline/raw/mask_values.py",
        "pipeline/raw/names.py",
        "pipeline/raw/grids.py",
        "pipeline/raw/headers.py",
        "pipeline/raw/volumes.py",
        "pipeline/report/agreement_plot.py",
        "pipeline/report/evaluation.py",
        "pipeline/report/figures.py",
        "pipeline/report/gallery.py",
        "pipeline/report/origins.py",
        "pipeline/report/page.css",
        "pipeline/report/page.html.j2",
        "pipeline/report/page.js",
        "pipeline/report/page.py",
        "pipeline/report/pictures.py",
        "pipeline/report/report.py",
        "pipeline/report/sections.py",
        "pipeline/report/sections/cohort.html.j2",
        "pipeline/report/sections/leakage.html.j2",
        "pipeline/report/sections/answer.html.j2",
        "pipeline/report/sections/comparisons.html.j2",
        "pipeline/report/sections/components.html.j2",
        "pipeline/report/sections/failures.html.j2",
        "pipeline/report/sections/tables.html.j2",
        "pipeline/report/standalone.py",
        "pipeline/report/strips.py",
        "pipeline/report/viewer.py",
        "pipeline/report/who.py",
        "pipeline/report/sections/agreement.html.j2",
        "pipeline/report/sections/tolerance.html.j2",
        "pipeline/report/voxels.py",
        "pipeline/sources/cases.py",
    },
    "notebook": TEXTS | {"pipeline/report/notebook.py"},
}
"""What each step has beside that, but for the `__init__` files of the packages on the way."""
APART = {
    "plan": {"trainer", "resuming", "preprocessor", "checkpoints"},
    "train": {"planner", "predictor", "segmenter"},
    "predict": {"trainer", "preprocessor", "planner", "resuming", "batches"},
    "convert": {"split"},
    "shape": {"predict", "program"},
    "program": {"predict", "shape"},
}
"""Modules whose change must not reach a step's records."""


def test_every_step_has_a_list():
    assert CLOSURES.keys() == commands().keys()


@pytest.mark.parametrize("command", CLOSURES)
def test_a_step_consists_of_the_files_of_its_list(command):
    files = set()
    for path in code_files(command):
        if not path.endswith("/__init__.py"):
            files.add(path.removeprefix(PACKAGE))
    assert files == EVERY | CLOSURES[command]


@pytest.mark.parametrize("command", APART)
def test_a_step_holds_nothing_of_what_it_does_not_run(command):
    modules = {path.rpartition("/")[2].removesuffix(".py") for path in code_files(command)}
    known = {path.stem for path in SOURCE.rglob("*.py")}
    assert command in modules and known >= APART[command]
    assert not modules & APART[command]
