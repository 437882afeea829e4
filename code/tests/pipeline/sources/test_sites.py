"""Where participants were scanned: by a column of participants.tsv, or by their ids."""

import pytest
from pydantic import ValidationError

from bare_source import PLACE, rules, write_files
from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.participants import read_participants


def sites(root, participants: str, **changes) -> dict[str, str]:
    """The site of each participant."""
    write_files(root, [], participants)
    told = read_participants(root, rules(**changes))
    return {name: one.site for name, one in told.items()}


@pytest.mark.parametrize(
    "column", ["institution_id", "site", "Site", "site_id", "center", "CENTRE", "institution"]
)
def test_the_usual_columns_of_sites_are_found(tmp_path, column):
    table = f"participant_id\t{column}\nsub-a1\tBern\nsub-a2\tn/a\n"
    assert sites(tmp_path, table) == {"sub-a1": "Bern", "sub-a2": "n/a"}


def test_the_usual_column_goes_before_others_and_one_that_is_named_before_all(tmp_path):
    table = "participant_id\tinstitution\tinstitution_id\tplace\nsub-a1\tInselspital\tbern\tp\n"
    assert sites(tmp_path, table) == {"sub-a1": "bern"}
    assert sites(tmp_path, table, columns={"site": "place"}) == {"sub-a1": "p"}


def test_a_rule_on_ids_goes_before_the_column_which_stands_for_who_is_not_matched(tmp_path):
    table = "participant_id\tsite\nsub-torontoDCM001\tx\nsub-7\ty\nsub-zurichHC02\tn/a\n"
    told = sites(tmp_path, table, site="^sub-([a-z]+)")
    assert told == {"sub-torontoDCM001": "toronto", "sub-7": "y", "sub-zurichHC02": "zurich"}


def test_a_rule_that_is_about_nobody_or_names_nothing_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="matches no participant's id, such as sub-a1") as raised:
        sites(tmp_path, "participant_id\nsub-a1\n", site="^sub-([0-9]+)")
    assert "datasets.x.site" in str(raised.value) and PLACE in str(raised.value)
    with pytest.raises(ValidationError, match="has no group: put what names the site into"):
        rules(site="^sub-[a-z]+")
    with pytest.raises(ValidationError, match="no regular expression"):
        rules(site="(")
