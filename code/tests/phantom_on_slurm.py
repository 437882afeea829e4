"""The recorded phantom study made again on a cluster whose parts fail meanwhile.

Owns: a node that is lost and a job that is cancelled, each in the middle of a training, submitting
what is missing, and that in the end every output has its recorded key.
Does not own: the cluster (`slurm_cluster`), or what is looked at after it (tests/whole/test_demo).
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cordstudy.provenance.cluster.endings import left
from cordstudy.provenance.cluster.submitting import read_jobs
from helpers import git, run, study
from slurm_cluster import Cluster

SITE = """\
[slurm]
store = "{store}"
scratch = "{scratch}"
cores = 1
memory = "2G"
time = "01:00:00"
"""
REACHED = 4
"""So many epochs a training has come when something happens to it."""
ANEW = ("convert:epi", "merge:general", "compare", "report")
"""Steps that `make demo` runs once more here, after all came back on the cluster."""


def make_again_on(cluster: Cluster, folder: Path) -> None:
    """Run every step of the recorded study in a clone again on a cluster, through trouble; the
    content of what came back is then here."""
    beside = folder.parent
    text = SITE.format(store=beside / "store.git", scratch=beside / "scratch")
    (folder / "site.toml").write_text(text)
    study(folder, "store", "init")
    before = git(folder, "rev-parse", "HEAD")
    command = [folder / "code/study", "run", "--again", "--on", "slurm", "--wait"]
    with (beside / "slurm.log").open("w") as log:
        first = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        lost = _lose_a_node(cluster, folder)
        cancelled = _cancel_a_training(cluster, folder, but=lost)
        assert first.wait() == 1, "it says that a step failed"
    told = study(folder, "status").stdout
    assert re.search(rf"^done +{re.escape(cancelled)} .*run again: failed", told, re.MULTILINE)
    second = study(folder, "run", "--again", "--on", "slurm", "--wait").stdout
    assert lost not in second.partition("\n\n")[0], "it came back, from where it was"
    for name, newest in read_jobs(_logs(folder)).items():
        ending = left(_logs(folder), name, newest.job)
        assert ending and ending.word == "same", name
    assert git(folder, "rev-parse", "HEAD") == before
    assert git(beside / "store.git", "rev-parse", "main") == before
    run("git", "annex", "get", "-q", "--from=store", "models", "derivatives", cwd=folder)


def _logs(folder: Path) -> Path:
    return folder / ".cordstudy/logs/phantom"


def _lose_a_node(cluster: Cluster, folder: Path) -> str:
    """Lose the node that a training is on, and bring it back once the training is on another; its
    name."""
    name, job = _training_at_work(cluster, folder)
    node = cluster.node_of(job)
    cluster.lose_node(node)
    cluster.start_now(job)
    cluster.wait_until(lambda: cluster.state(job) == "RUNNING", f"{name} goes on", seconds=1200)
    cluster.return_node(node)
    return name


def _cancel_a_training(cluster: Cluster, folder: Path, *, but: str) -> str:
    """Cancel the job of a training; its name."""
    name, job = _training_at_work(cluster, folder, but=but)
    cluster.ask("scancel", job)
    return name


def _training_at_work(cluster: Cluster, folder: Path, *, but: str = "") -> tuple[str, str]:
    """A training that runs, and has come some way; its name and job."""
    found: list[tuple[str, str]] = []

    def look() -> bool:
        found.extend(_trainings(cluster, folder, but))
        return bool(found)

    cluster.wait_until(look, "a training is at work", seconds=1200, every_s=1.0)
    return found[0]


def _trainings(cluster: Cluster, folder: Path, but: str) -> Iterator[tuple[str, str]]:
    for name, submitted in read_jobs(_logs(folder)).items():
        progress = folder / ".cordstudy/progress/phantom" / name.replace(":", "-")
        reached = [int(path.name.split("-")[1]) for path in progress.rglob("epoch-*-*.pth")]
        is_on = name != but and max(reached, default=0) >= REACHED
        if is_on and cluster.state(submitted.job) == "RUNNING":
            yield name, submitted.job


def remember(folder: Path) -> None:
    """Have `make demo` know of what came back on the cluster, but for `ANEW`."""
    listed = json.loads(study(folder, "status", "--json").stdout)
    lines = [f"{one['commit']}\tidentical\n" for one in listed if one["step"] not in ANEW]
    place = folder / ".git/cordstudy/reproduced.tsv"
    place.parent.mkdir(exist_ok=True)
    place.write_text("".join(lines))
