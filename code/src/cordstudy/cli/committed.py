"""Files of a study as HEAD has them, whatever lies in its folder.

Owns: handing out a copy of one; what the committed table of leakage says.
Does not own: what is in them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cordstudy.base.errors import StudyError
from cordstudy.cli.here import ROOT
from cordstudy.provenance.calling.gitannex import read_git
from cordstudy.study.layout import Layout
from cordstudy.study.schema import Study

if TYPE_CHECKING:
    from cordstudy.pipeline.judging.stamp import Stamp


@contextmanager
def committed(path: str) -> Iterator[Path]:
    """A file as HEAD has it. Raises StudyError where there is none."""
    try:
        content = read_git(ROOT, "cat-file", "blob", f"HEAD:{path}")
    except StudyError as error:
        raise StudyError(f"there is no {path}", hint="code/study run") from error
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / Path(path).name
        copy.write_bytes(content)
        yield copy


def committed_stamp(study: Study) -> Stamp:
    """What the committed comparisons of training and test data let be said. Raises StudyError
    where there are none."""
    from cordstudy.pipeline.judging.stamp import stamp_of  # pydantic: a tenth of a second

    with committed(Layout(study).leakage_table) as table:
        return stamp_of(table)


def warning_of_leakage(study: Study) -> str:
    """What is to stand beside each number of a study: empty where nothing was found, and where
    nothing is committed yet."""
    try:
        return committed_stamp(study).warning
    except StudyError:
        return ""
