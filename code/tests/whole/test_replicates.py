"""Several trainings of a model: each its own seed; the first is judged, all tell the spread."""

from pathlib import Path

import pandas as pd
import pytest


def table(study: Path, name: str) -> pd.DataFrame:
    """A table of the evaluation."""
    return pd.read_csv(study / f"derivatives/tiny/evaluation/{name}.tsv", sep="\t")


def test_replicates_have_seeds_of_their_own(tiny):
    checkpoints = list((tiny / "models/tiny/inspired").rglob("checkpoint_final.pth"))
    assert len(checkpoints) == 2
    assert len({path.readlink().name for path in checkpoints}) == 2


def test_the_spread_of_replicates_is_told_of_every_model_and_test_set(tiny):
    scores, replicates = table(tiny, "cases"), table(tiny, "replicates")
    judged = scores[["model", "testset", "replicate"]].drop_duplicates()
    counted = judged.groupby(["model", "testset"]).size()
    told = replicates.set_index(["model", "testset"])["trainings"]
    assert told.sort_index().to_dict() == counted.to_dict()
    assert set(counted["inspired"]) == {2} and set(counted["general"]) == {1}


def test_a_model_is_judged_by_its_first_training(tiny):
    scores, summary = table(tiny, "cases"), table(tiny, "summary")
    chosen = "model == 'inspired' and testset == 'epi'"
    first = scores.query(f"{chosen} and replicate == 1")
    means = first.groupby("participant_id").dice.mean()
    assert summary.query(chosen).iloc[0].dice == pytest.approx(means.mean(), abs=1e-6)
