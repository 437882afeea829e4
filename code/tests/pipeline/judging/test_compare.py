"""The step: which tables it writes, from which."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from cordstudy.base.tables import write_json, write_table
from cordstudy.pipeline.judging.compare import command
from simulated import SPECIFICS, judged_model, settings, simulated

TABLES = ("summary", "comparisons", "strata", "replicates", "sizes")


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """The arguments for a study of a model that is matched by size, but for what was learned."""
    scores = simulated(np.random.default_rng(1), n=9, shift=0.1, testsets="au", more=("matched",))
    scores["case_id"] = scores["testset"] + "_" + scores["participant_id"]
    scores.to_csv(tmp_path / "cases.tsv", sep="\t", index=False)
    judged = settings(judged_model("matched", "size-matched", SPECIFICS), datasets="au")
    write_json(tmp_path / "judging.json", judged.model_dump())
    return [str(tmp_path / "cases.tsv"), "--judging", str(tmp_path / "judging.json")]


def trained_on(folder: Path, model: str, images: int) -> list[str]:
    """The option that tells what a model learned from."""
    columns = ("dataset", "participant_id", "person", "label_origin", "part")
    rows = [("d", f"sub-{n}", f"sub-{n}", "manual", "train") for n in range(images)]
    write_table(folder / f"{model}.tsv", columns, rows)
    return ["--training", model, str(folder / f"{model}.tsv")]


def compared(arguments: list[str], out: Path) -> pd.DataFrame:
    done = CliRunner().invoke(command, [*arguments, "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return pd.read_csv(out / "comparisons.tsv", sep="\t")


def test_a_size_matched_model_is_compared_only_with_models_of_its_size(given, tmp_path):
    learned = trained_on(tmp_path, "matched", 50)
    for model, images in (("a", 54), ("b", 8), ("c", 46)):
        learned += trained_on(tmp_path, model, images)
    table = compared([*given, *learned], tmp_path / "out")
    matched = table[table["family"] == "size-matched"]
    assert set(matched["specific"]) == {"a", "c"} and set(matched["role"]) == {"exploratory"}
    sizes = pd.read_csv(tmp_path / "out/sizes.tsv", sep="\t")
    assert dict(zip(sizes["model"], sizes["images"])) == {"matched": 50, "a": 54, "b": 8, "c": 46}
    assert not (compared(given, tmp_path / "unknown")["family"] == "size-matched").any()


def test_the_same_cases_give_the_same_bytes(given, tmp_path):
    for out in ("one", "two"):
        compared(given, tmp_path / out)
    for name in TABLES:
        one, two = (tmp_path / out / f"{name}.tsv" for out in ("one", "two"))
        assert one.read_bytes() == two.read_bytes(), name
