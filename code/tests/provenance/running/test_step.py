"""What builds on what, by declared paths alone."""

import pytest

from cordstudy.provenance.running.step import builds_on
from helpers import Step


@pytest.mark.parametrize(
    ("reads", "writes", "builds"),
    [
        ("out/a.txt", "out/a.txt", True),
        ("out/*", "out/a.txt", True),
        ("out/a.txt", "out/*", True),
        ("out", "out/a.txt", True),
        ("out/a.txt", "out", True),
        ("out/**/*.txt", "out/a/b.txt", True),
        ("out/*.tsv", "out/*.txt", False),
        ("other/a.txt", "out/a.txt", False),
        ("other/*", "out/*", False),
    ],
)
def test_a_step_builds_on_another_where_it_may_read_what_that_writes(reads, writes, builds):
    reader = Step("reader", "true", inputs=(reads,))
    writer = Step("writer", "true", outputs=(writes,))
    assert builds_on(reader, writer) is builds
