"""Whatever ends a run ends all that it started, and nothing of anybody else's."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.calling import guard
from cordstudy.provenance.running.runner import run_step, sole_run
from helpers import REPOSITORY, Step, git, log_of

RUNNING = """
import signal
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {code!r}]
from helpers import Step
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.runner import run_steps, sole_run
# whatever those ignore who run the tests, as nohup does
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
dataset = Path({dataset!r})
local = dataset / ".cordstudy"
machine = Machine(scratch=local / "work", logs=local / "logs/it", workers=1)
steps = []
for n in range(2):
    strays = "(setsid sleep 300 &) ; (setsid env -i sleep 300 &)"
    script = f"{{strays}} ; mkdir out; echo 1 > out/{{n}}.txt; sleep 300"
    steps.append(Step(str(n), script, outputs=(f"out/{{n}}.txt",)))
with sole_run(dataset, machine):
    run_steps(dataset, steps, jobs=2, machine=machine, report=lambda *_: None)
"""
SLEEPING = 6
"""How many processes sleep when both steps are under way."""


def start(small: Path) -> subprocess.Popen:
    """A run of two steps that would take five minutes; it is well under way."""
    code = REPOSITORY / "code"
    text = RUNNING.format(tests=f"{code}/tests", code=f"{code}/src", dataset=str(small))
    running = subprocess.Popen(
        [sys.executable, "-c", text], cwd=small, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while len(sleeping(small)) < SLEEPING:
        assert time.monotonic() < until and running.poll() is None, running.stderr.read()
        time.sleep(0.1)
    return running


def sleeping(small: Path) -> list[int]:
    """The processes of the two steps' scripts."""
    numbers = []
    for process in psutil.process_iter():
        try:
            if "sleep" in process.name() and process.cwd().startswith(f"{small}/"):
                numbers.append(process.pid)
        except psutil.Error:
            continue
    return numbers


def computing(small: Path) -> list[int]:
    """Every process that carries the mark of a workspace of the dataset, be that still there or
    not."""
    numbers = []
    for process in psutil.process_iter():
        try:
            workspace = process.environ().get(guard.MARK, "")
            if workspace.startswith(f"{small}/") and process.status() != psutil.STATUS_ZOMBIE:
                numbers.append(process.pid)
        except psutil.Error:
            continue
    return numbers


def end_strays(small: Path) -> None:
    """End what nobody finds: processes that cleared their environment, and whose guard was killed
    with -9."""
    for number in sleeping(small):
        psutil.Process(number).kill()


def guards_of(running: subprocess.Popen) -> list[psutil.Process]:
    """The guards of a run's steps."""
    children = psutil.Process(running.pid).children()
    return [child for child in children if guard.__file__ in child.cmdline()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ends_takes_its_steps_with_it(small, number):
    before = git(small, "rev-parse", "HEAD")
    running = start(small)
    running.send_signal(number)
    running.wait(timeout=30)
    until = time.monotonic() + 10
    while (computing(small) or sleeping(small)) and time.monotonic() < until:
        time.sleep(0.1)
    assert computing(small) == []
    assert sleeping(small) == []
    if number in (signal.SIGTERM, signal.SIGHUP):
        assert running.returncode == 128 + number
    if number != signal.SIGKILL:
        assert not list((small / ".cordstudy/work").iterdir())
    assert git(small, "rev-parse", "HEAD") == before and git(small, "status", "--porcelain") == ""


def test_the_next_run_ends_and_clears_what_a_killed_one_and_its_guards_left(small, machine):
    running = start(small)
    guards = guards_of(running)
    assert len(guards) == 2
    running.send_signal(signal.SIGSTOP)
    for process in guards:
        process.kill()
    running.kill()
    running.wait()
    assert computing(small), "nobody was left to end them"
    with sole_run(small, machine):
        assert not computing(small) and not list(machine.scratch.iterdir())
    end_strays(small)
    assert git(small, "for-each-ref", "refs/worktree") == ""


def test_steps_whose_guards_are_killed_fail_and_end(small):
    running = start(small)
    for process in guards_of(running):
        process.kill()
    _, told = running.communicate(timeout=30)
    assert running.returncode == 1 and "StudyError: step" in told
    assert not computing(small) and not list((small / ".cordstudy/work").iterdir())
    end_strays(small)


def test_clearing_touches_only_workspaces_that_carry_the_dataset_s_mark(small, machine):
    marks = {
        "other.abc": '{"dataset": "/another/dataset", "step": "x"}',
        "odd.1": "[]",
        "odd.2": "not json",
        "odd.3": '{"dataset": 1}',
        "mine.abc": f'{{"dataset": "{small}", "step": "x"}}',
    }
    for name, mark in marks.items():
        (machine.scratch / name).mkdir(parents=True)
        (machine.scratch / name / "workspace.json").write_text(mark)
    (machine.scratch / "precious").mkdir()
    (machine.scratch / "precious/data.txt").write_text("x")
    with sole_run(small, machine):
        run_step(small, Step("one", "mkdir out; echo 1 > out/a.txt"), machine=machine)
    left = {path.name for path in machine.scratch.iterdir()}
    assert left == {*marks, "precious"} - {"mine.abc"}
    assert (machine.scratch / "precious/data.txt").read_text() == "x"


def test_clearing_a_step_s_old_outputs_follows_no_link(small, machine, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/a.txt").write_text("x")
    (small / "out").symlink_to(tmp_path / "precious")
    git(small, "add", "out")
    git(small, "commit", "-q", "-m", "a link")
    step = Step(
        "one", "rm -f out; mkdir out; echo 1 > out/a.txt", inputs=("out",), outputs=("out/*",)
    )
    with pytest.raises(StudyError):
        run_step(small, step, machine=machine)
    assert (tmp_path / "precious/a.txt").read_text() == "x"


def test_progress_is_kept_until_its_step_has_landed(small, machine):
    keeps = "P=$CORDSTUDY_PROGRESS; ls $P >&2; mkdir -p $P; touch $P/1"
    script = f"{keeps}; mkdir out; echo 1 > out/a.txt"
    with pytest.raises(StudyError, match="failed"):
        run_step(small, Step("long", f"{script}; exit 1"), machine=machine)
    place = machine.progress("long")
    assert [path.name for path in place.iterdir()] == ["1"]
    step = Step("long", script)
    run_step(small, step, machine=machine)
    assert not place.exists()
    assert "\n1\n" in machine.log("long").read_text(), "the second run found it"
    assert states(small, [step])["long"].word == "done"
    assert len(log_of(small)) == 1
