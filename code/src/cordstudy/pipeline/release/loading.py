"""A release's weights alone, taken apart into a folder by the program that comes with them.

Owns: that a damaged file is one error.
Does not own: that program (`load.py.txt`), or whether what was in it may be trusted (`opening`).

Apart from `unpacking`, as no record can tell what a program runs that is given as text.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.release.unpacking import GET

LOADER = "load.py.txt"


def unpack_weights(given: Path, folder: Path) -> None:
    """A model folder of a file of safetensors. Raises StudyError for any other file."""
    loader = runpy.run_path(str(Path(__file__).with_name(LOADER)))
    try:
        loader["unpack"](given, folder)
    except Exception as error:  # whatever a damaged file makes of it
        why = str(error).partition("\n")[0] or type(error).__name__
        raise StudyError(f"{given}: no weights of a release: {why}", hint=GET) from error
