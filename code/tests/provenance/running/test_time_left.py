"""How long steps will still take."""

import pytest

from cordstudy.provenance.running.time_left import TimeLeft, in_words
from helpers import Step

A = Step("a", "", (), ("a.txt",))
B = Step("b", "", (), ("b.txt",))
C = Step("c", "", ("a.txt", "b.txt"), ("c.txt",))
EXPECTED_S = {"a": 100.0, "b": 60.0, "c": 10.0}


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 170), (2, 110)])
def test_steps_at_a_time_and_their_order_count(jobs, seconds):
    assert TimeLeft([A, B, C], EXPECTED_S, jobs=jobs).seconds() == seconds


def test_a_machine_that_takes_twice_as_long_is_noticed():
    left = TimeLeft([A, B, C], EXPECTED_S, jobs=2)
    for step in ("a", "b"):
        left.begins(step)
    left.ends("b", 120.0)
    after_one = left.seconds()
    assert 110 < after_one < 220
    left.ends("a", 200.0)
    assert 20 < left.seconds() < 30


def test_what_each_step_takes_beside_its_command_is_not_taken_for_a_slow_machine():
    left = TimeLeft([C, A, B], EXPECTED_S, jobs=1)
    left.begins("c")
    left.ends("c", 16.0)
    assert left.seconds() == 172


def test_nothing_is_said_while_a_step_that_is_to_come_was_never_measured():
    left = TimeLeft([A, B, C], {"a": 100.0, "c": 10.0}, jobs=1)
    assert left.seconds() is None
    left.begins("b")
    left.ends("b", 5.0)
    assert left.seconds() == 110


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "10 s"), (44, "40 s"), (300, "5 min"), (7200, "2.0 h")]
)
def test_a_guess_is_told_no_more_precisely_than_it_is(seconds, words):
    assert in_words(seconds) == words
