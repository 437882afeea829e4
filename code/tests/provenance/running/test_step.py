"""What builds on what, by declared paths alone."""

from itertools import product

import pytest

from cordstudy.provenance.running.step import Writers, builds_on
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


SPECS = (
    ".", "**", "**/a.txt", "*", "out", "out/*", "out/a*", "out/a.txt", "out/*/b.txt", "out/a/b.txt",
    "out/a/**", "out/a", "out/[ab]/b.txt", "outer/a.txt", "other/a.txt", "other/b/a.txt",
    "out/**/c",
)  # fmt: skip


def test_of_many_steps_those_are_found_that_one_builds_on():
    steps = [Step(str(n), "true", outputs=pair) for n, pair in enumerate(product(SPECS, SPECS))]
    writers = Writers()
    for step in steps:
        writers.add(step)
    for spec in SPECS:
        reader = Step("reader", "true", inputs=("no/such", spec))
        assert writers.below(reader) == [step for step in steps if builds_on(reader, step)]
        assert writers.of(spec) == writers.below(Step("reader", "true", inputs=(spec,)))


def test_a_thousand_steps_are_compared_in_no_time():
    writers = Writers()
    for number in range(1000):
        inputs = tuple(f"out/{number - 1}/{n}/*" for n in range(30))
        step = Step(str(number), "true", inputs=inputs, outputs=(f"out/{number}/*/a.txt",))
        assert [other.name for other in writers.below(step)] == [str(number - 1)] * (number > 0)
        writers.add(step)
