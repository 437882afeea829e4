"""Running git, git-annex and DataLad: the only module that starts them.

Owns: argv lists to processes, their output as text, their failure as a StudyError, and that what a
step started does not outlive the run.
Does not own: what the output means (each caller reads its own), or what a private environment is
(`surroundings`).

`private` is for what happens in a workspace: there the user's settings do not count.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling import guard
from cordstudy.provenance.calling.surroundings import private_environment

QUIET_GIT = ("-c", "advice.detachedHead=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false")
ZERO = "0" * 40
ANY_BYTES = "surrogateescape"
"""How bytes become text and text bytes, without loss: a file's name may hold any, a carriage return
among them."""
CREDENTIALS = re.compile(r"://[^/\s@]*:[^/\s@]*@|://[^/\s@:]{20,}@")
"""Who reads a URL: a name with a password, or one so long that it is one."""
LAST_LINES = 8
"""How many lines of what a command said are told of its failure."""
INDEX_WAIT_S = 120.0
"""How long another process may hold a dataset's index."""
TRANSFER_WAIT_S = 600.0
"""How long another process may take to transfer what is to be transferred."""
TRANSFERRED = "transfer already in progress"
"""What git-annex says of content that another process transfers to the same place."""
LAST_INDEX = "refs/annex/last-index"
"""The tree up to which git-annex has looked for unlocked files, in its own words."""
GITLINK = "160000"
"""The mode of a subdataset in a tree."""
Held = tuple[str, str]
"""Mode and object id of what a path holds in a tree."""
_guards: dict[str, subprocess.Popen[bytes]] = {}
"""What runs now, by its workspace."""
_stopping = threading.Event()
_stopped: set[str] = set()
"""The workspaces in which nothing more may begin."""


def git(
    repo: Path,
    *args: str,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    private: bool = False,
) -> str:
    """Run git in `repo`; its standard output. Raises StudyError with git's own words."""
    return run(("git", *QUIET_GIT, *args), cwd=repo, stdin=stdin, env=env, private=private)


def git_index(repo: Path, *args: str) -> None:
    """Run a git command that begins by locking the index; wait while another process holds it.

    Git itself gives up at once, and both a user's `git status` and git-annex, as it takes in
    content, hold the index for a moment, `git commit` while its editor is open. Raises StudyError
    with git's own words after `INDEX_WAIT_S`.
    """
    until = time.monotonic() + INDEX_WAIT_S
    while True:
        try:
            git(repo, *args)
            return
        except StudyError as error:
            is_held = "index.lock" in str(error)
            if not is_held or time.monotonic() > until or _stopping.is_set():
                raise
        time.sleep(0.1)


def git_ok(repo: Path, *args: str, stdin: str = "") -> bool:
    """Whether a git command succeeds; for questions that git answers by its exit code."""
    asked = stdin.encode(errors=ANY_BYTES)
    done = subprocess.run(["git", *args], cwd=repo, capture_output=True, input=asked)
    return done.returncode == 0


def annex(repo: Path, *args: str, stdin: str | None = None, private: bool = False) -> str:
    """Run git-annex in `repo`; its standard output. Raises StudyError with its own words."""
    return run(("git", *QUIET_GIT, "annex", *args), cwd=repo, stdin=stdin, private=private)


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    private: bool = False,
) -> str:
    """Run a command to its end; its standard output as text."""
    done = subprocess.run(
        list(argv),
        cwd=cwd,
        capture_output=True,
        input=(stdin or "").encode(errors=ANY_BYTES),
        env={**_base(private), **(env or {})},
    )
    output = done.stdout.decode(errors=ANY_BYTES)
    if done.returncode:
        complaint = done.stderr.decode(errors=ANY_BYTES).strip() or output.strip()
        raise _failure(argv, cwd, done.returncode, complaint)
    return output


def _failure(argv: Sequence[str], cwd: Path, code: int, complaint: str) -> StudyError:
    """The error that tells what a command said in the end."""
    lines = "\n".join(complaint.strip().splitlines()[-LAST_LINES:])
    words = [word for word in argv if word not in QUIET_GIT]
    shown = without_passwords(" ".join(words[:4]))
    return StudyError(f"`{shown} …` failed in {cwd} (exit {code}):\n{lines}")


def without_passwords(text: str, *, shown: str = "…@") -> str:
    """A text whose URLs tell nobody's name and password, but that there were such."""
    return CREDENTIALS.sub(f"://{shown}", text)


def _base(private: bool) -> Mapping[str, str]:
    return private_environment() if private else os.environ


def annex_lines(repo: Path, *args: str, stdin: str, private: bool = False) -> Iterator[str]:
    """Run git-annex and hand on the lines of its output as they come. Raises StudyError with its
    own words at the end."""
    argv = ("git", *QUIET_GIT, "annex", *args)
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(stdin.encode(errors=ANY_BYTES))
        asked.seek(0)
        with subprocess.Popen(
            argv,
            cwd=repo,
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=said,
            env=_base(private),
        ) as running:
            assert running.stdout is not None  # as it is a pipe
            for line in running.stdout:
                yield line.decode(errors=ANY_BYTES)
        if running.returncode:
            said.seek(0)
            raise _failure(argv, repo, running.returncode, said.read().decode(errors=ANY_BYTES))


def transfer(repo: Path, *args: str, stdin: str, private: bool = False) -> Iterator[str]:
    """Have git-annex get or copy content, and hand on the lines of its output as they come; ask
    again while another process transfers the same content to the same place.

    Git-annex itself gives up at once, and two jobs that run one step, or read one file, meet so.
    Raises StudyError with git-annex's own words.
    """
    until = time.monotonic() + TRANSFER_WAIT_S
    while True:
        try:
            yield from annex_lines(repo, *args, stdin=stdin, private=private)
            return
        except StudyError as error:
            is_held = TRANSFERRED in str(error)
            if not is_held or time.monotonic() > until or _stopping.is_set():
                raise
        time.sleep(0.1)


def guarded(
    argv: Sequence[str], *, cwd: Path, log: Path, workspace: str, env: Mapping[str, str]
) -> int:
    """Run a command in a workspace's own environment, its output in `log`; its exit code.

    All that it starts ends with it, and with this process (`guard`).
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, "-P", "-I", guard.__file__, workspace, *argv]
    with (
        log.open("w") as stream,
        subprocess.Popen(
            program,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**env, guard.MARK: workspace},
        ) as running,
    ):
        _guards[workspace] = running
        if _stopping.is_set() or workspace in _stopped:
            running.terminate()
        code = running.wait()
        del _guards[workspace]
    if code < 0:  # the guard itself was killed
        guard.end_all(workspace)
    return code


def stop(workspace: str) -> None:
    """End what runs guarded in a workspace, or is about to."""
    _stopped.add(workspace)
    running = _guards.get(workspace)
    if running:
        running.terminate()


def allow_all() -> None:
    """Let what runs guarded begin, as at the start."""
    _stopping.clear()


def stop_all() -> None:
    """End all that runs guarded, and let nothing more begin."""
    _stopping.set()
    for running in list(_guards.values()):
        running.terminate()


def datalad_run(
    command: Sequence[str], *, message: str, outputs: Sequence[str], inputs: Sequence[str] = ()
) -> list[str]:
    """The argv that runs and records a command: words in which DataLad fills in what is in braces,
    one word a shell's line. Explicit: it saves the declared outputs only, and is right where the
    tree is clean by construction. Inputs are as they should be there."""
    argv = ["datalad", "-l", "warning", "run", "--explicit", "--assume-ready", "inputs"]
    argv += ["-m", message]
    for spec in inputs:
        argv += ["-i", spec]
    for spec in outputs:
        argv += ["-o", spec]
    if len(command) > 1:  # after --, one word would be quoted
        argv.append("--")
    return [*argv, *command]


def head(repo: Path, revision: str = "HEAD") -> str:
    """The commit that HEAD, or another revision, is at."""
    return git(repo, "rev-parse", "--verify", f"{revision}^{{commit}}").strip()


def tree_entries(repo: Path, tree: str) -> dict[str, Held]:
    """Every path of a tree or commit, with its mode and object id. Raises StudyError where it is
    not here, and for one that holds a path twice."""
    answer = read_git(repo, "ls-tree", "-r", "-z", "--full-tree", tree)
    entries: dict[str, Held] = {}
    for line in answer.decode(errors=ANY_BYTES).split("\0")[:-1]:
        meta, _, path = line.partition("\t")
        mode, _, name = meta.split(" ")
        if path in entries:
            raise StudyError(f"{repo}: the tree of {tree[:12]} holds a path twice", hint="git fsck")
        entries[path] = (mode, name)
    return entries


def gitlinks(repo: Path, commit: str) -> dict[str, str]:
    """Pinned commit of every subdataset by its path."""
    pins = {}
    for path, (mode, name) in tree_entries(repo, commit).items():
        if mode == GITLINK:
            pins[path] = name
    return pins


def install_annex(repo: Path, *, private: bool) -> None:
    """Make a clone an annex. A `private` one is short-lived: it shares content with its origin
    by hard links and never enters the shared git-annex branch."""
    if private:
        git(repo, "config", "annex.private", "true", private=True)
        git(repo, "config", "annex.hardlink", "true", private=True)
    annex(repo, "init", "-q", private=private)


def settle_locked(repo: Path) -> None:
    """Have git-annex take the tree of a fresh clone for one that it has looked through, where none
    of the annexed files that the clone uses is unlocked.

    Else it looks for unlocked ones among all files, the first time that content comes or goes and,
    while git holds the index, each time: half a second a time in a dataset of 3,000 files.
    """
    git(repo, "update-ref", LAST_INDEX, "HEAD^{tree}", private=True)


def settle_filter(repo: Path) -> None:
    """Have plain git work in an annex in a shell that has no git-annex on its PATH: git's filter
    and hooks then call this environment's."""
    place = Path(shutil.which("git-annex") or "git-annex").absolute()
    program = shlex.quote(str(place))
    settings = {
        "filter.annex.process": f"{program} filter-process",
        "filter.annex.smudge": f"{program} smudge -- %f",
        "filter.annex.clean": f"{program} smudge --clean -- %f",
        "alias.annex": f"!{program}",
    }
    for key, value in settings.items():
        git(repo, "config", key, value)


def is_annex(repo: Path) -> bool:
    """Whether git-annex is initialised there."""
    return git_ok(repo, "config", "annex.uuid")


def settle_identity(repo: Path, *, like: Path | None = None) -> None:
    """Have a clone's own settings say who commits, as git and git-annex refuse to guess, and as
    others are not heeded in workspaces, from where git-annex also writes to the dataset.

    It is who commits in `like`, or in the clone itself; the login name where nobody has been set.
    """
    login = os.environ.get("USER") or os.environ.get("LOGNAME") or "user"
    for key, fallback in (("user.name", login), ("user.email", f"{login}@localhost")):
        if like is None and git_ok(repo, "config", "--local", key):
            continue
        asked = ["git", "config", key]
        answer = subprocess.run(asked, cwd=like or repo, capture_output=True, text=True)
        git(repo, "config", key, answer.stdout.strip() or fallback)


STEERING = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_SHALLOW_FILE",
    "GIT_NAMESPACE",
    "GIT_CONFIG",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
)
"""Variables that would have git read another repository, or a part of it."""


def read_git(repo: Path, *args: str, stdin: bytes = b"") -> bytes:
    """Ask git for its objects as they are: no replacement, graft, cache of commits or variable of
    the caller's stands between. Raises StudyError with git's own words."""
    env = {key: value for key, value in os.environ.items() if key not in STEERING}
    env |= {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull, "GIT_OPTIONAL_LOCKS": "0"}
    # files for input and errors: one pipe is read much faster than three
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as complaints:
        asked.write(stdin)
        asked.seek(0)
        done = subprocess.run(
            ["git", "-c", "core.commitGraph=false", *args],
            cwd=repo,
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=env,
        )
        complaints.seek(0)
        complaint = complaints.read().decode(errors=ANY_BYTES).strip()
    if done.returncode:
        shown = " ".join(args[:3])
        raise StudyError(f"`git {shown} …` failed in {repo} (exit {done.returncode}): {complaint}")
    return done.stdout
