"""Steps as jobs of Slurm: a thousand submitted, some landed, and the full study's graph.

On a real Slurm of three nodes that is started here, from Debian's packages, and stopped at the end.
The peer is bare `sbatch` of the same graph: jobs that run the same commands in one folder and
record nothing.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click

from cordstudy.provenance.cluster import slurm
from cordstudy.provenance.cluster.states import ENDED_WELL, job_states
from cordstudy.provenance.cluster.store import make_store, push
from cordstudy.provenance.cluster.submission import read_submission
from cordstudy.provenance.cluster.submitting import (
    Desk,
    Program,
    Request,
    Site,
    read_jobs,
)
from cordstudy.provenance.history.index import History
from cordstudy.study.loading import load_study
from cordstudy.study.steps import steps

REPOSITORY = Path(__file__).resolve().parents[2]
STUDY = REPOSITORY / "code/study"
sys.path.append(str(REPOSITORY / "code/tests"))  # for a cluster, and trees of true sources
CHAINS = 10
"""Each step reads what the one before it in its chain made."""
TRIVIAL = '''\
#!/usr/bin/env python3
"""A step writes the files that it declares and nothing else; all but steps is as it was."""
import os, sys
OUTPUTS = {outputs}
program = os.path.join(os.path.dirname(os.path.realpath(__file__)), "study-real")
outputs = OUTPUTS.get(" ".join(sys.argv[1:]))
if outputs is None:
    os.execv(program, [program, *sys.argv[1:]])
for path, count in outputs:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    for n in range(count):
        file = path.replace("*", "case-%04d.nii.gz" % n)
        with open(file, "w") as stream:
            stream.write(file + "\\n")
'''
SITE = """\
[slurm]
store = "{base}/store.git"
scratch = "{base}/scratch"
cores = 1
memory = "10M"
"""


def until(what: str, is_so: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until something is so. Ends the benchmark where it does not come."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"after {seconds:.0f} s it is not so that {what}")
        time.sleep(0.1)


def run(*argv: str | Path, cwd: Path = Path("/"), **env: str) -> str:
    """Run a command; its output."""
    words = list(map(str, argv))
    # files, as a daemon would keep a pipe open
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as complaints:
        done = subprocess.run(
            words, cwd=cwd, stdout=output, stderr=complaints, env=os.environ | env
        )
        output.seek(0)
        complaints.seek(0)
        if done.returncode:
            raise SystemExit(f"{words}: {output.read()}{complaints.read()}")
        return output.read()


@dataclass(frozen=True)
class Step:
    """One line of shell that reads the file of the step before it, and writes its own."""

    number: int

    @property
    def name(self) -> str:
        return f"step:{self.number}"

    @property
    def argv(self) -> tuple[str, ...]:
        return (f"mkdir -p out; cat {self.inputs[0]} > {self.outputs[0]}",)

    @property
    def inputs(self) -> tuple[str, ...]:
        before = self.number - CHAINS
        return (f"out/{before}.bin",) if before >= 0 else ("start.txt",)

    @property
    def outputs(self) -> tuple[str, ...]:
        return (f"out/{self.number}.bin",)

    @property
    def message(self) -> str:
        return f"Do {self.name}"


class Place:
    """A small dataset and its store, and a folder for jobs without record."""

    def __init__(self, base: Path, steps: Sequence[Step]) -> None:
        self.base, self.steps = base, steps
        self.dataset, self.store = base / "dataset", base / "store.git"
        self.bare, self.scratch = base / "bare", base / "scratch"
        attributes = "* annex.backend=SHA256E\n* annex.largefiles=anything\n"
        attributes += "*.txt annex.largefiles=nothing\n"
        run("datalad", "-l", "error", "create", self.dataset)
        (self.dataset / ".gitattributes").write_text(attributes)
        (self.dataset / "start.txt").write_text("start\n")
        run("datalad", "-l", "error", "save", "-m", "Start", cwd=self.dataset)
        make_store(self.dataset, self.store)
        self.bare.mkdir()
        (self.bare / "start.txt").write_text("start\n")
        (self.bare / "job.sh").write_text('#!/bin/bash\neval "$1"\n')
        self.scratch.mkdir()

    def submit(self, *options: str) -> float:
        """Seconds in which all steps are handed in."""
        branch = run("git", "symbolic-ref", "HEAD", cwd=self.dataset).strip()
        start = time.perf_counter()
        since = push(self.dataset, self.store)
        desk = Desk(self.dataset, self.store, branch=branch, logs=self.base / "local/logs/steps")
        desk.hand_in(
            self.steps,
            self.steps,
            since=since,
            records={},
            live={},
            site=Site(str(self.scratch)),
            program=Program(str(STUDY), ("job",), (".gitattributes", ".datalad/config")),
            request=lambda _: Request(1, ("--ntasks=1", *options)),
        )
        return time.perf_counter() - start

    def submit_bare(self, *options: str) -> float:
        """Seconds in which the same graph of jobs without record is submitted."""
        start = time.perf_counter()
        ids: dict[str, str] = {}
        for step in self.steps:
            argv = ["sbatch", "--parsable", "--output=/dev/null", "--ntasks=1", *options]
            after = ids.get(step.inputs[0])
            if after:
                argv.append(f"--dependency=afterok:{after}")
            ids[step.outputs[0]] = run(*argv, "job.sh", *step.argv, cwd=self.bare).strip()
        return time.perf_counter() - start

    def check_landed(self) -> None:
        """End the benchmark unless each step has its one record, and its content is there."""
        run("git", "fetch", "-q", self.store, "HEAD", cwd=self.dataset)
        history = History(self.dataset, "FETCH_HEAD")
        made = {path for outputs in history.outputs.values() for path in outputs}
        wanted = {step.outputs[0] for step in self.steps}
        if made != wanted or len(history.recorded) != len(wanted):
            told = "".join(f"\n{name}: {why}" for name, why in self._failures())
            raise SystemExit(f"{len(history.recorded)} of {len(wanted)} steps landed{told}")
        keys = set(run("git", "annex", "findkeys", "--in=here", cwd=self.store).split())
        lacking = [path for path in wanted if history.tree[path].key not in keys]
        if lacking:
            raise SystemExit(f"the content of {len(lacking)} outputs did not land: {self.base}")

    def _failures(self) -> Iterator[tuple[str, str]]:
        logs = self.base / "local/logs/steps"
        for name, job in job_states(logs, read_jobs(logs), slurm.queued()).items():
            if job.word != "landed":
                yield name, "; ".join((job.word, *job.told))


def seconds_to_end() -> float:
    """Wait until no job waits or is at work; the seconds."""
    start = time.perf_counter()
    until("all jobs ended", lambda: not any_live(slurm.queued()), seconds=7200)
    return time.perf_counter() - start


def any_live(queue: Mapping[str, slurm.QueuedJob]) -> bool:
    """Whether a job waits or is at work."""
    return any(job.is_live for job in queue.values())


def cancel_all() -> None:
    """Take back all jobs."""
    run("scancel", f"--user={os.getuid()}")
    until("all jobs are gone", lambda: not any_live(slurm.queued()))


def row(what: str, count: int, ours: float, peer: float) -> None:
    """A line of the table."""
    each = f"{ours / count:8.3f} {peer / count:8.3f}"
    click.echo(f"{what:24} {count:6} {ours:8.1f} {peer:8.1f} {each} {ours / peer:6.1f}")


class FullStudy:
    """A clone of this repository whose study `full` has its true sources, as far as the lists of
    their files tell, with a few bytes in place of each image; its steps write a few bytes too."""

    def __init__(self, base: Path) -> None:
        self.base, self.folder = base, base / "study"
        trees = import_module("trees")
        lay_out = trees.lay_out

        def lay_out_small(folder: Path, files: Iterable[tuple[str, str]], texts: object) -> Path:
            placed: Path = lay_out(folder, [(path, key_of(path)) for path, _ in files], texts)
            return placed

        trees.lay_out = lay_out_small
        run("git", "clone", "-q", REPOSITORY, self.folder)
        for key in ("name", "email"):
            run("git", "config", f"user.{key}", "benchmark", cwd=self.folder)
        made = {name: trees.listed_tree(name, base / "trees" / name) for name in trees.LISTS}
        made |= {
            name: trees.published_tree(name, base / "trees" / name) for name in trees.PUBLISHED
        }
        os.environ.update(trees.put_in(self.folder, made))
        self.study("inputs", "get")
        told = self.study("cases", "--tsv").splitlines()
        cases = list(csv.DictReader(told, delimiter="\t"))
        for path in (case[column] for case in cases for column in ("image", "mask")):
            folder, name, below = path.split("/", maxsplit=2)
            content = self.folder / folder / name / trees.object_of(key_of(below))
            content.parent.mkdir(parents=True, exist_ok=True)
            content.write_text(f"{below}\n")
        self._have_trivial_steps(Counter(case["dataset"] for case in cases))
        (base / "scratch").mkdir()
        (self.folder / "site.toml").write_text(SITE.format(base=base))
        self.study("store", "init")

    def study(self, *arguments: str) -> str:
        """Run a command about the study; its output."""
        return run(self.folder / "code/study", "--study", "full", *arguments, cwd=self.folder)

    def timed(self, *arguments: str, code: int = 0) -> float:
        """Seconds of a command about the study, Python's start included."""
        start = time.perf_counter()
        words = [self.folder / "code/study", "--study", "full", *arguments]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != code:
            raise SystemExit(f"{arguments}: {done.stdout}{done.stderr}")
        return time.perf_counter() - start

    def _have_trivial_steps(self, cases: Mapping[str, int]) -> None:
        outputs = {}
        for step in steps(load_study(self.folder, "full")):
            counted = [(path, files_of(path, cases)) for path in step.outputs]
            outputs[" ".join(step.argv[1:])] = counted
        launcher = self.folder / "code/study"
        launcher.rename(launcher.with_name("study-real"))
        launcher.write_text(TRIVIAL.format(outputs=json.dumps(outputs, indent=1)))
        launcher.chmod(0o755)
        run("git", "add", "code", cwd=self.folder)
        run("git", "commit", "-q", "-m", "test: trivial steps", cwd=self.folder)

    def run_bare(self) -> float:
        """Seconds in which the same commands run as jobs in a clone of what ours began with, in the
        same order, without record."""
        bare = self.base / "bare"
        submission = read_submission(next(self.folder.glob(".cordstudy/slurm/full/*/*.json")))
        run("git", "clone", "-q", self.folder, bare)
        run("git", "checkout", "-q", "--detach", submission.since, cwd=bare)
        (bare / "job.sh").write_text('#!/bin/bash\nexec "$@"\n')
        start = time.perf_counter()
        ids: dict[str, str] = {}
        for step in submission.steps:
            argv = ["sbatch", "--parsable", "--output=/dev/null", "--ntasks=1"]
            after = ":".join(ids[name] for name in step.after)
            argv += [f"--dependency=afterok:{after}"] if after else []
            ids[step.name] = run(*argv, "job.sh", *step.argv, cwd=bare).strip()
        seconds_to_end()
        took, queue = time.perf_counter() - start, slurm.queued()
        for name, job in ids.items():
            if queue[job].state != ENDED_WELL:
                raise SystemExit(f"{name} without record: {queue[job].state}: {bare}")
        return took

    def files(self) -> int:
        """How many files it and its sources have."""
        listed = run("git", "ls-files", "--recurse-submodules", cwd=self.folder)
        return len(listed.splitlines())


def key_of(path: str) -> str:
    """The annex key of a file that holds its own path."""
    content = f"{path}\n".encode()
    return f"SHA256E-s{len(content)}--{hashlib.sha256(content).hexdigest()}.nii.gz"


def files_of(path: str, cases: Mapping[str, int]) -> int:
    """How many files a declared output stands for, at the study's fraction of test cases."""
    if "*" not in path:
        return 1
    of = [name for name in cases if f"_{name}/" in path or path.endswith(f"/{name}/*")]
    tested = {"basel-mp2rage": 1.0, "epi": 1.0}
    if "Tr/*" in path:
        trained = [name for name in of or cases if name not in tested]
        return sum(cases[name] - cases[name] // 5 for name in trained)
    return sum(int(cases[name] * tested.get(name, 0.2)) for name in of) or 1


def full_study(base: Path) -> None:
    """Print what the full study's graph takes."""
    study = FullStudy(base)
    click.echo(f"\n{'the full study':24} {'seconds':>8}")
    told = {"planned": study.timed("run", "--dry-run")}
    start = time.perf_counter()
    told["submitted"] = study.timed("run", "--on", "slurm")
    told["status, jobs at work"] = study.timed("status", code=1)
    seconds_to_end()
    told["submitted and landed"] = time.perf_counter() - start
    told["pulled"] = study.timed("store", "pull")
    told["status, all landed"] = study.timed("status")
    told["bare sbatch"] = study.run_bare()
    for what, seconds in told.items():
        click.echo(f"{what:24} {seconds:8.1f}")
    click.echo(f"{study.files()} files")


@click.command()
@click.option("--submitted", default=1000, show_default=True, help="0 for none.")
@click.option(
    "--landed",
    default=[50, 200],
    show_default=True,
    multiple=True,
    help="Steps that land; 0 for none.",
)
@click.option("--full/--no-full", default=True, show_default=True, help="The full study's graph.")
def main(submitted: int, landed: Sequence[int], full: bool) -> None:
    """Print how long steps take that are only submitted, and so many that land; and the full study.

    Each number of steps in LANDED is a graph of its own."""
    for key in ("NAME", "EMAIL"):
        os.environ[f"GIT_AUTHOR_{key}"] = os.environ[f"GIT_COMMITTER_{key}"] = "benchmark"
    cluster = import_module("slurm_cluster").started(nodes=3, cpus=1)
    with tempfile.TemporaryDirectory() as name, cluster:
        heads = f"{'ours s':>8} {'sbatch s':>8} {'a step':>8} {'a job':>8} {'ratio':>6}"
        click.echo(f"{'what':24} {'steps':>6} {heads}")
        if submitted:
            place = Place(Path(name) / "submitted", [Step(n) for n in range(submitted)])
            ours, peer = place.submit("--hold"), place.submit_bare("--hold")
            cancel_all()
            row("submitted", submitted, ours, peer)
        for count in filter(None, landed):
            place = Place(Path(name) / f"landed-{count}", [Step(n) for n in range(count)])
            peer = place.submit_bare() + seconds_to_end()
            ours = place.submit() + seconds_to_end()
            place.check_landed()
            row("submitted and landed", count, ours, peer)
        if full:
            full_study(Path(name) / "full")
        run("chmod", "-R", "u+w", name)


if __name__ == "__main__":
    main()
