"""A small dataset with a store, whose steps are handed to Slurm, for tests of what befalls them."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from cordstudy.provenance.calling.content import annex_keys, listed
from cordstudy.provenance.cluster import endings, slurm
from cordstudy.provenance.cluster.endings import Ending
from cordstudy.provenance.cluster.job import run_job
from cordstudy.provenance.cluster.slurm import Job
from cordstudy.provenance.cluster.states import JobState, job_states
from cordstudy.provenance.cluster.store import give, keys_lacking, make_store, pull, push
from cordstudy.provenance.cluster.submission import JobStep, Submission
from cordstudy.provenance.cluster.submitting import Desk, Program, Request, Site, read_jobs
from cordstudy.provenance.running.inputs import prepare_dataset
from cordstudy.provenance.running.step import Recorded, builds_on
from helpers import RECORD, REPOSITORY, Step, git, run
from slurm_cluster import Cluster

PROGRAM = Program(launcher=str(REPOSITORY / "code/study"), words=("job",), files=())
BRANCH = "refs/heads/main"
ONE_NODE = ("--nodes=1", "--ntasks=1", "--cpus-per-task=1", "--time=5")


class Field:
    """The dataset `study`, its `store`, a scratch for each node; `slurm` where there is one."""

    def __init__(
        self, study: Path, folder: Path, slurm: Cluster | None = None, *, store: str = "store.git"
    ) -> None:
        self.study, self.folder, self.slurm = study, folder, slurm
        self.store = folder / store
        self.scratch = folder / "scratch"
        self.logs = study / ".cordstudy/logs/it"
        prepare_dataset(study)
        make_store(study, self.store)
        push(study, self.store)
        give(study, self.store, ["image.bin"])
        self.annexes = self._annexes(study)

    @property
    def site(self) -> Site:
        return Site(scratch=f"{self.scratch}/$SLURMD_NODENAME")

    def push(self) -> str:
        """Bring the study's branch to the store; where it is."""
        return push(self.study, self.store)

    def desk(self) -> Desk:
        return Desk(self.study, self.store, branch=BRANCH, logs=self.logs)

    def submit(
        self,
        table: Sequence[Recorded],
        todo: Sequence[Recorded] | None = None,
        *,
        options: Mapping[str, Sequence[str]] | None = None,
        records: Mapping[str, str] | None = None,
        queue: Mapping[str, slurm.QueuedJob] | None = None,
    ) -> dict[str, str]:
        """Hand in all of a table, or some; the jobs by step."""
        desk = self.desk()
        chosen = table if todo is None else todo
        return desk.hand_in(
            table,
            chosen,
            since=self.push(),
            records=records or {},
            live=desk.live(slurm.queued() if queue is None else queue),
            site=self.site,
            program=PROGRAM,
            request=lambda step: Request(1, (*ONE_NODE, *(options or {}).get(step.name, ()))),
        )

    def wait_for(self, *steps: str, word: str = "", seconds: float = 400.0) -> None:
        """Wait until steps are over, or as a word says."""
        assert self.slurm is not None

        def there() -> bool:
            states = self.states()
            return all(states[s].word == word if word else states[s].is_over for s in steps)

        self.slurm.wait_until(there, f"{steps} {word or 'over'}", seconds=seconds)

    def states(self) -> dict[str, JobState]:
        """What is told of the steps' jobs."""
        return job_states(self.logs, read_jobs(self.logs), slurm.queued())

    def words(self) -> dict[str, str]:
        """What is told of them in a word each."""
        return {name: state.word for name, state in self.states().items()}

    def submission(self, table: Sequence[Recorded], **changes: object) -> Submission:
        """What jobs of a table are handed, for a job that is run without Slurm."""
        steps = []
        for number, step in enumerate(table):
            after = tuple(other.name for other in table[:number] if builds_on(step, other))
            steps.append(
                JobStep(
                    name=step.name,
                    argv=step.argv,
                    inputs=step.inputs,
                    outputs=step.outputs,
                    message=step.message,
                    after=after,
                    workers=1,
                )
            )
        values: dict[str, object] = {
            "store": self.store,
            "study": self.study,
            "since": git(self.store, "rev-parse", BRANCH),
            "branch": BRANCH,
            "logs": self.logs,
            "scratch": f"{self.scratch}/n1",
            "steps": tuple(steps),
        }
        return Submission(**{**values, **changes})  # type: ignore[arg-type]

    def run(self, table: Sequence[Step], name: str) -> str:
        """Do what a job of a step does, here and now; how it ended."""
        return self.run_of(self.submission(table), name)

    def run_of(self, submission: Submission, name: str, *, job: str = "1", start: str = "0") -> str:
        """Do what a job of a submission does."""
        return run_job(submission, name, Job(job, start, "n1"))

    def kill_in(self, submission: Submission, name: str, number: int, module: str, at: str) -> None:
        """Do what a job does, in a process that is sent a signal when it calls a function."""
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        try:
            room = importlib.import_module(f"cordstudy.provenance.{module}")
            called = getattr(room, at)

            def then(*values: object, **named: object) -> object:
                os.kill(os.getpid(), number)
                return called(*values, **named)

            setattr(room, at, then)
            self.run_of(submission, name)
        finally:
            os._exit(0)

    def ending(self, step: str, job: str = "1") -> Ending | None:
        """What a job of a step left."""
        return endings.left(self.logs, step, job)

    def subjects(self) -> list[str]:
        """The subjects of the records in the store."""
        found = git(self.store, "log", "--format=%s", BRANCH).splitlines()
        return sorted(line.removeprefix(RECORD) for line in found if line.startswith(RECORD))

    def check(self, *landed: str, left: Sequence[str] = ()) -> None:
        """All that holds after any trouble: each step that landed did so once, its content is in
        the store and whole, and nothing else is left anywhere, but for the workspaces of `left`."""
        assert self.subjects() == sorted(f"Do {name}" for name in landed)
        run("git", "annex", "fsck", "-q", cwd=self.store)
        run("git", "fsck", "--no-dangling", cwd=self.store)
        pull(self.study, self.store)
        keys = annex_keys(self.study, listed(self.study, ["out"]), "--anything")
        assert keys_lacking(self.store, list(keys.values())) == set()
        assert self._annexes(self.study) == self.annexes
        assert self._annexes(self.store) <= self.annexes
        for repo in (self.store, self.study):
            assert git(repo, "for-each-ref", "refs/worktree/cordstudy") == ""
        found = [path.name for path in self.scratch.glob("*/*/*") if path.is_dir()]
        assert [name.partition("-")[0] for name in found] == list(left)

    @staticmethod
    def _annexes(repo: Path) -> set[str]:
        """The annexes that a repository's shared branch of git-annex names."""
        done = run("git", "show", "git-annex:uuid.log", cwd=repo, check=False)
        return {line.split()[0] for line in done.stdout.splitlines()}


def once_there(path: Path, *, seconds: float = 240.0) -> None:
    """Wait for a file, of a name that may be a pattern."""
    until = time.monotonic() + seconds
    while not any(path.parent.glob(path.name)):
        assert time.monotonic() < until, f"{path} is not there"
        time.sleep(0.1)


def gated(folder: Path, name: str, *, what: str = "it") -> Step:
    """A step that says on which node it has begun, and goes on once a file is there."""
    script = (
        f"touch {folder}/{name}.begun.$SLURMD_NODENAME; "
        f"while [ ! -e {folder}/{name}.go ]; do sleep 0.1; done; "
        f"mkdir -p out; echo {what} > out/{name}.bin"
    )
    return Step(name, script, outputs=(f"out/{name}.bin",))


def plain(name: str, *, reads: str = "", script: str = "") -> Step:
    """A step that writes an annexed file from what it reads."""
    output = f"out/{name}.bin"
    body = script or f"mkdir -p out; cat '{reads or 'image.bin'}' > '{output}'; echo >> '{output}'"
    return Step(name, body, inputs=(reads or "image.bin",), outputs=(output,))
