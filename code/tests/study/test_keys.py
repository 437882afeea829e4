"""The page of all keys is the model's own, and no key goes without words."""

import re

import pytest

from cordstudy.cli.parts import parts
from cordstudy.study.external import External
from cordstudy.study.faults import keys_of
from cordstudy.study.keys import about, key_tables, tables_of, words_of_keys
from cordstudy.study.schema import Study
from helpers import REPOSITORY

PAGE = REPOSITORY / "code/studies/README.md"
TABLES = dict((*tables_of(External, ""), *tables_of(Study, "")))


def test_the_page_has_every_key_as_the_code_says():
    held = parts(PAGE.read_text(), where="code/studies/README.md")
    assert held == {"keys": [f"\n{key_tables()}\n"]}, "code/study written writes it"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_and_key_is_told_in_words(name):
    model = TABLES[name]
    assert about(model).endswith(".")
    words = words_of_keys(model)
    lacking = [key for key in keys_of(model) if not words.get(key)]
    assert not lacking, "a string below each key in the code says what it is"


def test_every_table_of_a_toml_is_on_the_page():
    headings = re.findall(r"^### `(\S+)`$", PAGE.read_text(), re.MULTILINE)
    asked = {"[datasets.NAME]", "[models.NAME]", "[split]", "[plan]", "[plan.reduction]", "[train]"}
    assert asked | {"[predict]", "[judge]", "[fairness]", "[release]", "[unpack]"} <= set(headings)
