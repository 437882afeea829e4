"""The section about who was studied, and the stamp on a page whose data overlap."""

import re
from pathlib import Path

import pytest

from cordstudy.base.tables import MISSING
from cordstudy.pipeline.judging.ablation import Ablation
from cordstudy.pipeline.judging.agreement import Agreement
from cordstudy.pipeline.judging.cohort import Characteristic, Cohort, Reference
from cordstudy.pipeline.judging.comparisons import Comparison
from cordstudy.pipeline.judging.flow import JUDGED, LEFT, LISTED, NOTHING, TRAINED, USED, Stage
from cordstudy.pipeline.judging.leakage import Overlap
from cordstudy.pipeline.judging.rows import write_rows
from cordstudy.pipeline.judging.scores import Spread, summarise, write_summaries
from cordstudy.pipeline.judging.sizes import Size
from cordstudy.pipeline.judging.strata import Stratum
from cordstudy.pipeline.report.evaluation import read_evaluation
from cordstudy.pipeline.report.page import Page, render
from cordstudy.pipeline.report.viewer import Viewer
from cordstudy.pipeline.report.who import Part, Who
from pages import plain
from simulated import judged_model, settings_of, table

SETTINGS = settings_of([judged_model("only", "general", "t")], "t")


def part(*rows: tuple[str, str, int, int]) -> Part:
    told = [Characteristic("t", "train", *row) for row in rows]
    return Part("t", "train", told)


def test_a_cell_counts_persons_and_of_many_values_the_largest():
    few = part(("sex", "F", 2, 9), ("sex", "M", 1, 1), ("sex", MISSING, 3, 3))
    assert few.cell("sex") == "F 2, M 1; not known: 3"
    many = part(*(("site", f"s{n}", 9 - n, 9) for n in range(6)))
    assert many.cell("site") == "6: s0 9, s1 8, s2 7 and 3 more"
    assert part(("site", MISSING, 3, 3)).cell("site") == part().cell("site") == "not known"
    sizes = part(("voxel_size_mm", "1.1x1.1x5", 2, 7))
    assert sizes.cell("voxel_size_mm") == "1.1×1.1×5 7", "of images"
    sizes = part(*(("voxel_size_mm", f"1.{n}x0.8x{9 - n}", 1, 1) for n in range(1, 6)))
    assert sizes.cell("voxel_size_mm") == "5: 1.1 to 1.5 × 0.8 to 0.8 × 4 to 8"


def test_ages_are_told_as_median_quartiles_and_range():
    names = ("median", "quartile 1", "quartile 3", "lowest", "highest")
    values = ("35.0", "30.0", "42.5", "20.0", "60.0")
    rows = [(f"age {name}", value, 4, 4) for name, value in zip(names, values)]
    assert part(*rows).ages == "35 (30 to 42.5), 20 to 60"
    assert part(*rows, ("age", MISSING, 2, 2)).ages.endswith("; not known: 2")
    assert part(("age", MISSING, 2, 2)).ages == "not known"


def cohort() -> Cohort:
    none = (MISSING, MISSING)
    flow = [
        Stage("t", LISTED, *none, 6, 7, 9),
        Stage("t", LEFT, "no <mask>", "the tree", 2, 2, 2),
        Stage("t", NOTHING, *none, 1, 1, 1),
        Stage("t", USED, *none, 5, 6, 7),
        Stage("t", TRAINED, *none, 3, 4, 5),
        Stage("t", JUDGED, *none, 2, 2, 2),
    ]
    told = [Characteristic("t", "train", "all", "all", 3, 5)]
    references = [
        Reference("t", "train", "model", "sct_deepseg", 3, 4),
        Reference("t", "train", "manual", "Manual", 1, 1),
        Reference("t", "test", "model", "sct_deepseg", 2, 2),
    ]
    return Cohort(flow, told, references)


def test_masks_that_a_model_made_are_told_of_each_model_that_learns_from_them():
    ((model, made, whole),) = Who(cohort(), SETTINGS).by_model
    assert (model.name, made, whole) == ("only", 4, 5)


@pytest.fixture
def page(tmp_path: Path):
    """The page of a study of one model whose training and test data have so many in common."""

    def make(hits: int, *, told: Cohort | None = None) -> str:
        only = table([("only", "t", f"sub-{k}", "T2w", 0.5) for k in range(4)])
        only["case_id"] = [f"x{number}" for number in range(4)]
        only.to_csv(tmp_path / "cases.tsv", sep="\t", index=False)
        write_summaries(tmp_path / "summary.tsv", summarise(only, SETTINGS.failure_dice))
        write_rows(tmp_path / "comparisons.tsv", Comparison, [])
        write_rows(tmp_path / "sizes.tsv", Size, [Size("only", 10, 5, 0)])
        write_rows(tmp_path / "agreement.tsv", Agreement, [])
        write_rows(tmp_path / "components.tsv", Ablation, [])
        write_rows(tmp_path / "strata.tsv", Stratum, [])
        write_rows(tmp_path / "replicates.tsv", Spread, [])
        row = Overlap("only", MISSING, "test: t", "subject", 4, 2, hits, "a = b" if hits else "")
        write_rows(tmp_path / "leakage.tsv", Overlap, [row])
        evaluation = read_evaluation(tmp_path)
        return render(Page(SETTINGS, evaluation, [], [], [], [], Viewer("", "0", ""), told))

    return make


def test_a_page_tells_how_participants_became_cases_and_its_numbers_lead_somewhere(page):
    made = page(0, told=cohort())
    words = plain(made)
    assert "of 1 sources: 6 persons (7 participant ids), 9 images" in words
    assert "no <mask>: 2, 2 images (t)" in words and "<mask>" not in made
    assert "To judge by: 2 persons, 2 images" in words and "only 4 of 5." in words
    linked = re.findall(r'data-how="([^"]+)"', made)
    assert any("cohort.tsv:dataset=t,part=train" in command for command in linked)


def test_a_page_of_overlapping_data_is_stamped_before_its_answer_which_it_has_none(page):
    words = plain(page(2))
    stamp = words.index("Training and test data overlap: only with t.")
    answer = words.index("No answer that can be trusted: training and test data overlap.")
    assert stamp < answer < words.index("Mean Dice")
    assert words.count("Training and test data overlap: only with t.") == 2, "and at the table"
    clean = plain(page(0))
    assert "overlap:" not in clean and "Training and test data: no overlap found" in clean
    assert "an image under another name that was cropped" in clean
