"""nnU-Net's batches by moment: the same batch for the same epoch and number, in any process.

Owns: the seed of a moment, the order in which batches come from other processes, and the chance of
each case to be drawn.
Does not own: what is in a batch (nnU-Net's loader), or training on it (`trainer`).
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

Moment = tuple[int, int]
"""Epoch and batch."""
Batch = dict[str, object]
"""Tensors of images and masks, and the names of cases, as nnU-Net's loader has them."""


def seed_all(*what: object) -> None:
    """Seed Python, numpy and torch from values that name a moment."""
    name = "/".join(str(value) for value in what)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    random.seed(seed)
    np.random.seed(seed)
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:  # the other writes a stack trace each time, 6 % of a step
        torch.default_generator.manual_seed(seed)


class Batches(Dataset[Batch]):
    """The batches of one of nnU-Net's loaders, by moment; `names` go into every seed."""

    def __init__(self, loader: nnUNetDataLoader, *names: object) -> None:
        self.loader = loader
        self.names = names

    def __getitem__(self, moment: Moment) -> Batch:
        seed_all(*self.names, *moment)
        batch: Batch = self.loader.generate_train_batch()
        return batch


def moments(epochs: range, batches: int) -> list[Moment]:
    """Every moment of some epochs of so many batches, in order."""
    ordered: list[Moment] = []
    for epoch in epochs:
        ordered += [(epoch, batch) for batch in range(batches)]
    return ordered


def in_order(
    batches: Batches, when: Sequence[Moment], *, workers: int, pinned: bool
) -> Iterator[Batch]:
    """The batches of these moments, in this order, made by so many processes beside this one."""
    loader = DataLoader(
        batches, batch_size=None, sampler=when, num_workers=workers, pin_memory=pinned
    )
    return iter(loader)


def even_chances(groups: Sequence[str]) -> NDArray[np.float64]:
    """The chance of each case to be drawn, by its group: alike for every group, and within it."""
    sizes = Counter(groups)
    return np.array([1 / (len(sizes) * sizes[group]) for group in groups])
