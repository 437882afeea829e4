"""The page of made-up studies: what stands on it, and where its numbers lead."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from browser import CHROMIUM, said_by, violations
from cordstudy.pipeline.judging.ablation import Ablation, ablations
from cordstudy.pipeline.judging.agreement import Agreement, agreements
from cordstudy.pipeline.judging.comparisons import Comparison, compare_models
from cordstudy.pipeline.judging.leakage import Overlap
from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.scores import Spread, spread, summarise, write_summaries
from cordstudy.pipeline.judging.settings import Settings
from cordstudy.pipeline.judging.sizes import Size, by_model
from cordstudy.pipeline.judging.strata import Stratum, strata
from cordstudy.pipeline.judging.telling import p_value
from cordstudy.pipeline.report.evaluation import read_evaluation
from cordstudy.pipeline.report.page import Page, number, render
from cordstudy.pipeline.report.viewer import Viewer
from pages import plain
from simulated import SPECIFICS, judged_model, settings, settings_of, simulated, table

OVERLAP = Overlap("general", "0", "validation", "subject", 4, 2, 1, "x = <y>")


def made_page(folder: Path, scores: pd.DataFrame, judged: Settings, *overlaps: Overlap) -> str:
    """A page of these scores, without pictures."""
    scores.to_csv(folder / "cases.tsv", sep="\t", index=False, na_rep="nan")
    write_summaries(folder / "summary.tsv", summarise(scores, judged.failure_dice))
    sizes = [Size(model.name, 10, 5, 0) for model in judged.models]
    rows = compare_models(scores, judged, by_model(sizes))
    write_rows(folder / "comparisons.tsv", Comparison, rows)
    write_rows(folder / "sizes.tsv", Size, sizes)
    write_rows(folder / "strata.tsv", Stratum, strata(scores, judged))
    write_rows(folder / "replicates.tsv", Spread, spread(scores))
    write_rows(folder / "agreement.tsv", Agreement, agreements(scores))
    write_rows(folder / "components.tsv", Ablation, ablations(scores))
    write_rows(folder / "leakage.tsv", Overlap, overlaps or [OVERLAP])
    page = Page(
        settings=judged,
        evaluation=read_evaluation(folder),
        worst=[],
        middle=[],
        published=[],
        unknown_makers=["3 masks of u are of unknown origin: made by '<foo>' (2)"],
        niivue=Viewer("", "0", "its licence"),
    )
    return render(page)


@pytest.fixture
def scores() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    made = simulated(rng, n=6, shift=0.01, testsets="au", more=("size-matched", "without-a"))
    return made.assign(case_id=made["testset"] + made["participant_id"])


@pytest.fixture
def judged() -> Settings:
    matched = judged_model("size-matched", "size-matched", SPECIFICS)
    without = judged_model("without-a", "leave-one-out", "bc", without="a")
    return settings(matched, without, datasets="au")


def test_every_number_that_links_holds_its_command(tmp_path, scores, judged):
    page = made_page(tmp_path, scores, judged)
    linked = re.findall(r'<a href="#how" data-how="([^"]+)">[^<]+</a>', page)
    assert len(linked) == page.count("data-how=")
    assert all(command.startswith("code/study --study s audit ") for command in linked)
    for name in ("summary", "agreement", "comparisons", "leakage"):
        assert any(f"/{name}.tsv:" in command for command in linked), name


def test_each_table_has_a_caption_and_headings_and_each_chart_a_role_and_a_title(
    tmp_path, scores, judged
):
    page = made_page(tmp_path, scores, judged)
    tables = re.findall(r"<table>.*?</table>", page, re.DOTALL)
    captions = [re.match(r"<table>\s*<caption>(.+?)</caption>", table)[1] for table in tables]
    assert len(set(captions)) == len(captions) > 8
    assert "<th>" not in page and "<th class" not in page
    assert all(table.count("<thead>") == 1 for table in tables)
    charts = re.findall(r'<svg role="img"[^>]*>\s*<title>(.+?)</title>', page)
    assert len(set(charts)) == len(charts) == page.count("<svg") > 6
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_page_has_a_table_for_each_family_and_marks_what_is_unseen(tmp_path, scores, judged):
    words = plain(made_page(tmp_path, scores, judged))
    assert "general minus the best specific model of each test set that no model has seen" in words
    assert "Exploratory: general against every other specific model" in words
    assert "it is compared with those within a tenth of that: a, b, c" in words
    assert "with as many images, is it variety that helps?" in words
    assert "General models on the dataset that each was not given" in words
    assert "u unseen, n = 6" in words and "a unseen" not in words
    assert "a, n = 6: without-a" in words


def test_a_baseline_is_marked_and_so_is_a_set_that_its_training_saw(tmp_path, scores, judged):
    program = judged_model("sct", "baseline", "")
    program = program.model_copy(update={"trained_on": ("u",), "epochs": 0})
    other = scores[scores["model"] == "general"].assign(model="sct")
    beside = judged.model_copy(update={"models": (*judged.models, program)})
    words = plain(made_page(tmp_path, pd.concat([scores, other]), beside))
    assert words.count("its training saw this set") == 1
    assert "sct, baseline" in words and "general minus sct" not in words
    assert "sct: its training saw u, maybe with what is for testing here." in words
    assert "Equal training length: 1 epochs for every model." in words


def test_failures_are_told_by_participant_and_by_image(tmp_path):
    rows = [("only", "t", f"sub-{k}", "T2w", 0.8) for k in range(4)]
    rows += [("only", "t", "sub-0", "T1w", 0.05), ("only", "t", "sub-1", "T1w", 0.8)]
    only = table(rows).assign(case_id=[f"x{number}" for number in range(6)])
    words = plain(
        made_page(tmp_path, only, settings_of([judged_model("only", "general", "t")], "t"))
    )
    assert "1 of 4 (1 to 81 %), 1 of 6 images" in words
    assert "not test sets of one and of several images" in words


def test_what_both_sides_have_is_told_as_text(tmp_path, scores, judged):
    page = made_page(tmp_path, scores, judged)
    assert html.escape("subject: x = <y>") in page and "<y>" not in page


def test_masks_of_unknown_origin_are_told_as_text(tmp_path, scores, judged):
    page = made_page(tmp_path, scores, judged)
    assert (
        "<li>Reference masks: 3 masks of u are of unknown origin: made by &#39;&lt;foo&gt;" in page
    )


def test_a_study_of_one_model_has_a_page_without_comparisons(tmp_path):
    only = table([("only", "t", f"sub-{k}", "T2w", 0.5) for k in range(4)])
    only["case_id"] = [f"x{number}" for number in range(4)]
    judged = settings_of([judged_model("only", "general", "t")], "t")
    words = plain(made_page(tmp_path, only, judged))
    assert "No answer: one model, and none to compare it with" in words and "Worst cases" in words
    assert "against each specific" not in words and "Strata" not in words


def test_of_a_release_nothing_is_said_but_what_it_does_and_what_its_list_of_cases_shows(tmp_path):
    only = table([("theirs", name, f"sub-{k}", "T2w", 0.5) for name in "tu" for k in range(4)])
    only = only.assign(case_id=only["testset"] + only["participant_id"])
    judged = settings_of([judged_model("theirs", "general", "")], "tu")
    judged = judged.model_copy(update={"release": "models/theirs.zip"})
    seen = Overlap("theirs", "n/a", "test: t", "image voxels", 4, 4, 1, "x = y")
    other = replace(seen, against="test: u", n_hits=0, hits="none")
    page = made_page(tmp_path, only, judged, seen, other)
    words = plain(page)
    assert "How well does the released model theirs do on these images?" in words
    assert "of the release models/theirs.zip" in words
    assert "Training and test data overlap: theirs with t." in words
    mark = '<br><span class="unseen">unseen</span>'
    assert f"u{mark}" in page and f"t{mark}" not in page
    assert "was trained once" not in words and "training length" not in words


def test_with_too_few_participants_the_page_says_so_first_and_gives_no_p(tmp_path):
    few = simulated(np.random.default_rng(2), n=2, shift=0.3, testsets="au")
    few = few.assign(case_id=few["testset"] + few["participant_id"])
    words = plain(made_page(tmp_path, few, settings(datasets="au")))
    first = words.index("Cannot be answered with 2 participants: no test can show a difference")
    assert first < words.index("On data that no model has seen")
    assert "n too small" in words and "1.000 " not in words[words.index("Primary: unseen data") :]


def test_what_is_exploratory_is_folded_and_has_no_p(tmp_path, scores, judged):
    page = made_page(tmp_path, scores, judged)
    places = [page.index(words) for words in ("Primary: unseen", "Secondary:", "Exploratory:")]
    assert places == sorted(places)
    folded = page[page.index("<details><summary>Exploratory") :]
    table = plain(folded[: folded.index("</details>")])
    assert "no p-values" in table and " p " not in table.replace("no p-values", "")


def test_a_p_is_never_told_as_0_or_1():
    told = [p_value(value) for value in (0.0, 0.0004, 0.0412, 0.999, 1.0, float("nan"))]
    assert told == ["< 0.001", "< 0.001", "0.041", "> 0.99", "> 0.99", ""]


def test_a_number_has_a_true_minus_sign_and_none_is_empty():
    assert number(-0.0125, "+.2f") == "−0.01" and number(float("nan")) == ""


def test_the_page_tells_how_areas_agree_and_where_no_cord_was_found(tmp_path, scores, judged):
    scores.loc[(scores["model"] == "general") & (scores["testset"] == "u"), "csa_error_mm2"] = [
        *(1.0, 3.0, 5.0, 7.0, 9.0),
        np.nan,
    ]
    page = made_page(tmp_path, scores, judged)
    words = plain(page)
    assert re.search(r"u unseen 5 5 1 \+5\.0 \(\+1\.1 to \+8\.9\) −1\.2 \(.+?\) \+11\.2 \(", words)
    assert page.count("each point is an image") == 2


def test_too_few_persons_are_said_to_be(tmp_path, judged):
    few = simulated(np.random.default_rng(2), n=2, shift=0.01, testsets="a").assign(case_id="x")
    few = few.assign(case_id=few["testset"] + few["participant_id"])
    words = plain(made_page(tmp_path, few, settings(datasets="a")))
    assert "too few for limits" in words


def test_a_tolerance_below_the_side_of_a_voxel_is_told(tmp_path, scores, judged):
    scores.loc[scores["case_id"] == "usub-0", "voxel_max_mm"] = 5.0
    words = plain(made_page(tmp_path, scores, judged))
    assert "u 6 0.50 to 5.00 1 of 6" in words and "a 6 0.50 to 1.00 none" in words


PRESSED = """<script>
addEventListener("load", () => {
  const told = [];
  for (const button of document.querySelectorAll("main th > button")) {
    const head = button.parentElement;
    const bodies = [...head.closest("table").tBodies];
    const rows = (body) => [...body.rows].filter((row) => !row.querySelector(".group"));
    const cells = (body) => rows(body)
      .map((row) => row.cells[head.cellIndex]?.textContent.trim().replaceAll("−", "-") ?? "");
    for (const body of bodies) rows(body)[1]?.cells[head.cellIndex]?.replaceChildren("n/a");
    for (let times = 0; times < 2; times++) {
      button.click();
      for (const body of bodies) told.push([head.ariaSort, cells(body)]);
    }
  }
  fetch("/told", { method: "POST", body: JSON.stringify(told) });
});
</script>"""
"""Puts a value that is missing into each column that can be sorted, presses its heading twice, and
tells what then stands there."""


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on the PATH")
def test_a_heading_that_is_pressed_sorts_its_column_and_what_is_no_number_stands_last(
    tmp_path, scores, judged
):
    page = made_page(tmp_path, scores, judged).replace("</body>", f"{PRESSED}</body>")
    (told,) = said_by({"/": page}, tmp_path)
    columns = json.loads(told)
    assert len(columns) > 10
    for way, cells in columns:
        found = [re.match(r"[<>]?\s*([+-]?\d+(?:\.\d+)?)", cell) for cell in cells]
        numbers = [float(hit[1]) for hit in found if hit]
        assert numbers == sorted(numbers, reverse=way == "descending"), (way, cells)
        assert all(found[: len(numbers)]), (way, cells)


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="no chromium on the PATH")
def test_axe_finds_nothing_at_two_widths_in_light_and_dark(tmp_path, scores, judged):
    assert violations(made_page(tmp_path, scores, judged), tmp_path) == []
