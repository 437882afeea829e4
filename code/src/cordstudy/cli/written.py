"""`written`: the results in README and docs, from what HEAD has recorded.

Owns: which files have such parts, writing them, and telling of those that are not so.
Does not own: what stands in a part (`recorded`, `real_images`), its marks (`parts`), or ids in the
output of commands (`quoted`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import click

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_file
from cordstudy.cli.here import ROOT
from cordstudy.cli.parts import filled, parts
from cordstudy.cli.quoted import with_ids
from cordstudy.cli.real_images import PICTURE, judged_on, real_part, worst_outlined
from cordstudy.cli.recorded import TOLD, Recorded
from cordstudy.cli.saying import say
from cordstudy.study.loading import load_study

FILES = ("README.md", "CHANGES.md", "code/README.md", "code/docs/*.md", "code/studies/README.md")
REAL = "real"
"""The part about real images, of which no record of HEAD tells."""


@click.command(hidden=True)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a part is not so.")
@click.option(
    "--real",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the real images: the part about them too, for which the study of them is "
    "recorded in a clone; all checkpoints are needed here.",
)
@click.pass_context
def written(context: click.Context, check: bool, folder: Path | None) -> None:
    """Write the results that stand in README and docs between marks, as HEAD has recorded them;
    and the ids of records in quoted output.

    A part is `<!-- results: NAME --> … <!-- end results -->`. Without --real, the part about real
    images stays as it is, and is told of where other models than those of HEAD made it.
    """
    recorded = Recorded(load_study(ROOT, context.obj))
    tell = _teller(recorded, _real(recorded, folder, check=check) if folder else None)
    differs = False
    for path in files():
        text = path.read_text("utf-8")
        new = _rewritten(text, path.relative_to(ROOT).as_posix(), tell)
        new = with_ids(new, records=recorded.ids, files=recorded.objects)
        if check:
            differs |= _told_of(path, text, new)
        elif new != text:
            write_file(path, new)
            say(path.relative_to(ROOT))
        differs |= folder is None and _outdated(path, text, recorded)
    context.exit(check and differs)


def files() -> list[Path]:
    """The files that may have parts, sorted."""
    return sorted(path for pattern in FILES for path in ROOT.glob(pattern))


def _real(recorded: Recorded, folder: Path, *, check: bool) -> str:
    """The part about real images; its picture is written on the way, but not for a check."""
    with judged_on(folder) as judged:
        if not check:
            write_file(ROOT / PICTURE, worst_outlined(judged))
        return real_part(judged, trained=recorded.newest_training)


def _teller(recorded: Recorded, real: str | None) -> Callable[[str], str | None]:
    """What tells what stands in a part; None for one that stays as it is, as that about real images
    where nothing is given for it."""

    @cache
    def tell(name: str) -> str | None:
        if name == REAL:
            return real
        if name not in TOLD:
            known = ", ".join([*TOLD, REAL])
            raise StudyError(f"there is no part {name!r}", hint=f"one of: {known}")
        return TOLD[name](recorded)

    return tell


def _rewritten(text: str, where: str, tell: Callable[[str], str | None]) -> str:
    """A file's text with all that is told in its parts."""
    told = {}
    for name, held in parts(text, where=where).items():
        words = tell(name)
        told[name] = held[0] if words is None else words
    return filled(text, told)


def _told_of(path: Path, text: str, new: str) -> bool:
    """Say which parts of a file are not what they should be; whether there are any."""
    where = path.relative_to(ROOT).as_posix()
    now, then = parts(text, where=where), parts(new, where=where)
    differing = [f"part {name!r}" for name in now if now[name] != then[name]]
    if not differing and new != text:
        differing = ["the id of a record in quoted output"]
    for what in differing:
        say(f"{where}: {what} is not what the records give (code/study written)", err=True)
    return bool(differing)


def _outdated(path: Path, text: str, recorded: Recorded) -> bool:
    """Say so where the part about real images was made with other models; whether it was."""
    where = path.relative_to(ROOT).as_posix()
    held = parts(text, where=where).get(REAL, [])
    if all(f"`{recorded.newest_training}`" in one for one in held):
        return False
    say(
        f"{where}: part {REAL!r} is not of the models recorded up to {recorded.newest_training} "
        "(code/study written --real FOLDER)",
        err=True,
    )
    return True
