"""A study that is disturbed a hundred times while it runs, and must end as an undisturbed one.

Rounds of the tests' tiny study, each run again and again until it is done, while processes are killed,
signals come, the tip moves, code is edited, the index is held, git collects garbage, branches change and the
disk fills up, at random moments. At the end of each round: the tree of an undisturbed run, `audit --all` and
`git annex fsck` without findings, nothing left running or lying about, nothing outside touched.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
TINY = REPOSITORY / "code/tests/tiny.toml"
STUDY = ("code/study", "--study", "tiny")
DISK_MB = 3000


class Study:
    """A clone of this repository with the tiny study, on a disk of its own, and what is beside it."""

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

    def start(self) -> subprocess.Popen:
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
        return not subprocess.run(
            [*STUDY, "status"], cwd=self.folder, env=self.environment, capture_output=True
        ).returncode

    def results(self) -> str:
        """What models/ and derivatives/ of the study hold, to the byte: git's objects, which name annexed content."""
        return self.do("git", "ls-tree", "-r", "HEAD", "models/tiny", "derivatives/tiny")

    def faults(self) -> Iterator[str]:
        """What a disturbance left behind."""
        checks = {
            "audit": [*STUDY, "audit", "--all", "--content"],
            "git fsck": ["git", "fsck", "--connectivity-only"],
            "annex fsck": ["git", "annex", "fsck", "-q"],
            "sources fsck": ["git", "submodule", "--quiet", "foreach", "git annex fsck -q"],
        }
        for name, argv in checks.items():
            done = subprocess.run(
                argv, cwd=self.folder, env=self.environment, capture_output=True, text=True
            )
            if done.returncode:
                yield f"{name}: {done.stdout[-2000:]}{done.stderr[-500:]}"
        if told := self.do("git", "status", "--porcelain", "--ignore-submodules=none"):
            yield f"git status: {told}"
        if told := self.do("git", "for-each-ref", "refs/worktree"):
            yield f"refs: {told}"
        if left := [path for own in self.beside.glob("cordstudy-*") for path in own.iterdir()]:
            yield f"workspaces: {left}"
        if {
            path.name for path in self.beside.iterdir() if not path.name.startswith("cordstudy-")
        } != {"theirs"}:
            yield "something beside the study was removed or added"
        if (self.beside / "theirs/data.txt").read_text() != "precious\n":
            yield "something beside the study was changed"
        if left := processes_below(self.disk):
            yield f"processes: {left}"


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


def signalled(number: int) -> Callable:
    def act(study: Study, running: subprocess.Popen, _: random.Random) -> None:
        running.send_signal(number)

    return act


def kill_one(study: Study, running: subprocess.Popen, rng: random.Random) -> None:
    """Kill one of the processes of a step, whichever it is."""
    own = str(study.beside)
    found = [process for process in processes_below(study.disk) if _cwd(process).startswith(own)]
    if found:
        rng.choice(found).kill()


def _cwd(process: psutil.Process) -> str:
    try:
        return process.cwd()
    except psutil.Error:
        return ""


def change(study: Study, name: str, text: str, *, editor: str = "") -> None:
    """Somebody commits a file with this text added; where the commit fails, they take the text back."""
    path = study.folder / name
    before = path.read_bytes() if path.exists() else None
    environment = study.environment | {"GIT_EDITOR": editor}
    message = [] if editor else ["-m", "docs: change"]
    try:
        path.write_bytes((before or b"") + text.encode())
        study.do("git", "add", "--", name, check=False)
        done = subprocess.run(
            ["git", "commit", "-q", *message, "--", name],
            cwd=study.folder,
            env=environment,
            capture_output=True,
        )
        if not done.returncode:
            return
    except OSError:  # a full disk
        pass
    for _ in range(20):  # while a step lands, it has the index
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before)
        study.do("git", "reset", "-q", "--", name, check=False)
        if not study.do("git", "status", "--porcelain", "--", name, check=False):
            return
        time.sleep(0.2)


def move_tip(study: Study, running: subprocess.Popen, rng: random.Random) -> None:
    change(study, f"code/docs/note-{rng.randrange(10)}.md", f"{rng.random()}\n")


def edit_code(study: Study, running: subprocess.Popen, rng: random.Random) -> None:
    """A comment at the end of a module that steps import."""
    path = rng.choice(sorted((study.folder / "code/src/cordstudy/pipeline").glob("*/*.py")))
    change(study, str(path.relative_to(study.folder)), f"# {rng.random()}\n")


def hold_index(study: Study, running: subprocess.Popen, rng: random.Random) -> None:
    change(study, "code/docs/held.md", f"{rng.random()}\n", editor="sleep 3; echo held >")


def collect_garbage(study: Study, running: subprocess.Popen, rng: random.Random) -> None:
    study.do("git", "reflog", "expire", "--expire=now", "--all", check=False)
    study.do("git", "gc", "-q", "--prune=now", check=False)


def leave_branch(study: Study, running: subprocess.Popen, rng: random.Random) -> None:
    study.do("git", "checkout", "-q", "--detach", check=False)
    time.sleep(rng.uniform(0.5, 3))
    study.do("git", "checkout", "-q", "main", check=False)


def fill_disk(study: Study, running: subprocess.Popen, rng: random.Random) -> None:
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


DISTURBANCES = {
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
    questions = (
        ["git", "rev-parse", "HEAD"],
        ["git", "for-each-ref"],
        ["git", "status", "--porcelain"],
    )
    told = [
        subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True).stdout
        for argv in questions
    ]
    return hashlib.sha256("".join(told).encode()).hexdigest()


def disturb(
    study: Study, rng: random.Random, kinds: list[str], most: int, counts: Counter[str]
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


@click.command()
@click.option("--times", default=100, show_default=True, help="Disturbances.")
@click.option("--seed", default=0, show_default=True, help="Of what happens when.")
def main(times: int, seed: int) -> None:
    """Print what was done to the study, and what came of it."""
    rng, counts, before, start = random.Random(seed), Counter(), outside(), time.monotonic()
    with own_disk() as (disk, mounted):
        kinds = [kind for kind in DISTURBANCES if mounted or kind != "disk full"]
        calm = Study(disk, "calm", disk / "cache")
        calm.start().wait()
        if not calm.is_done():
            raise SystemExit((disk / "run.log").read_text())
        expected, rounds, faults = calm.results(), 0, []
        shutil.rmtree(disk / "cache", ignore_errors=True)
        while counts.total() < times:
            rounds += 1
            study = Study(disk, f"round {rounds}", disk / "cache")
            disturb(study, rng, kinds, times, counts)
            found = [*study.faults(), *(["another tree"] if study.results() != expected else [])]
            faults += [f"round {rounds}: {fault}" for fault in found]
            click.echo(
                f"round {rounds}: {counts.total()} disturbances, {len(found)} faults", err=True
            )
            subprocess.run(["chmod", "-R", "u+w", str(study.folder)], check=False)
            shutil.rmtree(study.folder, ignore_errors=True)
            shutil.rmtree(study.beside, ignore_errors=True)
    if outside() != before:
        faults.append("this repository was touched")
    for kind in DISTURBANCES:
        click.echo(f"{kind:30} {counts[kind]:4}")
    click.echo(
        f"{'all':30} {counts.total():4}, in {rounds} rounds, {time.monotonic() - start:.0f} s, seed {seed}"
    )
    click.echo(f"{'faults':30} {len(faults):4}")
    for fault in faults:
        click.echo(fault)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
