"""Which published figures stand beside a study's."""

from cordstudy.base.tables import read_table
from cordstudy.pipeline.judging.settings import read_settings
from cordstudy.pipeline.report.sections import PUBLISHED_COLUMNS, Published, published_beside
from helpers import REPOSITORY

PUBLISHED = REPOSITORY / "code/studies/published.tsv"


def beside(name: str) -> list[Published]:
    settings = read_settings(REPOSITORY / f"code/studies/{name}/judging.json")
    return published_beside(read_table(PUBLISHED, *PUBLISHED_COLUMNS), settings)


def test_published_figures_stand_beside_those_of_the_same_datasets_only():
    assert beside("phantom") == []
    assert {row.testset for row in beside("public")} == {"spine-generic", "epi"}


def test_every_published_figure_has_its_place_in_the_full_study():
    rows = beside("full")
    assert len(rows) == len(read_table(PUBLISHED)) > 0
    basel = [row.dice for row in rows if row.testset == "basel-mp2rage"]
    assert basel == ["0.850", "0.770", "0.409", "0.264", "0.027"]
