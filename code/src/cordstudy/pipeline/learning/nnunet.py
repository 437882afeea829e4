"""What calling nnU-Net v2 in this process takes, whichever part of it is called.

Owns: the environment that nnU-Net reads its folders from, its talk, and putting something of ours
in place of something of its own for a while.
Does not own: the calls (`planner`, `preprocessor`, `trainer`, `predictor`).

Nothing of this lasts: once a call is over, the process and nnU-Net are as they were.
"""

from __future__ import annotations

import multiprocessing.dummy
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

from nnunetv2.utilities import utils


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def nnunet_folders(**folders: Path) -> Iterator[None]:
    """Set nnUNet_raw, nnUNet_preprocessed and nnUNet_results for a while."""
    variables = {f"nnUNet_{name}": str(path) for name, path in folders.items()}
    with environment(**variables):
        yield


@contextmanager
def listed_in_threads() -> Iterator[None]:
    """Have nnU-Net list a dataset's files in this process, for a while: it forks a dozen of it for
    that, each as large as this one."""
    with in_place_of(utils, "Pool", multiprocessing.dummy.Pool):
        yield


@contextmanager
def stand_in(module: str, **names: object) -> Iterator[None]:
    """Have an import find no more of a module than these names, unless it is loaded, for a while:
    what nnU-Net imports and is never called here, such as a compiler."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = empty = ModuleType(module)
    vars(empty).update(names)
    try:
        yield
    finally:
        del sys.modules[module]


@contextmanager
def quiet() -> Iterator[None]:
    """Let nothing that nnU-Net prints reach the terminal; errors do."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


@contextmanager
def in_place_of(module: ModuleType, name: str, ours: object) -> Iterator[None]:
    """Have a module of nnU-Net's use `ours` where it says `name`, for a while."""
    before = getattr(module, name)
    setattr(module, name, ours)
    try:
        yield
    finally:
        setattr(module, name, before)
