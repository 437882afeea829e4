"""Running steps: what a record is, what fails, what a failure leaves."""

import threading
from dataclasses import replace

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.calling import gitannex
from cordstudy.provenance.running.runner import run_step, run_steps
from helpers import Step, commit, git, log_of, run
from meanwhile import is_clean


def test_a_step_becomes_one_standard_record_that_datalad_reruns(small, machine):
    step = Step(
        "copy",
        "mkdir -p out; cat image.bin inputs/source/image.bin > out/a.bin",
        inputs=("image.bin", "inputs/source/*.bin"),
        outputs=("out/*",),
    )
    run_step(small, step, machine=machine)
    assert (small / "out/a.bin").read_text() == "content of smallcontent of source"
    ((made, record),) = log_of(small).values()
    assert made == git(small, "rev-parse", "HEAD")
    assert record["inputs"] == list(step.inputs)
    assert record["outputs"] == list(step.outputs)
    assert record["exit"] == 0
    before = git(small, "rev-parse", "HEAD")
    run("datalad", "-l", "error", "rerun", made, cwd=small)
    assert git(small, "rev-parse", "HEAD") == before
    assert states(small, [step])["copy"].word == "done"
    assert not list(machine.scratch.iterdir())


def test_unlocked_files_are_read_and_made_again_with_their_content(small, machine):
    (small / "locked.bin").write_text("locked ")
    git(small, "annex", "add", "-q", "locked.bin")
    for place in (small / "inputs/source", small):
        git(place, "annex", "unlock", "-q", "image.bin")
        commit(place, "unlock", ".")
    copy = Step(
        "copy",
        "mkdir -p out; cat locked.bin image.bin inputs/source/image.bin > out/a.bin",
        inputs=("locked.bin", "image.bin", "inputs/source/*.bin"),
        outputs=("out/*",),
    )
    run_step(small, copy, machine=machine)
    assert (small / "out/a.bin").read_text() == "locked content of smallcontent of source"
    anew = replace(copy, script=f"{copy.script}; echo . >> out/a.bin")
    script, made = "mkdir -p out; cat locked.bin notes.txt > out/a.bin", "locked notes\n"
    of_links = replace(anew, script=script, inputs=("locked.bin", "notes.txt"))
    of_text = replace(anew, script="mkdir -p out; cat notes.txt > out/a.bin", inputs=("notes.txt",))
    for step, content in (
        (anew, "locked content of smallcontent of source.\n"),
        (of_links, made),
        (of_text, "notes\n"),
    ):
        git(small, "annex", "unlock", "-q", "out/a.bin")
        commit(small, "unlock what was made", "out")
        run_step(small, step, machine=machine)
        assert (small / "out/a.bin").read_text() == content
        assert git(small, "annex", "find", "--in=here", "out") == "out/a.bin"
        assert content.strip() not in git(small, "show", "HEAD:out/a.bin"), "no content in git"
        assert is_clean(small)
    run("git", "annex", "fsck", "-q", cwd=small)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("mkdir out; cat notes.txt > out/a.txt", "No such file"),
        ("mkdir out; cat inputs/source/notes.txt > out/a.txt", "No such file"),
        ("mkdir out; echo > out/a.txt; echo > out/b.txt", "does not declare as output: out/b.txt"),
        ("mkdir out; echo > out/a.txt; rm image.bin", "image.bin"),
        ("true", "did not write its declared output out/a.txt"),
        ("mkdir out; echo > out/a.txt; exit 3", "exit 3"),
    ],
)
def test_a_step_that_does_other_than_it_declares_fails_and_leaves_only_its_log(
    small, machine, script, said
):
    before = git(small, "rev-parse", "HEAD")
    with pytest.raises(StudyError) as raised:
        run_step(small, Step("bad", script, inputs=("image.bin",)), machine=machine)
    assert said in f"{raised.value} {raised.value.hint}"
    assert git(small, "rev-parse", "HEAD") == before
    assert is_clean(small)
    assert not list(machine.scratch.iterdir())
    assert machine.log("bad").exists()
    run("git", "annex", "fsck", "-q", cwd=small)


def test_writing_through_a_link_into_an_input_is_noticed(small, machine):
    script = (
        "mkdir out; echo > out/a.txt; chmod u+w $(readlink -f image.bin); echo spoilt > image.bin"
    )
    with pytest.raises(StudyError, match=r"wrote to its input image\.bin"):
        run_step(small, Step("bad", script, inputs=("image.bin",)), machine=machine)


@pytest.mark.parametrize("where", [".", "inputs/source"])
def test_a_step_reads_no_input_whose_content_is_not_what_its_key_says(small, machine, where):
    path = (small / where / "image.bin").resolve()
    path.chmod(0o644)
    path.write_text("x" * path.stat().st_size)
    path.chmod(0o444)
    step = Step(
        "reads",
        "mkdir out; cat image.bin inputs/source/image.bin > out/a.txt",
        inputs=("image.bin", "inputs/source/*.bin"),
    )
    said = r"image\.bin is damaged"
    if where != ".":  # there git-annex itself hands on nothing
        said = r"image\.bin"
    with pytest.raises(StudyError, match=said):
        run_step(small, step, machine=machine)
    assert log_of(small) == {}
    assert path.read_text().startswith("xxx"), "it is left for `git annex fsck` to find"


def test_steps_that_run_at_the_same_time_all_land(small, machine):
    steps = []
    for n in range(4):
        script = f"sleep 0.{n}; mkdir -p out; echo {n} > out/{n}.txt"
        steps.append(Step(f"s{n}", script, outputs=(f"out/{n}.txt",)))
    after = Step("after", "cat out/*.txt > all.txt", inputs=("out/*.txt",), outputs=("all.txt",))
    run_steps(small, [*steps, after], jobs=4, machine=machine, report=lambda *_: None)
    assert (small / "all.txt").read_text() == "0\n1\n2\n3\n"
    assert len(log_of(small)) == len([*steps, after])
    assert is_clean(small)
    assert {state.word for state in states(small, [*steps, after]).values()} == {"done"}


def test_a_step_lands_once_another_process_lets_go_of_the_index(small, machine, monkeypatch):
    lock = small / ".git/index.lock"
    lock.touch()
    freed = threading.Timer(3, lock.unlink)
    freed.start()
    run_step(small, Step("late", "mkdir out; echo 1 > out/a.txt"), machine=machine)
    assert not freed.is_alive()
    assert (small / "out/a.txt").read_text() == "1\n"
    lock.touch()  # as a git process leaves it that was killed
    monkeypatch.setattr(gitannex, "INDEX_WAIT_S", 0.5)
    before = git(small, "rev-parse", "HEAD")
    with pytest.raises(StudyError, match=r"index\.lock"):
        run_step(
            small,
            Step("never", "mkdir out; echo 2 > out/b.txt", outputs=("out/b.txt",)),
            machine=machine,
        )
    lock.unlink()
    assert git(small, "rev-parse", "HEAD") == before
    assert is_clean(small)


def test_a_step_whose_outputs_stay_the_same_has_a_record_of_its_present_inputs(small, machine):
    step = Step("same", "mkdir -p out; echo x > out/a.txt", inputs=("notes.txt",))
    run_step(small, step, machine=machine)
    (small / "notes.txt").write_text("other notes\n")
    commit(small, "edit", "notes.txt")
    assert states(small, [step])["same"].why.startswith("its input changed: notes.txt: ")
    run_step(small, step, machine=machine)
    assert states(small, [step])["same"].word == "done"


def test_an_output_that_a_step_no_longer_writes_is_gone_with_its_record(small, machine):
    run_step(
        small,
        Step("two", "mkdir out; echo > out/a.txt; echo > out/b.txt", outputs=("out/*",)),
        machine=machine,
    )
    run_step(small, Step("one", "mkdir out; echo > out/a.txt", outputs=("out/*",)), machine=machine)
    assert git(small, "ls-files", "out") == "out/a.txt"


def test_an_output_that_changed_meanwhile_is_not_overwritten(small, machine):
    theirs = f"cd {small}; mkdir out; echo theirs > out/a.txt; git add out; git commit -qm theirs"
    script = f"mkdir out; echo mine > out/a.txt; {theirs}"
    with pytest.raises(StudyError, match=r"out/a\.txt changed in the dataset"):
        run_step(small, Step("late", script), machine=machine)
    assert (small / "out/a.txt").read_text() == "theirs\n"
