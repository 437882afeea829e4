"""Running done steps again: what leaves no commit, what lands, and what runs on that."""

from cordstudy.provenance.audit.status import states
from cordstudy.provenance.remaking import came_back
from cordstudy.provenance.remaking.again import OTHER, RECORDED, SAME, Again
from cordstudy.provenance.running.runner import run_each, run_steps
from helpers import Step, git, run
from meanwhile import is_clean, tip

MAKE = Step(
    "make", "mkdir -p out; cat image.bin image.bin > out/a.bin", ("image.bin",), ("out/a.bin",)
)
TELL = Step("tell", "wc -c < out/a.bin > size.txt", ("out/a.bin",), ("size.txt",))
BY_CHANCE = Step(
    "chance",
    "mkdir -p out; cat /proc/sys/kernel/random/uuid > out/u.bin; echo 1 > out/one.bin",
    (),
    ("out/u.bin", "out/one.bin"),
)
READS = Step("reads", "cat out/u.bin > uuid.txt", ("out/u.bin",), ("uuid.txt",))
COUNTS = Step("counts", "wc -c < out/u.bin > length.txt", ("out/u.bin",), ("length.txt",))
APART = Step("apart", "cat out/one.bin > one.txt", ("out/one.bin",), ("one.txt",))
CHAIN = (BY_CHANCE, READS, COUNTS, APART)


def recorded(folder, steps, machine) -> dict[str, str]:
    """Record steps; the commit of each record."""
    run_steps(folder, steps, jobs=1, machine=machine, report=lambda *_: None)
    return {name: state.commit for name, state in states(folder, steps).items()}


def again(folder, steps, records, machine, **options) -> tuple[Again, list[tuple[str, str]]]:
    """Run steps again; what ran them, and what was said of each."""
    made, said = Again(folder, records, machine=machine, **options), []

    def report(step, event, seconds):
        said.append((step, event))

    run_each(steps, made.run, jobs=2, machine=machine, report=report)
    return made, said


def test_what_comes_out_the_same_makes_no_commit_and_has_its_content_here_again(small, machine):
    steps = [MAKE, TELL]
    records = recorded(small, steps, machine)
    key = git(small, "annex", "lookupkey", "out/a.bin")
    run("git", "annex", "drop", "--force", "-q", "out/a.bin", cwd=small)
    before = tip(small)
    made, said = again(small, steps, records, machine)
    assert {ending.word for ending in made.endings.values()} == {SAME}
    assert [event for _, event in said] == ["runs", SAME] * 2
    assert tip(small) == before and is_clean(small)
    assert (small / "out/a.bin").read_text() == 2 * "content of small"
    assert came_back.noted(small) == {key: records["make"]}
    assert not list(machine.scratch.iterdir())


def test_what_comes_out_other_lands_and_what_reads_it_runs_on_that(small, machine):
    records = recorded(small, CHAIN, machine)
    before, shown = tip(small), []
    made, _ = again(
        small, CHAIN, records, machine, look=lambda step, ws, changes: shown.append(dict(changes))
    )
    words = {name: ending.word for name, ending in made.endings.items()}
    assert words == {"chance": OTHER, "reads": RECORDED, "counts": RECORDED, "apart": SAME}
    assert shown == [{"out/u.bin": "M"}]
    assert made.endings["reads"].because == "out/u.bin"
    assert (small / "uuid.txt").read_text() == (small / "out/u.bin").read_text()
    assert len(git(small, "log", "--format=%H", f"{before}..").splitlines()) == 3
    assert {state.word for state in states(small, CHAIN).values()} == {"done"}
    assert is_clean(small)
    one = git(small, "annex", "lookupkey", "out/one.bin")
    assert came_back.noted(small) == {one: records["chance"]}


def test_a_step_that_is_not_done_is_recorded_on_the_way(small, machine):
    records = recorded(small, [MAKE], machine)
    made, _ = again(small, [MAKE, TELL], records, machine)
    assert made.endings["make"].word == SAME
    assert made.endings["tell"].word == RECORDED and made.endings["tell"].because == ""
    assert states(small, [MAKE, TELL])["tell"].commit == made.endings["tell"].commit


def test_a_record_of_which_one_output_changed_brings_all_its_content_home(small, machine):
    step = Step(
        "two",
        "mkdir -p out; cat image.bin image.bin > out/a.bin; cat notes.txt > out/b.bin",
        ("image.bin", "notes.txt"),
        ("out/*",),
    )
    recorded(small, [step], machine)
    run("git", "annex", "drop", "--force", "-q", "out/a.bin", cwd=small)
    (small / "notes.txt").write_text("other notes\n")
    git(small, "commit", "-qam", "edit")
    recorded(small, [step], machine)
    assert (small / "out/a.bin").read_text() == 2 * "content of small"
    assert (small / "out/b.bin").read_text() == "other notes\n"
