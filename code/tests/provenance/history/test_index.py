"""The index of a history, on what plain DataLad makes: who made each file."""

from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.lineage import trace
from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.records import read_records
from helpers import git, run
from places import OUT, told
from plain import record, save


def test_reruns_unlocked_outputs_reverts_and_merges_keep_their_producers(made):
    run("datalad", "-l", "error", "unlock", "derivatives/one.bin", cwd=made)
    save(made, "Unlock")
    history = History(made)
    assert history.tree["derivatives/one.bin"].key.startswith("SHA256E-s8--"), (
        "a pointer file has a key"
    )
    assert (
        history.producer("derivatives/one.bin").subject == "First"
        and check(history, profile=PROFILE) == []
    ), "the same, unlocked"
    git(made, "revert", "--no-edit", "HEAD")
    assert History(made).producer("derivatives/one.bin").subject == "First", (
        "its content is back as the record made it"
    )
    (made / "a.txt").write_text("2\n")
    save(made, "Change the text")
    run("datalad", "-l", "error", "rerun", "--since=", cwd=made)
    history = History(made)
    assert (
        history.producer("derivatives/two.bin").record.chain
        and check(history, profile=PROFILE) == []
    )
    git(made, "checkout", "-q", "-b", "side", "HEAD~1")
    record(made, "Third", "echo 3 > derivatives/three.bin", "derivatives/three.bin")
    git(made, "checkout", "-q", "-")
    git(made, "merge", "-q", "--no-edit", "side")
    history = History(made)
    assert history.producer("derivatives/three.bin").subject == "Third"
    assert history.producer("derivatives/two.bin").record.chain
    assert len(list(history.records)) == 5


def test_a_run_in_a_folder_and_one_whose_command_commits_are_records_like_others(made):
    (made / "derivatives/below").mkdir()
    record(
        made / "derivatives/below", "In a folder", "cat ../one.bin > x.bin", "x.bin", "../one.bin"
    )
    record(
        made,
        "Commits itself",
        "echo 1 > derivatives/own.bin; datalad -l error save -m own",
        "derivatives/own.bin",
    )
    history = History(made)
    assert history.producer("derivatives/below/x.bin").subject == "In a folder"
    assert history.producer("derivatives/own.bin").subject == "Commits itself"
    assert [
        node.path
        for node in trace(history, "derivatives/below/x.bin", profile=PROFILE)
        .runs[history.producer("derivatives/below/x.bin").id]
        .inputs
    ] == ["derivatives/one.bin"]


def test_a_record_in_a_sidecar_file_is_read_where_its_content_is_here(made):
    run(
        "datalad",
        "-l",
        "error",
        "run",
        "--sidecar",
        "yes",
        "-m",
        "Aside",
        "-o",
        "derivatives/s.bin",
        "echo s > derivatives/s.bin",
        cwd=made,
    )
    assert next(read_records(made)).outputs == ("derivatives/s.bin",)
    assert History(made).producer("derivatives/s.bin").subject == "Aside"
    run("git", "annex", "drop", "-q", "--force", ".datalad/runinfo", cwd=made)
    history = History(made)
    assert (
        history.producer("derivatives/s.bin") is None
        and "not here (datalad get" in history.commits[0].malformed
    )


def test_a_step_that_came_to_write_more_has_one_record_that_counts(place):
    more = "derivatives/b.txt"
    first, large = (commit.id for commit in place.history.live)
    newer = place.commit(told(cmd="make a b", outputs=[OUT, more]), {more: "b\n"})
    assert [commit.id for commit in place.history.live] == [large, newer]
    assert place.findings == []
    place.commit(told(cmd="make b c", outputs=[more, "derivatives/c.txt"]), {more: "c\n"})
    assert ("two records", more) in place.findings, "one that has other outputs too still counts"
    assert first not in {commit.id for commit in place.history.live}
