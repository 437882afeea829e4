"""Jobs of a real Slurm, and what may befall them: each step lands once, or is told of."""

from __future__ import annotations

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.cluster import slurm as asked
from cordstudy.provenance.cluster.submitting import read_jobs
from handed_in import gated, once_there, plain
from helpers import Step, commit, git

TRAINING = """
p=$CORDSTUDY_PROGRESS; mkdir -p $p
n=$(ls $p | wc -l)
while [ $n -lt {epochs} ]; do
  echo $n >> {seen}
  sleep {epoch_s}
  n=$((n + 1)); rm -f $p/*.pth; i=0
  while [ $i -lt $n ]; do echo $i; i=$((i + 1)); done > $p/next; mv $p/next $p/epoch-$n-x.pth
done
mkdir -p out; cp $p/epoch-$n-x.pth out/model.bin
"""
"""Adds a line in each epoch, and keeps what it has."""
SOON = ("--time=1", "--signal=B:USR1@{before_s}")


def training(folder, *, epochs: int, epoch_s: float) -> Step:
    script = """
p=$CORDSTUDY_PROGRESS; mkdir -p "$p"; n=$(ls "$p" | wc -l)
while [ $n -lt EPOCHS ]; do
  sleep EPOCH_S; n=$((n + 1)); cat "$p"/*.pth 2>/dev/null > next; echo $n >> next
  mv next "$p/epoch-$n-x.pth"; echo $n >> SEEN
done
mkdir -p out; cat "$p"/epoch-$n-x.pth > out/model.bin
"""
    script = script.replace("EPOCHS", str(epochs)).replace("EPOCH_S", str(epoch_s))
    return Step("train", script.replace("SEEN", str(folder / "seen")), outputs=("out/model.bin",))


def test_a_step_that_fails_takes_with_it_what_builds_on_it_alone(clustered):
    broken = clustered.folder / "broken"
    broken.touch()
    script = f"test ! -e {broken} || {{ echo the reason >&2; exit 3; }}; mkdir -p out; echo > out/b"
    bad = Step("bad", script, outputs=("out/b",))
    table = [plain("good"), bad, plain("after-good", reads="out/good.bin")]
    table.append(plain("after-bad", reads="out/b"))
    clustered.submit(table)
    clustered.wait_for(*(step.name for step in table))
    states = clustered.states()
    assert [states[step.name].word for step in table] == ["landed", "failed", "landed", "failed"]
    assert "the reason" in states["bad"].told[0]
    assert "CANCELLED" in states["after-bad"].told[0]
    clustered.check("good", "after-good")

    broken.unlink()
    ids = clustered.submit(table, table[1::2])
    assert list(ids) == ["bad", "after-bad"]
    clustered.wait_for("bad", "after-bad", word="landed")
    clustered.check("good", "bad", "after-good", "after-bad")


def test_a_job_that_is_cancelled_leaves_nothing_and_can_be_submitted_again(clustered, slurm):
    step = gated(clustered.folder, "long")
    table = [step, plain("after", reads="out/long.bin")]
    ids = clustered.submit(table)
    once_there(clustered.folder / "long.begun")
    assert clustered.words() == {"long": "running", "after": "pending"}
    slurm.ask("scancel", ids["long"])
    clustered.wait_for("long", "after", word="failed")
    told = clustered.states()["long"].told
    assert "CANCELLED" in told[0] and "it was told to end" in told[0]
    clustered.check()

    (clustered.folder / "long.go").touch()
    clustered.submit(table)
    clustered.wait_for("long", "after", word="landed")
    clustered.check("long", "after")


def test_a_node_that_is_lost_in_the_middle_costs_one_try(clustered, slurm):
    step = gated(clustered.folder, "long")
    table = [step, plain("after", reads="out/long.bin")]
    ids = clustered.submit(table)
    once_there(clustered.folder / "long.begun")
    node = slurm.node_of(ids["long"])
    slurm.lose_node(node)
    (clustered.folder / "long.go").touch()
    try:
        slurm.start_now(ids["long"])
        clustered.wait_for("long", "after", word="landed")
        assert slurm.node_of(ids["long"]) != node
    finally:
        slurm.return_node(node)
    left = [path.name for path in clustered.scratch.glob(f"{node}/*/*@*")]
    clustered.check("long", "after", left=["it.long"])
    # the next job of the study that comes to the node clears it
    again = plain("again")
    clustered.submit([*table, again], [again], options={"again": [f"--nodelist={node}"]})
    clustered.wait_for("again", word="landed")
    clustered.check("long", "after", "again")
    assert left == []
