"""Means over cases, participants and trainings; tables of them."""

from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_table
from cordstudy.pipeline.judging.comparisons import compare_models
from cordstudy.pipeline.judging.measures import SUMMARISED
from cordstudy.pipeline.judging.rows import read_rows, write_rows
from cordstudy.pipeline.judging.scores import (
    STRATA,
    Spread,
    check_columns,
    failed_persons,
    read_scores,
    read_spreads,
    read_summaries,
    sites,
    spread,
    subject_means,
    summarise,
    write_summaries,
)
from cordstudy.pipeline.judging.strata import strata
from simulated import settings, simulated, table


def test_contrasts_of_a_subject_are_averaged_before_subjects_are():
    scores = table(
        [
            ("m", "t", "sub-1", "T1w", 0.2),
            ("m", "t", "sub-1", "T2w", 0.6),
            ("m", "t", "sub-2", "T1w", 0.8),
        ]
    )
    assert subject_means(scores)["m"].tolist() == pytest.approx([0.4, 0.8])
    (summary,) = summarise(scores, 0.1)
    assert (summary.participants, summary.cases) == (2, 3)
    assert summary.means["dice"] == pytest.approx(0.6)
    assert list(summary.means) == [kind.name for kind in SUMMARISED]


def test_a_person_with_one_failed_case_is_a_failure_and_its_rate_has_an_exact_interval():
    rows = [("m", "t", "sub-1", "T1w", 0.05), ("m", "t", "sub-1", "T2w", 0.8)]
    rows += [("m", "t", f"sub-{n}", "T2w", 0.1 * n) for n in range(2, 10)]
    (summary,) = summarise(table(rows), 0.1)
    outcome = summary.outcome
    assert (outcome.failed, outcome.failed_cases) == (1, 1)
    assert outcome.failure_rate == pytest.approx(1 / 9)
    assert (outcome.failure_low, outcome.failure_high) == pytest.approx((0.0028, 0.4825), abs=1e-4)
    assert (outcome.dice_q1, outcome.dice_median, outcome.dice_q3) == pytest.approx((0.4, 0.5, 0.7))
    failed = failed_persons(table(rows), 0.1)["m"]
    assert failed[failed].index.tolist() == [("t", "sub-1")]


def test_the_site_of_a_person_is_the_first_that_is_known():
    scores = table([("m", "t", f"sub-{n}", "T2w", 0.5) for n in (1, 1, 2)])
    assert sites(scores) == {}
    assert sites(scores.assign(site=["n/a", "x", "n/a"])) == {("t", "sub-1"): "x"}


NO_SITE = ["", " ", "n/a", "N/A", "nan", "NaN", "NA", "None", "unknown", "-"]
A_SITE = ["0", "007", "1e5", "inf", "TRUE", "Nancy", "x"]


@pytest.mark.parametrize("told", [*NO_SITE, *A_SITE])
def test_a_site_is_text_and_not_known_where_tables_of_participants_say_so(tmp_path, told):
    written = simulated(np.random.default_rng(1), n=3, shift=0.0).assign(site=told)
    written["case_id"] = [f"x{number}" for number in range(len(written))]
    write_table(tmp_path / "cases.tsv", list(written.columns), written.itertuples(index=False))
    read = read_scores(tmp_path / "cases.tsv")
    assert read["site"].tolist() == [told] * len(written), "in the table it is what it was"
    assert set(sites(read).values()) == ({told} if told in A_SITE else set())
    rows = compare_models(read, settings())
    assert {row.sites for row in rows} == {int(told in A_SITE)}


def test_an_area_that_is_not_known_counts_in_no_mean():
    """A person whose cord was found in one image has that one's error; one without any, none."""
    scores = table([("m", "t", f"sub-{n}", contrast, 0.5) for n in (1, 2, 3) for contrast in "ab"])
    scores["csa_error_mm2"] = [4.0, np.nan, 1.0, 3.0, np.nan, np.nan]
    (summary,) = summarise(scores, 0.1)
    assert (summary.participants, summary.means["csa_error_mm2"]) == (3, 3.0)
    assert (summary.cases, summary.csa_error_cases) == (6, 3)
    (none,) = summarise(scores.assign(csa_error_mm2=np.nan), 0.1)
    assert none.csa_error_cases == 0 and np.isnan(none.means["csa_error_mm2"])
    (every,) = summarise(scores.assign(csa_error_mm2=0.0, replicate=[1] * 5 + [2]), 0.1)
    assert (every.cases, every.csa_error_cases) == (5, 5), "of the first training alone"


def test_several_ids_of_a_person_are_one_unit_of_every_mean_and_count():
    rows = []
    for model, shift in (("general", 0.1), ("a", 0.0), ("b", 0.0), ("c", 0.0)):
        for name, dice in (("sub-1Ses1", 0.2), ("sub-1Ses2", 0.6), ("sub-2", 0.8)):
            rows.append((model, "a", name, "T2w", dice + shift))
    scores = table(rows).assign(person=["1", "1", "sub-2"] * 4, case_id=["x", "y", "z"] * 4)
    assert subject_means(scores)["a"].tolist() == pytest.approx([0.4, 0.8])
    for summary in summarise(scores, 0.1):
        assert (summary.participants, summary.cases) == (2, 3)
        assert summary.means["dice"] == pytest.approx(0.7 if summary.model == "general" else 0.6)
    assert spread(scores)[1].dice_mean == pytest.approx(0.6)
    judged = settings(datasets="a")
    assert {row.subjects for row in compare_models(scores, judged)} == {2}
    assert {(row.subjects, row.cases) for row in strata(scores, judged)} == {(2, 3)}


@pytest.mark.parametrize("told", ["nan", "NA", "007", "1", "1e5", "None", "", "n/a", "TRUE", "inf"])
def test_what_a_column_of_text_holds_is_a_value_whatever_it_reads_like(tmp_path, told):
    written = simulated(np.random.default_rng(1), n=2, shift=0.0).assign(more=told)
    written["case_id"] = [f"x{number}" for number in range(len(written))]
    names = ["participant_id", "person", *STRATA]
    for name in names:
        written[name] = told
    written.loc[0, "hd95_mm"] = np.nan
    write_table(tmp_path / "cases.tsv", list(written.columns), written.itertuples(index=False))
    read = read_scores(tmp_path / "cases.tsv")
    assert (read[[*names, "more"]] == told).all(axis=None)
    assert read["hd95_mm"].isna().tolist() == [True, *[False] * (len(read) - 1)]
    assert {row.value for row in strata(read, settings())} == {told}


def test_a_table_without_persons_has_each_participant_as_one(tmp_path):
    written = simulated(np.random.default_rng(1), n=2, shift=0.0).drop(columns="person")
    write_table(tmp_path / "cases.tsv", list(written.columns), written.itertuples(index=False))
    read = read_scores(tmp_path / "cases.tsv")
    assert read["person"].tolist() == written["participant_id"].tolist()


def test_a_column_of_numbers_that_holds_words_is_an_error(tmp_path):
    written = simulated(np.random.default_rng(1), n=2, shift=0.0).assign(dice="good")
    write_table(tmp_path / "cases.tsv", list(written.columns), written.itertuples(index=False))
    with pytest.raises(StudyError, match="the column 'dice' holds words"):
        read_scores(tmp_path / "cases.tsv")


@pytest.mark.parametrize("told", ["", " ", "n/a", "NaN", "True", "1_0", "0x1", "1,5", "1e", "--1"])
def test_what_is_no_number_is_told(tmp_path, told):
    written = simulated(np.random.default_rng(1), n=2, shift=0.0)
    written["dice"] = [told, *["0.5"] * (len(written) - 1)]
    write_table(tmp_path / "cases.tsv", list(written.columns), written.itertuples(index=False))
    with pytest.raises(StudyError, match=f"'dice' holds words: {told!r}"):
        read_scores(tmp_path / "cases.tsv")


@pytest.mark.parametrize("told", ["0.25", ".25", "+.25", "25e-2", "2.5E-01", "0.250000"])
def test_a_number_is_one_however_it_is_written(tmp_path, told):
    written = simulated(np.random.default_rng(1), n=2, shift=0.0)
    written["dice"] = [told, *["0.5"] * (len(written) - 1)]
    write_table(tmp_path / "cases.tsv", list(written.columns), written.itertuples(index=False))
    assert read_scores(tmp_path / "cases.tsv")["dice"].tolist()[:2] == [0.25, 0.5]


NO_TABLE = {
    "empty": lambda text: b"",
    "a line break": lambda text: b"\n",
    "line breaks of others": lambda text: b"\r\n\r\n",
    "blanks": lambda text: b"\t \t\n",
    "a byte order mark alone": lambda text: b"\xef\xbb\xbf\n",
    "a header alone": lambda text: text[: text.index(b"\n") + 1],
    "a header without its line's end": lambda text: text[: text.index(b"\n")],
    "NUL": lambda text: text.replace(b"T2w", b"T2\0", 1),
    "NUL at the end": lambda text: text + b"\0",
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "half a row": lambda text: text[:-9],
    "an open quote": lambda text: text.replace(b"T2w", b'"T2w', 1),
}


@pytest.mark.parametrize("fault", NO_TABLE)
def test_a_table_of_cases_that_is_none_is_one_error_with_its_path(tmp_path, fault):
    path = tmp_path / "cases.tsv"
    written = simulated(np.random.default_rng(1), n=2, shift=0.0)
    write_table(path, list(written.columns), written.itertuples(index=False))
    path.write_bytes(NO_TABLE[fault](path.read_bytes()))
    with pytest.raises(StudyError, match=r"cases\.tsv"):
        read_scores(path)


def test_a_table_of_cases_is_read_as_spreadsheets_write_it(tmp_path):
    path = tmp_path / "cases.tsv"
    written = simulated(np.random.default_rng(1), n=2, shift=0.0)
    write_table(path, list(written.columns), written.itertuples(index=False))
    plain, text = read_scores(path), path.read_bytes()
    for other in (
        b"\xef\xbb\xbf" + text,
        text.replace(b"\n", b"\r\n"),
        text.replace(b"\n", b"\t\t\n"),
        b"\n" + text + b"\n\n",
        text.rstrip(),
    ):
        path.write_bytes(other)
        pd.testing.assert_frame_equal(read_scores(path), plain)
    assert plain["dice"].dtype.kind == "f" and plain["replicate"].dtype.kind == "i"


def test_the_spread_of_retraining_is_over_trainings_of_means_over_participants():
    rows = []
    for replicate, participant, dice in (
        (1, "a", 0.2),
        (1, "a", 0.4),
        (1, "b", 0.7),
        (2, "a", 0.5),
        (2, "b", 0.9),
    ):
        rows.append(("m", replicate, "t", participant, dice))
    columns = ["model", "replicate", "testset", "person", "dice"]
    (row,) = spread(pd.DataFrame(rows, columns=columns))
    told = (row.trainings, row.dice_mean, row.dice_min, row.dice_max)
    assert told == pytest.approx((2, 0.6, 0.5, 0.7))
    assert row.dice_sd == pytest.approx(2**0.5 / 10)


def test_tables_are_read_as_they_were_written(tmp_path):
    scores = simulated(np.random.default_rng(1), n=3, shift=0.01).round(6)
    scores.loc[0, "relative_volume_error"] = np.inf
    summaries = summarise(scores, 0.1)
    write_summaries(tmp_path / "summary.tsv", summaries)
    for read, made in zip(read_summaries(tmp_path / "summary.tsv"), summaries, strict=True):
        assert (read.model, read.testset, read.cases) == (made.model, made.testset, made.cases)
        assert read.means == pytest.approx(made.means, abs=1e-6)
        assert astuple(read.outcome) == pytest.approx(astuple(made.outcome), abs=1e-6)
        assert read.csa_error_cases == made.csa_error_cases == made.cases == 3
    table = pd.read_csv(tmp_path / "summary.tsv", sep="\t")
    before = table.drop(columns="csa_error_cases")
    before.to_csv(tmp_path / "before.tsv", sep="\t", index=False)
    assert {one.csa_error_cases for one in read_summaries(tmp_path / "before.tsv")} == {None}
    assert summaries[0].means["relative_volume_error"] == np.inf
    spreads = spread(scores)
    write_rows(tmp_path / "replicates.tsv", Spread, spreads)
    for row, made in zip(read_spreads(tmp_path / "replicates.tsv"), spreads, strict=True):
        assert row.dice_mean == pytest.approx(made.dice_mean, abs=1e-6)
        assert np.isnan(row.dice_sd), "one training has no spread"


def test_a_table_of_other_rows_is_an_error_that_names_it_and_the_step(tmp_path):
    path = tmp_path / "replicates.tsv"
    header = "model\ttestset\ttrainings\tdice_mean\tdice_sd\tdice_min\tdice_max\n"
    path.write_text(f"{header}m\tt\tmany\t0\t0\t0\t0\n")
    with pytest.raises(StudyError, match=r"replicates\.tsv: no spread: trainings") as raised:
        read_rows(path, Spread, what="spread", step="compare")
    assert raised.value.hint == "code/study run compare"


def test_a_table_of_cases_that_lacks_a_column_is_told(tmp_path):
    scores = simulated(np.random.default_rng(1), n=3, shift=0.01).assign(case_id="x")
    check_columns(scores, tmp_path, areas=True)
    with pytest.raises(StudyError, match="no column 'vendor'"):
        check_columns(scores.drop(columns="vendor"), tmp_path, areas=True)
