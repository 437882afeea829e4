"""What of a source may be read: what lies in its own tree, or in its annex.

Owns: following the links of a source, and refusing those that lead out of it; telling content
that is not here from a link that leads elsewhere, and files from what only has the name of one.
Does not own: which files are read, or what is in them.

Links are a source's own text: whoever writes a source can have one lead anywhere. What a step
reads through it would end, unseen, in the converted data.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cordstudy.base.errors import StudyError

OBJECTS = "annex/objects"
POINTER = b"/annex/objects/"
"""How the content of an unlocked annexed file starts where it is not here; its key follows."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LONGEST_POINTER = 32 * 2**10
"""The bytes of the longest that git-annex writes."""
RESERVE_BYTES = 100_000_000
"""What git-annex keeps free of a disk: it fetches nothing that would take of it
(annex.diskreserve)."""


@dataclass(frozen=True)
class Tree:
    """A source: where it lies (no link on the way), and the folders of its annex's content."""

    path: Path
    real: str
    annexes: tuple[str, ...]

    def check(self, path: Path) -> Path:
        """A path of the source, there or not.

        Raises StudyError where it leads, by whatever links, out of the source, or into its `.git`
        but for the annex's content.
        """
        real = os.path.realpath(path)
        if any(_is_below(real, annex) for annex in self.annexes):
            return path
        if real == self.real or _is_below(real, self.real):
            names = os.path.relpath(real, self.real).lower().split(os.sep)
            if ".git" not in names:
                return path
        raise StudyError(
            f"{path}: it leads to {real}, which leaves the source {self.path}",
            hint="have the source hold the file itself, or exclude the image, with a reason",
        )


def tree(root: Path, source: str) -> Tree:
    """The tree of a source, whose path is relative to the study's root.

    Raises StudyError where a link on the way from there to the source has it lie elsewhere.
    """
    path = root / source
    expected = os.path.normpath(os.path.join(os.path.realpath(root), source))
    real = os.path.realpath(path)
    if real != expected:
        raise StudyError(
            f"{path}: it leads to {real}: a source that is a link leaves the study",
            hint="install it as a subdataset: code/study inputs get",
        )
    return Tree(path, real, tuple(_annexes(real)))


def missing(path: Path) -> StudyError:
    """What to say of an annexed file whose content is not here; why, where its disk has no room for
    it."""
    key = _pointed_to(path) or os.path.basename(os.path.realpath(path))
    size, free = _size(key), _free_bytes(path)
    if free < size + RESERVE_BYTES:
        return StudyError(
            f"{path}: its content is not here, and the disk is full: "
            f"{free:,} bytes are left, it takes {size:,}",
            hint="make room there, then run the same again",
        )
    return StudyError(f"{path}: its content is not here", hint=f"datalad get {path}")


def regular(path: Path) -> Path:
    """The path of a file that can be read to its end.

    Raises StudyError for content that is not here, and for what is no file (`check_kind`).
    """
    check_kind(path)
    if (path.is_symlink() and not path.exists()) or _pointed_to(path):
        raise missing(path)
    if not path.exists():
        hint = "is the source installed, and its content here?"
        raise StudyError(f"there is no {path}", hint=hint)
    if _beginning(path).startswith(LFS_POINTER):
        raise StudyError(f"{path}: its content is not here", hint="git lfs pull, in its repository")
    return path


def check_kind(path: Path) -> None:
    """Raise StudyError for what is there and is no file: a folder cannot be read, and a pipe waits
    for ever."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError:
        raise
    except (OSError, ValueError) as error:  # a circle of links, a name that is too long or none
        raise StudyError(
            f"{path}: cannot be read: {error}", hint="correct it where it comes from"
        ) from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise StudyError(
            f"{path}: no file, but {what}", hint="put the file in its place, or remove it there"
        )


def _pointed_to(path: Path) -> str:
    """The key that an annexed file names where its content is not here and it is no link: an
    unlocked one, or a link that was checked out as text; else empty."""
    text = _beginning(path).decode(errors="replace").partition("\n")[0].strip()
    is_link = text.startswith(("../", ".git/")) and f"/{OBJECTS}/" in text
    if is_link or text.startswith(POINTER.decode()):
        return os.path.basename(text)
    return ""


def _beginning(path: Path) -> bytes:
    """The content of a file that is small enough to be a pointer; else empty."""
    if not path.exists() or path.stat().st_size > LONGEST_POINTER:
        return b""
    return path.read_bytes()


def _size(key: str) -> int:
    """The bytes of an annex key's content (`SHA256E-s123--…`); 0 where it does not say."""
    backend_and_fields = key.partition("--")[0]
    for field in backend_and_fields.split("-")[1:]:
        if field.startswith("s") and field[1:].isdigit():
            return int(field[1:])
    return 0


def _free_bytes(path: Path) -> int:
    """What is left of the disk that a path lies on, as this user may fill it."""
    folder = path.absolute().parent
    while not folder.is_dir():
        folder = folder.parent
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _annexes(real: str) -> list[str]:
    """Where the annexed content of a repository lies: below its `.git`, be that a folder, a link,
    or a file that names the folder; a linked worktree shares its repository's."""
    git = os.path.join(real, ".git")
    folders = [git]
    if os.path.isfile(git):
        with open(git, encoding="utf-8", errors="surrogateescape") as stream:
            named = stream.readline().removeprefix("gitdir:").strip()
        folders.append(os.path.join(real, named))
    private = folders[-1]
    common = os.path.join(private, "commondir")
    if os.path.isfile(common):
        with open(common, encoding="utf-8", errors="surrogateescape") as stream:
            named = stream.read().strip()
        folders.append(os.path.join(private, named))
    return [os.path.realpath(os.path.join(folder, OBJECTS)) for folder in folders]


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
