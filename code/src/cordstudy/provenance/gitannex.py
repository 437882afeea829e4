"""Running git, git-annex and DataLad: the only module that starts them.

Owns: argv lists to processes, their output as text, their failure as a StudyError.
Does not own: what the output means (each caller reads its own).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cordstudy.errors import StudyError

QUIET_GIT = ("-c", "advice.detachedHead=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false")
ZERO = "0" * 40
INDEX_WAIT_S = 120.0
"""How long another process may hold a study's index."""


def git(repo: Path, *args: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run git in `repo`; its standard output. Raises StudyError with git's own words."""
    return run(("git", *QUIET_GIT, *args), cwd=repo, stdin=stdin, env=env)


def git_index(repo: Path, *args: str) -> None:
    """Run a git command that begins by locking the index; wait while another process holds it.

    Git itself gives up at once, and both a user's `git status` and git-annex, as it takes in content,
    hold the index for a moment. Raises StudyError with git's own words after `INDEX_WAIT_S`.
    """
    until = time.monotonic() + INDEX_WAIT_S
    while True:
        try:
            git(repo, *args)
            return
        except StudyError as error:
            if "index.lock" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.1)


def git_ok(repo: Path, *args: str) -> bool:
    """Whether a git command succeeds; for questions that git answers by its exit code."""
    done = subprocess.run(["git", *args], cwd=repo, capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0


def annex(repo: Path, *args: str, stdin: str | None = None) -> str:
    """Run git-annex in `repo`; its standard output. Raises StudyError with its own words."""
    return run(("git", *QUIET_GIT, "annex", *args), cwd=repo, stdin=stdin)


def run(argv: Sequence[str], *, cwd: Path, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end; its standard output as text."""
    done = subprocess.run(
        list(argv), cwd=cwd, text=True, errors="surrogateescape", capture_output=True,
        input=stdin if stdin is not None else "", env={**os.environ, **(env or {})},
    )  # fmt: skip
    if done.returncode:
        told = (done.stderr.strip() or done.stdout.strip()).splitlines()[-8:]
        shown = " ".join([word for word in argv if word not in QUIET_GIT][:4])
        raise StudyError(f"`{shown} …` failed in {cwd} (exit {done.returncode}):\n" + "\n".join(told))
    return done.stdout


def annex_lines(repo: Path, *args: str, stdin: str) -> Iterator[str]:
    """Run git-annex and hand on the lines of its output as they come; its exit code is not looked at."""
    argv = ["git", *QUIET_GIT, "annex", *args]
    with tempfile.TemporaryFile("w+") as asked:
        asked.write(stdin)
        asked.seek(0)
        with subprocess.Popen(
            argv, cwd=repo, stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as running:
            yield from running.stdout


def logged(argv: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str]) -> int:
    """Run a command with its output in `log`; its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as stream:
        return subprocess.run(
            list(argv), cwd=cwd, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
            env={**os.environ, **env},
        ).returncode  # fmt: skip


def datalad_run(
    command: Sequence[str], *, message: str, outputs: Sequence[str], inputs: Sequence[str] = ()
) -> list[str]:
    """The argv that runs and records a command. Explicit: it saves the declared outputs only,
    and is right where the tree is clean by construction. Inputs are as they should be there."""
    argv = ["datalad", "-l", "warning", "run", "--explicit", "--assume-ready", "inputs", "-m", message]
    for option, specs in (("-i", inputs), ("-o", outputs)):
        for spec in specs:
            argv += [option, spec]
    return [*argv, *(["--"] if len(command) > 1 else []), *command]  # after --, one word would be quoted


def head(repo: Path, revision: str = "HEAD") -> str:
    """The commit that HEAD, or another revision, is at."""
    return git(repo, "rev-parse", "--verify", f"{revision}^{{commit}}").strip()


def tree_entries(repo: Path, commit: str) -> dict[str, tuple[str, str]]:
    """Mode and object id of every path at a commit."""
    lines = git(repo, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")
    fields = (line.split("\t", 1) for line in lines if line)
    return {path: (meta.split()[0], meta.split()[2]) for meta, path in fields}


def git_bytes(repo: Path, *args: str, stdin: bytes) -> bytes:
    """Run git on bytes; its standard output. Raises StudyError with git's own words."""
    done = subprocess.run(["git", *args], cwd=repo, input=stdin, capture_output=True)
    if done.returncode:
        raise StudyError(f"`git {' '.join(args)}` failed in {repo}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def gitlinks(repo: Path, commit: str) -> dict[str, str]:
    """Pinned commit of every subdataset by its path."""
    return {path: held for path, (mode, held) in tree_entries(repo, commit).items() if mode == "160000"}


def install_annex(repo: Path, *, private: bool) -> None:
    """Make a clone an annex. A `private` one is short-lived: it shares content with its origin
    by hard links and never enters the shared git-annex branch."""
    if private:
        git(repo, "config", "annex.private", "true")
        git(repo, "config", "annex.hardlink", "true")
    annex(repo, "init", "-q")


def is_annex(repo: Path) -> bool:
    """Whether git-annex is initialised there."""
    return git_ok(repo, "config", "annex.uuid")


def settle_identity(repo: Path, *, like: Path | None = None) -> None:
    """Have a clone know who commits, as git and git-annex refuse to guess.

    It is who commits in `like`, or in the clone itself; the login name where nobody has
    been set.
    """
    login = os.environ.get("USER") or os.environ.get("LOGNAME") or "user"
    for key, fallback in (("user.name", login), ("user.email", f"{login}@localhost")):
        told = subprocess.run(["git", "config", key], cwd=like or repo, capture_output=True, text=True)
        if like or not told.stdout.strip():
            git(repo, "config", key, told.stdout.strip() or fallback)


STEERING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_NAMESPACE", "GIT_CONFIG",
            "GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS")  # fmt: skip
"""Variables that would have git read another repository, or a part of it."""


def read_git(repo: Path, *args: str, stdin: bytes = b"") -> bytes:
    """Ask git for its objects as they are: no replacement, graft, cache of commits or variable of
    the caller's stands between. Raises StudyError with git's own words."""
    env = {key: value for key, value in os.environ.items() if key not in STEERING}
    env |= {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull, "GIT_OPTIONAL_LOCKS": "0"}
    argv = ["git", "-c", "core.commitGraph=false", *args]
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:  # one pipe is read much faster than three
        asked.write(stdin)
        asked.seek(0)
        done = subprocess.run(argv, cwd=repo, stdin=asked, stdout=subprocess.PIPE, stderr=said, env=env)
        said.seek(0)
        told = said.read().decode(errors="surrogateescape").strip()
    if done.returncode:
        raise StudyError(f"`git {' '.join(args[:3])} …` failed in {repo} (exit {done.returncode}): {told}")
    return done.stdout
