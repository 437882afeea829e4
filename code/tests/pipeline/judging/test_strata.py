"""Strata: which cases they have."""

import numpy as np
import pandas as pd
import pytest

from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.strata import Stratum, read_strata, strata
from simulated import settings, simulated, table


@pytest.fixture
def scores() -> pd.DataFrame:
    """Three cases of two people by each model, one reference made by a model."""
    rows = []
    for model in ("general", "a", "b", "c"):
        more = 0.1 if model == "general" else 0.0
        rows.append((model, "a", "sub-1", "T1w", 0.2 + more))
        rows.append((model, "a", "sub-1", "T2w", 0.6 + more))
        rows.append((model, "a", "sub-2", "T1w", 0.8 + more))
    return table(rows).assign(label_origin=["manual", "model", "corrected"] * 4)


def test_a_stratum_has_the_cases_of_its_kind_and_masks_that_no_model_made_are_one(scores):
    rows = [row for row in strata(scores, settings()) if row.specific == "b"]
    found = {(row.stratum, row.value): row for row in rows}
    assert (found["contrast", "T1w"].subjects, found["contrast", "T1w"].cases) == (2, 2)
    assert found["contrast", "T1w"].specific_mean == pytest.approx(0.5)
    assert found["reference", "not made by a model"].general_mean == pytest.approx(0.6)
    assert found["label_origin", "model"].subjects == 1
    assert [row.difference for row in rows] == pytest.approx([0.1] * len(rows))


def test_masks_of_people_are_a_stratum_only_where_some_are_a_models(scores):
    assert any(row.stratum == "reference" for row in strata(scores, settings()))
    people = strata(scores.assign(label_origin="manual"), settings())
    assert people and not any(row.stratum == "reference" for row in people)


def test_sites_and_field_strengths_are_strata_where_they_are_known(scores):
    assert not any(row.stratum in ("site", "field_strength") for row in strata(scores, settings()))
    known = scores.assign(site=["x", "x", "y"] * 4, field_strength="n/a")
    rows = [row for row in strata(known, settings()) if row.specific == "b"]
    found = {(row.stratum, row.value): row.subjects for row in rows}
    assert found["site", "x"] == 1 and found["site", "y"] == 1
    assert not any(row.stratum == "field_strength" for row in rows)


def test_strata_are_read_as_they_were_written(scores, tmp_path):
    rows = strata(scores, settings())
    write_rows(tmp_path / "strata.tsv", Stratum, rows)
    read = pd.DataFrame(read_strata(tmp_path / "strata.tsv"))
    pd.testing.assert_frame_equal(read, pd.DataFrame(rows), atol=1e-6)


def test_sites_and_field_strengths_are_told_apart_where_a_test_set_has_several():
    scores = simulated(np.random.default_rng(1), n=4, shift=0.0)
    assert not {row.stratum for row in strata(scores, settings())} & {"site", "field_strength"}
    of_two = scores["participant_id"].isin(["sub-0", "sub-1"])
    scores["site"] = np.where(of_two, "bern", "n/a")
    scores["field_strength"] = "3"
    told = [row for row in strata(scores, settings()) if row.stratum == "site"]
    assert {(row.value, row.subjects) for row in told} == {("bern", 2), ("n/a", 2)}
    assert not [row for row in strata(scores, settings()) if row.stratum == "field_strength"]
