"""Jobs of a real Slurm, and what may befall them: each step lands once, or is told of."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.cluster import endings
from cordstudy.provenance.cluster import slurm as asked
from handed_in import Field, gated, once_there, plain
from helpers import Step, git, run

SOON = ("--time=2", "--signal=B:USR1@75")
"""A limit that is told of after 45 s: a job that starts slowly has come some way then."""


def training(folder: Path, name: str, *, epochs: int, epoch_s: float) -> Step:
    """A step that keeps each epoch, in which it adds a line, and goes on from the last one."""
    script = f"""
p=$CORDSTUDY_PROGRESS; mkdir -p "$p" out
n=$(ls "$p" | sed -n 's/^epoch-\\([0-9]*\\)-x.pth$/\\1/p' | sort -n | tail -n 1); n=${{n:-0}}
while [ $n -lt {epochs} ]; do
  sleep {epoch_s}
  {{ [ $n = 0 ] || cat "$p/epoch-$n-x.pth"; echo $((n + 1)); }} > "$p/next"
  n=$((n + 1)); mv "$p/next" "$p/epoch-$n-x.pth"; echo $n >> {folder}/{name}.epochs
done
cat "$p/epoch-$n-x.pth" > out/{name}.bin
"""
    return Step(name, script.replace("\\\\", "\\"), outputs=(f"out/{name}.bin",))


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


def test_what_has_landed_runs_again_in_a_fresh_clone_without_slurm(clustered, tmp_path):
    before = clustered.push()
    table = [plain("first"), plain("second", reads="out/first.bin")]
    clustered.submit(table)
    clustered.wait_for("first", "second", word="landed")
    clustered.check("first", "second")
    clone = tmp_path / "clone"
    run("datalad", "-l", "error", "clone", clustered.study, clone, cwd=tmp_path)
    tip = git(clone, "rev-parse", "HEAD")
    run("datalad", "rerun", f"--since={before}", cwd=clone, SLURM_CONF="/nowhere")
    assert git(clone, "rev-parse", "HEAD") == tip and git(clone, "status", "--porcelain") == ""
    assert all((clone / f"out/{name}.bin").is_file() for name in ("first", "second"))


def test_a_job_that_is_cancelled_leaves_nothing_and_can_be_submitted_again(clustered, slurm):
    step = gated(clustered.folder, "long")
    table = [step, plain("after", reads="out/long.bin")]
    ids = clustered.submit(table)
    once_there(clustered.folder / "long.begun.*")
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
    once_there(clustered.folder / "long.begun.*")
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


@pytest.mark.slow
def test_a_training_goes_on_after_its_limit_and_gives_what_one_without_gives(clustered, slurm):
    with_limit = training(clustered.folder, "limited", epochs=70, epoch_s=1)
    stuck = training(clustered.folder, "stuck", epochs=1, epoch_s=600)
    table = [with_limit, stuck, plain("after", reads="out/limited.bin")]
    ids = clustered.submit(table, options={"limited": SOON, "stuck": SOON})
    once_there(clustered.folder / "limited.epochs")
    slurm.wait_until(
        lambda: slurm.state(ids["limited"]) == "PENDING", "it is in the queue again", seconds=180
    )
    assert "it goes on from where it was" in clustered.states()["limited"].told[0]
    slurm.start_now(ids["limited"])
    clustered.wait_for("stuck", word="failed")
    assert "it had come no further than it was" in clustered.states()["stuck"].told[0]
    while clustered.words()["limited"] != "landed":
        slurm.wait_until(lambda: clustered.words()["limited"] != "running", "an end", seconds=180)
        assert clustered.words()["limited"] != "failed"
        slurm.hurry(ids["limited"])
    clustered.wait_for("after", word="landed")
    epochs = (clustered.folder / "limited.epochs").read_text().split()
    assert epochs == [str(number) for number in range(1, 71)]  # none twice
    clustered.check("limited", "after")
    run("git", "annex", "get", "-q", "out/limited.bin", cwd=clustered.study)
    assert (clustered.study / "out/limited.bin").read_text().split() == epochs
    assert not list((clustered.study / ".cordstudy/progress/it").glob("limited*"))


@pytest.mark.parametrize("alike", [True, False])
def test_a_step_that_is_started_twice_at_once_lands_once(clustered, slurm, alike):
    step = gated(clustered.folder, "twice", what="same" if alike else "$(date +%N)")
    nodes = ("n1", "n2")
    ids = []
    for node in nodes:
        clustered.desk().jobs.clear()
        started = clustered.submit([step], queue={}, options={"twice": [f"--nodelist={node}"]})
        ids.append(started["twice"])
        once_there(clustered.folder / f"twice.begun.{node}")
    (clustered.folder / "twice.go").touch()
    slurm.wait_until(lambda: not any(asked.queued()[job].is_live for job in ids), "both have ended")
    left = [endings.left(clustered.logs, "twice", job) for job in ids]
    words = sorted(ending.word for ending in left if ending)
    if alike:
        assert words == ["landed", "landed"]
        assert left[0].told == left[1].told
    else:
        assert words == ["failed", "landed"]
        (told,) = [ending.told for ending in left if ending and ending.word == "failed"]
        assert "another try of it landed as" in told and "with another out/twice.bin" in told
    clustered.check("twice")


def test_a_controller_that_is_restarted_loses_no_job(clustered, slurm):
    step = gated(clustered.folder, "long")
    table = [step, plain("after", reads="out/long.bin")]
    clustered.submit(table)
    once_there(clustered.folder / "long.begun.*")
    slurm.stop_controller()
    try:
        with pytest.raises(StudyError, match="squeue: "):
            asked.queued()
        (clustered.folder / "long.go").touch()
        time.sleep(3)  # it ends while nobody schedules
    finally:
        slurm.start_controller()
    slurm.wait_until(lambda: asked.queued() is not None, "it answers", seconds=120)
    clustered.wait_for("long", "after", word="landed")
    clustered.check("long", "after")


def test_a_study_in_a_folder_of_odd_characters_runs_steps_of_odd_names(small, tmp_path, slurm):
    folder = tmp_path / "a b, 100%j:c"
    folder.mkdir()
    study = Path(shutil.move(small, folder / "study"))
    field = Field(study, folder, slurm)
    table = [plain("a:b@1 c"), plain("ü|-x", reads="out/a:b@1 c.bin")]
    field.submit(table)
    field.wait_for(*(step.name for step in table), word="landed")
    field.check(*(step.name for step in table))
    assert len(list(field.logs.glob("*.slurm-*.out"))) == 2
