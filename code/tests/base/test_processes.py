"""Work in several processes: results in order, however many there are."""

import os

import pytest

from cordstudy.base.processes import in_processes


def with_process(number: int) -> tuple[int, int]:
    return number, os.getpid()


def failing(number: int) -> int:
    raise ValueError(f"not {number}")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_results_come_in_the_order_of_the_items(monkeypatch, workers):
    monkeypatch.setenv("CORDSTUDY_WORKERS", workers)
    results = list(in_processes(with_process, range(10), what="count", chunk=3))
    assert [number for number, _ in results] == list(range(10))
    in_this_process = {process for _, process in results} == {os.getpid()}
    assert in_this_process == (workers == "1")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_is_that_of_the_function(monkeypatch, workers):
    monkeypatch.setenv("CORDSTUDY_WORKERS", workers)
    with pytest.raises(ValueError, match="not 0"):
        list(in_processes(failing, range(3), what="fail"))
