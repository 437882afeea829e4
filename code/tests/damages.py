"""Ways to damage a small source (`small_source`): each is a function of the source's folder."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from small_source import IMAGE, MASK, save, volume

Damage = Callable[[Path], None]
MIRRORED = np.diag([-1, 1, 1, 1])
SHIFTED = np.array([[0, 0, 0, 0], [0, 0, 0, 2.5], [0, 0, 0, 0], [0, 0, 0, 0]])
DEEP = '{"a": ' + "[" * 20_000
"""JSON whose brackets no reader can follow."""
LONG = '{"a": ' + "9" * 5_000 + "}"
"""JSON with a number that Python does not read."""


def voxels(change: Callable[[np.ndarray], np.ndarray], path: str = IMAGE) -> Damage:
    """Damage: other voxels on the same grid."""

    def damage(source: Path) -> None:
        image = nib.load(source / path)
        save(source / path, volume(change(np.asanyarray(image.dataobj)), image.affine))

    return damage


def affine(change: Callable[[np.ndarray], np.ndarray], path: str = MASK) -> Damage:
    """Damage: the same voxels at other places."""

    def damage(source: Path) -> None:
        image = nib.load(source / path)
        save(source / path, volume(np.asanyarray(image.dataobj), change(image.affine)))

    return damage


def text(path: str, change: Callable[[str], str]) -> Damage:
    """Damage: another text."""

    def damage(source: Path) -> None:
        (source / path).write_text(change((source / path).read_text()))

    return damage


def content(path: str, change: Callable[[bytes], bytes]) -> Damage:
    """Damage: other bytes."""

    def damage(source: Path) -> None:
        old = (source / path).read_bytes()
        (source / path).unlink()
        (source / path).write_bytes(change(old))

    return damage


def header(path: str, offset: int, kind: str, value: float) -> Damage:
    """Damage: one value of a NIfTI header."""

    def change(packed: bytes) -> bytes:
        plain = bytearray(gzip.decompress(packed))
        struct.pack_into(kind, plain, offset, value)
        return gzip.compress(bytes(plain), mtime=0)

    return content(path, change)


def gone(path: str) -> Damage:
    """Damage: a file that is not there."""

    def damage(source: Path) -> None:
        (source / path).unlink()

    return damage


def as_folder(path: str) -> Damage:
    """Damage: a folder with a file in it, in a file's place."""

    def damage(source: Path) -> None:
        (source / path).unlink()
        (source / path).mkdir()
        (source / path / "file.txt").write_text("x")

    return damage


def stranger(source: Path) -> None:
    """Damage: a folder of images of someone who is not in participants.tsv."""
    save(source / IMAGE.replace("a1", "c3"), nib.load(source / IMAGE))


def twice(source: Path) -> None:
    """Damage: two images with the same entities in another order."""
    for name in ("sub-a1_acq-x_run-1_T2w", "sub-a1_run-1_acq-x_T2w"):
        save(source / f"sub-a1/anat/{name}.nii.gz", nib.load(source / IMAGE))


def put(index: tuple[int, ...], value: float) -> Callable[[np.ndarray], np.ndarray]:
    """A change of voxels: one of them."""

    def change(array: np.ndarray) -> np.ndarray:
        made = array.astype(np.float32)
        made[index] = value
        return made

    return change


def rgb(array: np.ndarray) -> np.ndarray:
    """A change of voxels: colours."""
    return np.zeros(array.shape, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
