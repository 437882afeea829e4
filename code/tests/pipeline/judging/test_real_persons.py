"""Real images of people whom the source gives several ids, from their rules to the statistics.

No model is needed: predictions are the references, by all models but one eroded by a voxel.
"""

import csv
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from cordstudy.base.tables import write_json, write_table
from cordstudy.pipeline.judging.comparisons import compare_models
from cordstudy.pipeline.judging.evaluate import COLUMNS, pairs, score
from cordstudy.pipeline.judging.leakage import Side, compare_all
from cordstudy.pipeline.judging.scores import read_scores, spread, summarise
from cordstudy.pipeline.judging.strata import strata
from cordstudy.pipeline.learning.plan import subject_folds
from cordstudy.pipeline.raw.convert import convert
from cordstudy.pipeline.raw.layout import read_cases
from cordstudy.pipeline.sources.rules import Rules
from cordstudy.pipeline.sources.split import write_splits
from simulated import settings

PERSON = r"sub-(\d+)Ses"
GM = {
    "name": "gm",
    "path": "inputs/gm-challenge",
    "role": "test",
    "images": ["anat/run-1_T2starw"],
    "labels": "derivatives/labels",
    "mask": "{stem}_seg-manual",
    "person": PERSON,
}
UNF = GM | {
    "name": "unf",
    "path": "inputs/spine-generic-unf",
    "images": ["anat/T1w", "anat/T2w", "anat/T2star"],
    "person": None,
}
EPI = UNF | {
    "name": "epi",
    "path": "inputs/epi-leipzig",
    "images": ["func/task-rest_rec-MoCoMean_bold"],
    "labels": "derivatives/label",
    "mask": "{subject}_task-rest_desc-spinalcordmask",
}
NAMES = ("gm", "unf", "epi")
IDS = {"9709": ["sub-9709Ses1", "sub-9709Ses2"], "10062": ["sub-10062Ses1", "sub-10062Ses2"]}


@pytest.fixture
def folder(real_mri: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder with the real sources in it, the working folder."""
    shutil.copytree(real_mri, tmp_path / "inputs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CORDSTUDY_WORKERS", "1")  # in this process
    return tmp_path


def divide(*sources: dict, seed: int = 1) -> dict[str, list[dict[str, str]]]:
    """Divide sources, as a study does; the rows of each table."""
    for source in sources:
        rules = Rules.model_validate(source)
        write_json(Path(f"{rules.name}.json"), rules.model_dump())
    write_splits(
        [Path(f"{source['name']}.json") for source in sources],
        Path("splits"),
        seed=seed,
        test_fraction=0.25,
        folds=2,
        stratify=[],
        published_splits={},
    )
    tables = {}
    for source in sources:
        text = Path(f"splits/{source['name']}.tsv").read_text()
        tables[source["name"]] = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    return tables


def raw_of(name: str) -> Path:
    return Path(f"Dataset{501 + NAMES.index(name)}_{name}")


def converted(*sources: dict, seed: int = 1) -> list[Path]:
    """The raw datasets of sources, as a study has them."""
    divide(*sources, seed=seed)
    for source in sources:
        name = source["name"]
        convert(Path(f"{name}.json"), Path(f"splits/{name}.tsv"), raw_of(name))
    return [raw_of(source["name"]) for source in sources]


def predict(raws: list[Path], model: str, *, eroded: bool) -> None:
    """Masks of a model that knows the reference."""
    for raw in raws:
        for case in read_cases(raw):
            if not case.is_to_test:
                continue
            reference = nib.load(raw / f"labelsTs/{case.case_id}.nii.gz")
            mask = np.asanyarray(reference.dataobj) > 0
            if eroded:
                mask = binary_erosion(mask)
            out = Path(f"predictions/{model}/{case.dataset}/{case.case_id}.nii.gz")
            out.parent.mkdir(parents=True, exist_ok=True)
            nib.Nifti1Image(mask.astype(np.uint8), reference.affine).to_filename(out)


def test_both_ids_of_a_real_person_have_one_part_and_one_fold_with_any_seed(folder):
    for seed in range(12):
        rows = divide(GM | {"role": "train"}, seed=seed)["gm"]
        places = {row["participant_id"]: (row["part"], row["fold"]) for row in rows}
        assert len(places) == 6
        for ids in IDS.values():
            assert len({places[name] for name in ids}) == 1
        tested = {name.partition("Ses")[0] for name, (part, _) in places.items() if part == "test"}
        assert len(tested) == 1, "of four persons"


def test_real_people_are_judged_as_persons_and_every_source_is(folder):
    raws = converted(GM, UNF, EPI)
    cases = [case for raw in raws for case in read_cases(raw)]
    assert [len(read_cases(raw)) for raw in raws] == [6, 3, 1]
    assert len({case.person for case in cases if case.dataset == "gm"}) == 4
    models = ("general", "a", "b", "c")
    for model in models:
        predict(raws, model, eroded=model != "general")
    found = pairs(raws, [Path("predictions") / model for model in models], 1.0)
    write_table(Path("cases.tsv"), COLUMNS, [score(pair).row() for pair in found])
    scores = read_scores(Path("cases.tsv"))
    summaries = summarise(scores, settings().failure_dice)
    counts = {(row.testset, row.participants, row.cases) for row in summaries}
    assert counts == {("gm", 4, 6), ("unf", 1, 3), ("epi", 1, 1)}
    judged = settings().model_copy(update={"datasets": tuple(settings(datasets=[*NAMES]).datasets)})
    for row in compare_models(scores, judged):
        assert row.subjects == (4 if row.testset == "gm" else 1)
        assert row.model_mean == 1 and 0.1 < row.specific_mean < 0.95
    assert {row.trainings for row in spread(scores)} == {1}
    whole = [row for row in strata(scores, judged) if row.testset == "gm"]
    assert {(row.subjects, row.cases) for row in whole if row.stratum == "contrast"} == {(4, 6)}


def test_no_real_person_who_is_trained_on_is_validated_or_tested_on(folder):
    raws = converted(GM | {"role": "train"}, UNF, EPI)
    cases = {case.case_id: case for case in read_cases(raws[0])}
    folds = subject_folds(raws[0] / "cases.tsv", 2)
    for fold in folds:
        train, val = ({cases[name].person for name in fold[side]} for side in ("train", "val"))
        assert train and val and not train & val
    write_json(Path("model/splits_final.json"), folds)
    found = compare_all([Side("general", raws[0], Path("model"))], raws)
    assert {one.n_hits for one in found} == {0}
    (subject,) = [one for one in found if (one.against, one.compared) == ("test: gm", "subject")]
    assert (subject.n_train, subject.n_against) == (3, 1)


def test_a_fold_that_holds_out_one_id_of_a_real_person_and_trains_on_the_other_is_found(folder):
    (raw,) = converted(GM | {"role": "train"})
    trained = [case.case_id for case in read_cases(raw) if case.is_to_train]
    first, second = [name for name in trained if "9709" in name or "10062" in name][:2]
    others = [name for name in trained if name != second]
    write_json(Path("model/splits_final.json"), [{"train": others, "val": [second]}])
    found = compare_all([Side("general", raw, Path("model"))], [raw])
    (hit,) = [one for one in found if one.n_hits]
    assert (hit.against, hit.compared) == ("validation", "subject")
    assert hit.hits == f"{first} = {second}"
