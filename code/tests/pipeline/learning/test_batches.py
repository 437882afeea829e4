"""A batch depends on its moment, and on nothing that ran before it or beside it."""

import random

import numpy as np
import torch

from cordstudy.pipeline.learning.batches import Batches, even_chances, in_order, moments


class Chance:
    """A loader of nothing but random numbers."""

    def generate_train_batch(self) -> dict[str, object]:
        return {
            "data": torch.rand(2),
            "target": torch.tensor([random.random(), np.random.random()]),
        }


def numbers(*names: object, workers: int = 0, epochs: range = range(3)) -> list[list[float]]:
    """All numbers of the batches of some epochs of two."""
    batches = in_order(Batches(Chance(), *names), moments(epochs, 2), workers=workers, pinned=False)
    return [[*batch["data"].tolist(), *batch["target"].tolist()] for batch in batches]


def test_batches_come_in_order_whatever_makes_them():
    made_here = numbers(1, "model")
    assert len({tuple(batch) for batch in made_here}) == 6
    assert numbers(1, "model", workers=2) == made_here


def test_a_training_that_goes_on_has_the_batches_that_were_left():
    assert numbers(1, "model", epochs=range(1, 3)) == numbers(1, "model")[2:]


def test_another_seed_or_name_is_another_training():
    assert numbers(1, "model") != numbers(2, "model")
    assert numbers(1, "model") != numbers(1, "other")


def test_every_group_has_the_same_chance_and_every_case_in_it():
    chances = even_chances(["a", "b", "b", "b"])
    assert chances.tolist() == [1 / 2, 1 / 6, 1 / 6, 1 / 6]
