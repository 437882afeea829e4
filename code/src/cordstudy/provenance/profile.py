"""What the engine may know of the dataset that it serves, told by whoever calls it.

Owns: the values, and what this program calls itself where it leaves something behind.
Does not own: any value of a dataset (the caller has the instance).

Everything else here knows a DataLad dataset and its records only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAME = "cordstudy"
"""What this program calls its refs, locks, folders and variables."""
REFS = f"refs/worktree/{NAME}"
"""Where a dataset keeps commits that its branch does not hold: git then keeps their objects."""
VARIABLES = f"{NAME.upper()}_"
"""How the names of the variables begin by which the settings of a machine reach a step."""


@dataclass(frozen=True)
class Profile:
    """Where a dataset has what, by paths from its root; of a plain one nothing is known."""

    title: str = ""
    """What it is, in a line for people who do not know it."""
    launcher: str = ""
    """The program that its records call, and that its code enters by."""
    code: str = ""
    """The folder of its code."""
    lock: str = ""
    """The file that names the environment in which its records ran."""
    parameters: str = ""
    """The folder of what a person sets, in the folder of code or elsewhere."""
    results: tuple[str, ...] = ()
    """The folders that only records may write."""
    carried: tuple[str, ...] = ()
    """Globs of the files whose content travels in the history, for whoever has nothing else."""
    file_columns: tuple[str, ...] = ()
    """Columns of its tables whose cells files that are about a row start with."""
    folder_columns: tuple[str, ...] = ()
    """Columns whose cells name folders that are about a row."""
    numbered: Mapping[str, str] = field(default_factory=dict)
    """By such a column the one that holds a number: from 2 on it is in the folder's name
    (`CELL.2`)."""
