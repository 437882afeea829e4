"""The walls around a command that is run again for its content.

Owns: what it can see and write: bubblewrap's command line.
Does not own: whether bubblewrap can work here (`calling.sandbox`), or the command.

It sees the system's programs, this Python, the environments of the user's cache, the objects of the
datasets that its workspace borrows; all read-only. It writes to its workspace, but not to what git
keeps there, nor to subdatasets: their annexed files are hard links to the dataset's own. No
network, an empty home folder, no process but its own, and a /proc that cannot set up the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cordstudy.provenance.calling.gitannex import git
from cordstudy.provenance.calling.sandbox import SYSTEM, pythons_folders
from cordstudy.provenance.calling.surroundings import GITCONFIG, user_cache
from cordstudy.provenance.profile import NAME
from cordstudy.provenance.running.workspace import Workspace

MORE = ("/etc", "/opt")
"""Of the system: accounts, alternatives, libraries; programs that no package brought."""
SHARED = str(2**30)
"""Bytes of memory that processes may share."""
ENVIRONMENTS = ("steps", "tools")
CACHE = "xdg"
"""The user's cache as the command sees it, in its workspace's folder: environments, else empty."""


OWN = ("home", "cache", CACHE)


def walled(ws: Workspace, links: Iterable[str], *, cwd: Path) -> list[str]:
    """The command line up to the command that runs in a workspace; `links` are its subdatasets."""
    argv = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    argv += _system()
    argv += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"]
    argv += ["--size", SHARED, "--tmpfs", "/dev/shm", "--bind", str(_tmp(ws)), "/tmp"]
    for place in _readable(ws, links):
        argv += ["--ro-bind", str(place), str(place)]
    for place in (ws.path, *(ws.folder / name for name in OWN)):  # not its mark, which is ours
        place.mkdir(exist_ok=True)
        argv += ["--bind", str(place), str(place)]
    for layer in _environments():
        argv += ["--ro-bind", str(layer), str(ws.folder / CACHE / NAME / layer.name)]
    for place in (ws.path / ".git", *(ws.path / link for link in links)):
        if place.exists():
            argv += ["--ro-bind", str(place), str(place)]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(cwd)]
    argv += ["--setenv", "TMPDIR", "/tmp"]
    return [*argv, "--setenv", "XDG_CACHE_HOME", str(ws.folder / CACHE)]


def _system() -> list[str]:
    argv = []
    for name in (*SYSTEM, *MORE):
        place = Path(name)
        if place.is_symlink():
            argv += ["--symlink", str(place.readlink()), name]
        elif place.is_dir():
            argv += ["--ro-bind", name, name]
    return argv


def _readable(ws: Workspace, links: Iterable[str]) -> list[Path]:
    """What is read outside the workspace, each before what lies in it."""
    places = {Path(name) for name in pythons_folders()}
    places |= {*_environments()}
    places |= {_objects(ws.dataset), *(_objects(ws.dataset / link) for link in links)}
    return sorted(place for place in {*places, GITCONFIG} if place.exists())


def _tmp(ws: Workspace) -> Path:
    """What the command sees as /tmp: on disk, where it is counted, and by a short name, as a socket
    cannot have a long one."""
    folder = ws.folder / "tmp"
    folder.mkdir(exist_ok=True)
    return folder


def _environments() -> list[Path]:
    """The folders of the environments that are made here."""
    folders = [user_cache() / NAME / layer for layer in ENVIRONMENTS]
    return [folder for folder in folders if folder.is_dir()]


def _objects(repo: Path) -> Path:
    """Where git keeps the objects of a repository."""
    if not (repo / ".git").exists():
        return repo / ".git/objects"
    return repo / git(repo, "rev-parse", "--git-path", "objects").strip()
