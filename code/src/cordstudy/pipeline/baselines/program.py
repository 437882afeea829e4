"""The `program` step: every test image segmented by a program of others, such as SCT's.

Owns: calling it, what is made of the mask that it writes, and what it says of its version.
Does not own: the program, which must be installed; which image becomes which mask
(`raw.predictions`).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import nibabel as nib

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import progress
from cordstudy.base.tables import MISSING, write_file, write_json
from cordstudy.pipeline.raw.grids import described, on_grid_of, voxels_on
from cordstudy.pipeline.raw.mask_values import cut
from cordstudy.pipeline.raw.predictions import masks_option, room_for_masks
from cordstudy.pipeline.raw.volumes import read_volume, scaled, volume_bytes

IMAGE, MASK = "{image}", "{mask}"
"""What stands in a command for the file to read and the one to write."""

TOLD = "program.json"
"""The file beside the folders of masks: the command, and which version the program says it is."""


def check_installed(words: Sequence[str]) -> None:
    """Raise StudyError for a command whose program is not on the PATH."""
    if not words or shutil.which(words[0]) is None:
        raise StudyError(
            f"{words[0] if words else 'the command'}: there is no such program on the PATH",
            hint="install it, or take its baseline out of the study's TOML",
        )


def segment(words: Sequence[str], image: Path) -> nib.Nifti1Image:
    """The mask that a program makes of an image, 0 and 1 on the image's grid, cut at 0.5.

    Raises StudyError where it fails, writes no mask, or one on another grid.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "mask.nii.gz"
        filled = [_filled(word, image, made) for word in words]
        _call(filled, f" on {image}", Path(scratch))
        if not made.is_file():
            raise StudyError(
                f"{words[0]}: it wrote no mask of {image}",
                hint=f"{MASK} of the command must be the file that it writes",
            )
        return _on_its_grid(read_volume(made), made, image)


def _filled(word: str, image: Path, mask: Path) -> str:
    """A word of the command with the names of files; an annexed image goes by its own name."""
    return word.replace(IMAGE, str(image.absolute())).replace(MASK, str(mask))


def version_of(words: Sequence[str]) -> str:
    """What a program says of its version, lines without blanks at their ends.

    Raises StudyError where the command fails or says nothing.
    """
    with tempfile.TemporaryDirectory() as scratch:
        said = _call(words, "", Path(scratch))
    lines = [line.rstrip() for line in said.splitlines()]
    version = "\n".join(lines).strip()
    if not version:
        raise StudyError(
            f"{words[0]}: it says nothing of its version",
            hint=f"try it by hand: {shlex.join(words)}",
        )
    return version


def _call(words: Sequence[str], on: str, folder: Path) -> str:
    """Run the program, and give what it says. Python's settings are this study's, and none of
    it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(
        words,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = ended.stdout.decode("utf-8", "replace")
    if ended.returncode:
        lines = said.strip().splitlines()
        last = lines[-1] if lines else "it says nothing"
        raise StudyError(
            f"{words[0]}: ended with {ended.returncode}{on}: {last}",
            hint=f"try it by hand: {shlex.join(words)}",
        )
    return said


def _on_its_grid(mask: nib.Nifti1Image, path: Path, image: Path) -> nib.Nifti1Image:
    original = read_volume(image)
    voxels = voxels_on(on_grid_of(cut(scaled(mask), path), mask), original)
    if voxels is None:
        raise StudyError(
            f"{image}: the program's mask is on another grid: {described(mask)}, "
            f"the image {described(original)}",
            hint="have the program write its mask on the grid of the image",
        )
    return on_grid_of(voxels, original)


@click.command("program")
@click.argument("datasets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@masks_option
@click.option(
    "--command",
    "told",
    required=True,
    help="Its command line, with {image} and {mask} for the files to read and to write.",
)
@click.option(
    "--version-command", "asked", help="A command line that prints the version of the program."
)
def command(datasets: tuple[Path, ...], out: Path, told: str, asked: str | None) -> None:
    """Segment the test images of raw DATASETS with a program that is installed here.

    \b
    Example:
      code/study program --help     [baselines] of a study makes steps of it
    """
    words, version = shlex.split(told), MISSING
    check_installed(words)
    if asked is not None:
        check_installed(shlex.split(asked))
        version = version_of(shlex.split(asked))
    jobs = room_for_masks(datasets, out)
    for image, mask in progress(jobs, total=len(jobs), what="program"):
        write_file(mask, volume_bytes(segment(words, image)))
    write_json(out / TOLD, {"command": told, "version_command": asked, "version": version})
