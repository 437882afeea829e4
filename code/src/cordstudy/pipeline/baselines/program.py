"""The `program` step: every test image segmented by a program of others, such as SCT's.

Owns: calling it, and what is made of the mask that it writes.
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
from cordstudy.base.tables import write_file
from cordstudy.pipeline.raw.grids import described, on_grid_of, voxels_on
from cordstudy.pipeline.raw.mask_values import cut
from cordstudy.pipeline.raw.predictions import masks_option, room_for_masks
from cordstudy.pipeline.raw.volumes import read_volume, scaled, volume_bytes

IMAGE, MASK = "{image}", "{mask}"
"""What stands in a command for the file to read and the one to write."""


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
        _call([_filled(word, image, made) for word in words], image, Path(scratch))
        if not made.is_file():
            raise StudyError(
                f"{words[0]}: it wrote no mask of {image}",
                hint=f"{MASK} of the command must be the file that it writes",
            )
        return _on_its_grid(read_volume(made), made, image)


def _filled(word: str, image: Path, mask: Path) -> str:
    """A word of the command with the names of files; an annexed image goes by its own name."""
    return word.replace(IMAGE, str(image.absolute())).replace(MASK, str(mask))


def _call(words: Sequence[str], image: Path, folder: Path) -> None:
    """Run the program. Python's settings are this study's, and none of it."""
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
    if ended.returncode:
        said = ended.stdout.decode("utf-8", "replace").strip().splitlines()
        last = said[-1] if said else "it says nothing"
        raise StudyError(
            f"{words[0]}: ended with {ended.returncode} on {image}: {last}",
            hint=f"try it by hand: {shlex.join(words)}",
        )


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
def command(datasets: tuple[Path, ...], out: Path, told: str) -> None:
    """Segment the test images of raw DATASETS with a program that is installed here."""
    words = shlex.split(told)
    check_installed(words)
    jobs = room_for_masks(datasets, out)
    for image, mask in progress(jobs, total=len(jobs), what="program"):
        write_file(mask, volume_bytes(segment(words, image)))
