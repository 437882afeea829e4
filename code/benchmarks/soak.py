"""A study that is disturbed a hundred times while it runs, and must end as an undisturbed one.

Rounds of the tests' tiny study, each run again and again until it is done, while processes are
killed, signals come, the tip moves, code is edited, the index is held, git collects garbage,
branches change and the disk fills up, at random moments. At the end of each round: the tree of an
undisturbed run, `audit --all` and `git annex fsck` without findings, nothing left running or lying
about, nothing outside touched.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
TINY = REPOSITORY / "code/tests/tiny.toml"
STUDY = ("code/study", "--study", "tiny")
DISK_MB = 3000
CHECKS = {
    "audit": [*STUDY, "audit", "--all", "--content"],
    "git fsck": ["git", "fsck", "--connectivity-only"],
    "annex fsck": ["git", "annex", "fsck", "-q"],
    "sources fsck": ["git", "submodule", "--quiet", "foreach", "git annex fsck -q"],
}
"""What must find nothing, whatever was done to a study."""


class Study:
    """A clone of this repository with the tiny study, on a disk of its own, and what is beside."""

    def __init__(self, disk: Path, name: str, cache: Path) -> None:
        self.disk, self.folder, self.beside = disk, disk / name, disk / f"{name} beside"
        self.environment = os.environ | {"CORDSTUDY_CACHE": str(cache)}
        self.do("git", "clone", "-q", str(REPOSITORY), str(self.folder), cwd=disk)
        for key, value in (("user.name", "Soak"), ("user.email", "soak@example.org")):
            self.do("git", "config", key, value)
        shutil.copy(TINY, self.folder / "code/studies/tiny.toml")
        self.do("git", "add", "code/studies/tiny.toml")
        self.do("git", "commit", "-q", "-m", "test: add the tiny study")
        (self.beside / "theirs").mkdir(parents=True)
        (self.beside / "theirs/data.txt").write_text("precious\n")
        (self.folder / "site.toml").write_text(f'scratch = "{self.beside}"\n')

    def do(self, *argv: str, cwd: Path | None = None, check: bool = True) -> str:
        """Run a command in the study; its standard output."""
        done = subprocess.run(
            argv, cwd=cwd or self.folder, env=self.environment, capture_output=True, text=True
        )
        if check and done.returncode:
            raise SystemExit(
                f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def exit_code(self, *argv: str) -> int:
        """Run a command in the study, which may fail."""
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        return done.returncode

    def start(self) -> subprocess.Popen[bytes]:
        """Begin a run of the study."""
        log = (self.disk / "run.log").open("w")
        return subprocess.Popen(
            [*STUDY, "run", "--jobs", "2"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def is_done(self) -> bool:
        """Whether all steps are."""
        return self.exit_code(*STUDY, "status") == 0

    def results(self) -> str:
        """What models/ and derivatives/ of the study hold, to the byte: git's objects, which name
        annexed content."""
        return self.do("git", "ls-tree", "-r", "HEAD", "models/tiny", "derivatives/tiny")

    def faults(self) -> Iterator[str]:
        """What a disturbance left behind."""
        for name, argv in CHECKS.items():
            done = subprocess.run(
                argv, cwd=self.folder, env=self.environment, capture_output=True, text=True
            )
            if done.returncode:
                yield f"{name}: {done.stdout[-2000:]}{done.stderr[-500:]}"
        changes = self.do("git", "status", "--porcelain", "--ignore-submodules=none")
        if changes:
            yield f"git status: {changes}"
        refs = self.do("git", "for-each-ref", "refs/worktree")
        if refs:
            yield f"refs: {refs}"
        yield from self.faults_beside()
        left = processes_below(self.disk)
        if left:
            yield f"processes: {left}"

    def faults_beside(self) -> Iterator[str]:
        """What is other beside the study than before, where its workspaces were."""
        names = set()
        for path in self.beside.iterdir():
            if not path.name.startswith("cordstudy-"):
                names.add(path.name)
                continue
            workspaces = list(path.iterdir())
            if workspaces:
                yield f"workspaces: {workspaces}"
        if names != {"theirs"}:
            yield "something beside the study was removed or added"
        if (self.beside / "theirs/data.txt").read_text() != "precious\n":
            yield "something beside the study was changed"


def processes_below(disk: Path) -> list[psutil.Process]:
    """The processes that work below a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.cwd().startswith(f"{disk}/"):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


Running = subprocess.Popen[bytes]
Disturbance = Callable[[Study, Running, random.Random], None]


def signalled(number: int) -> Disturbance:
    """A signal to the run."""

    def act(study: Study, running: Running, _: random.Random) -> None:
        running.send_signal(number)

    return act


def kill_one(study: Study, running: Running, rng: random.Random) -> None:
    """Kill one of the processes of a step, whichever it is."""
    own = str(study.beside)
    of_steps = [one for one in processes_below(study.disk) if _cwd(one).startswith(own)]
    if of_steps:
        rng.choice(of_steps).kill()


def _cwd(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


def change(study: Study, name: str, text: str, *, editor: str = "") -> None:
    """Somebody commits a file with this text added; where the commit fails, they take it back."""
    path = study.folder / name
    before = path.read_bytes() if path.exists() else None
    message = [] if editor else ["-m", "docs: change"]
    try:
        path.write_bytes((before or b"") + text.encode())
        study.do("git", "add", "--", name, check=False)
        done = subprocess.run(
            ["git", "commit", "-q", *message, "--", name],
            cwd=study.folder,
            env=study.environment | {"GIT_EDITOR": editor},
            capture_output=True,
        )
        committed = done.returncode == 0
    except OSError:  # a full disk
        committed = False
    if not committed:
        take_back(study, name, before)


def take_back(study: Study, name: str, before: bytes | None) -> None:
    """Bring a file back to what it was, in the index too."""
    path = study.folder / name
    for _ in range(20):  # while a step lands, it has the index
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
        study.do("git", "reset", "-q", "--", name, check=False)
        if not study.do("git", "status", "--porcelain", "--", name, check=False):
            return
        time.sleep(0.2)


def move_tip(study: Study, running: Running, rng: random.Random) -> None:
    """Somebody commits a file that no step reads."""
    change(study, f"code/docs/note-{rng.randrange(10)}.md", f"{rng.random()}\n")


def edit_code(study: Study, running: Running, rng: random.Random) -> None:
    """A constant at the end of a module that steps import: a comment makes none of them stale."""
    path = rng.choice(sorted((study.folder / "code/src/cordstudy/pipeline").glob("*/*.py")))
    change(study, str(path.relative_to(study.folder)), f"SOAKED = {rng.random()}\n")


def hold_index(study: Study, running: Running, rng: random.Random) -> None:
    """Somebody commits with an editor that stays open for a while."""
    change(study, "code/docs/held.md", f"{rng.random()}\n", editor="sleep 3; echo held >")


def collect_garbage(study: Study, running: Running, rng: random.Random) -> None:
    """Git drops all that nothing holds."""
    study.do("git", "reflog", "expire", "--expire=now", "--all", check=False)
    study.do("git", "gc", "-q", "--prune=now", check=False)


def leave_branch(study: Study, running: Running, rng: random.Random) -> None:
    """Somebody looks at a commit, and comes back."""
    study.do("git", "checkout", "-q", "--detach", check=False)
    time.sleep(rng.uniform(0.5, 3))
    study.do("git", "checkout", "-q", "main", check=False)


def fill_disk(study: Study, running: Running, rng: random.Random) -> None:
    """The disk is full for a while, to the last byte."""
    path = study.disk / "full"
    with path.open("wb") as stream:
        try:
            while True:
                stream.write(b"0" * (1 << 20))
                stream.flush()
        except OSError:
            pass
    time.sleep(rng.uniform(1, 4))
    path.unlink()


DISTURBANCES: Mapping[str, Disturbance] = {
    "kill -9 of the run": signalled(signal.SIGKILL),
    "SIGTERM": signalled(signal.SIGTERM),
    "SIGHUP": signalled(signal.SIGHUP),
    "Ctrl-C": signalled(signal.SIGINT),
    "kill -9 of a step's process": kill_one,
    "tip moved": move_tip,
    "code edited": edit_code,
    "commit with an open editor": hold_index,
    "git gc --prune=now": collect_garbage,
    "branch left and come back to": leave_branch,
    "disk full": fill_disk,
}


@contextmanager
def own_disk() -> Iterator[tuple[Path, bool]]:
    """A disk that may be filled, where this user may mount one; else a folder."""
    with tempfile.TemporaryDirectory() as name:
        argv = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", name]
        mounted = not subprocess.run(argv, capture_output=True).returncode
        try:
            yield Path(name), mounted
        finally:
            if mounted:
                subprocess.run(["umount", "-l", name], check=True)


def outside() -> str:
    """A digest of what must not be touched: this repository."""
    digest = hashlib.sha256()
    for argv in (
        ["git", "rev-parse", "HEAD"],
        ["git", "for-each-ref"],
        ["git", "status", "--porcelain"],
    ):
        digest.update(subprocess.run(argv, cwd=REPOSITORY, capture_output=True).stdout)
    return digest.hexdigest()


def disturb(
    study: Study, rng: random.Random, kinds: Sequence[str], most: int, counts: Counter[str]
) -> None:
    """Run a study until it is done, disturbing it up to so many times; then undisturbed."""
    for _ in range(3 * most + 10):
        running = study.start()
        while counts.total() < most and running.poll() is None:
            time.sleep(rng.uniform(0.3, 6))
            if running.poll() is None:
                kind = rng.choice(kinds)
                DISTURBANCES[kind](study, running, rng)
                counts[kind] += 1
        running.wait()
        study.do("git", "checkout", "-q", "main", check=False)
        if study.is_done():
            return
    raise SystemExit(f"the study does not come to an end:\n{(study.disk / 'run.log').read_text()}")


def undisturbed(disk: Path) -> str:
    """What a study comes to that is left alone; leaves nothing cached."""
    study = Study(disk, "calm", disk / "cache")
    study.start().wait()
    if not study.is_done():
        raise SystemExit((disk / "run.log").read_text())
    shutil.rmtree(disk / "cache", ignore_errors=True)
    return study.results()


def disturbed_round(
    study: Study,
    expected: str,
    rng: random.Random,
    kinds: Sequence[str],
    most: int,
    counts: Counter[str],
) -> list[str]:
    """Disturb a study to its end, then remove it; what is wrong with it."""
    disturb(study, rng, kinds, most, counts)
    faults = list(study.faults())
    if study.results() != expected:
        faults.append("another tree")
    subprocess.run(["chmod", "-R", "u+w", str(study.folder)], check=False)
    shutil.rmtree(study.folder, ignore_errors=True)
    shutil.rmtree(study.beside, ignore_errors=True)
    return faults


@click.command()
@click.option("--times", default=100, show_default=True, help="Disturbances.")
@click.option("--seed", default=0, show_default=True, help="Of what happens when.")
def main(times: int, seed: int) -> None:
    """Print what was done to the study, and what came of it."""
    rng, counts, before = random.Random(seed), Counter[str](), outside()
    start, rounds = time.monotonic(), 0
    faults: list[str] = []
    with own_disk() as (disk, mounted):
        kinds = [kind for kind in DISTURBANCES if mounted or kind != "disk full"]
        expected = undisturbed(disk)
        while counts.total() < times:
            rounds += 1
            study = Study(disk, f"round {rounds}", disk / "cache")
            of_round = disturbed_round(study, expected, rng, kinds, times, counts)
            faults += [f"round {rounds}: {fault}" for fault in of_round]
            done = f"{counts.total()} disturbances, {len(of_round)} faults"
            click.echo(f"round {rounds}: {done}", err=True)
    if outside() != before:
        faults.append("this repository was touched")
    for kind in DISTURBANCES:
        click.echo(f"{kind:30} {counts[kind]:4}")
    spent_s = time.monotonic() - start
    click.echo(f"{'all':30} {counts.total():4}, in {rounds} rounds, {spent_s:.0f} s, seed {seed}")
    click.echo(f"{'faults':30} {len(faults):4}")
    for fault in faults:
        click.echo(fault)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
