"""Content that nobody has comes back on `get`, proven by git-annex, or it is said why not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from cordstudy.provenance.remaking.remote import share_of
from helpers import REPOSITORY, commit, git, run
from remade import SUB, datalad_run, get, here, recompute

COMING = {"many/1.bin", "many/2.bin", "many/3.bin"}


def runs(clone: Path) -> int:
    """How often a record ran: its log is written each time."""
    return len(list((clone / ".git/cordstudy/logs/recompute").glob("again-*.log")))


def fsck(clone: Path) -> None:
    """Git-annex finds what is here to be what its keys say."""
    run("git", "annex", "fsck", "-q", "--in=here", "--numcopies=1", cwd=clone, check=False)
    done = run("git", "annex", "fsck", "--json", "--in=here", cwd=clone, check=False)
    bad = [line for line in done.stdout.splitlines() if "checksum" in line and "bad" in line]
    assert not bad


def test_a_chain_comes_back_with_its_siblings_and_may_be_dropped_again(clone):
    told = run("git", "annex", "get", "many/2.bin", cwd=clone).stdout
    assert [told.count(f"'{name}'") for name in ("One", "Two", "Many")] == [1, 1, 1]
    assert {*COMING, "out/one.bin", "also.bin"} <= here(clone)
    where = run("git", "annex", "whereis", "many/1.bin", cwd=clone).stdout
    assert "rerun: run " in where and "again: Many" in where
    assert (clone / "many/2.bin").read_text() == "1\nvoxels1\n1\n2\n"
    size = sum(file.stat().st_size for file in (clone / ".git/annex/objects").rglob("*.bin"))
    run("datalad", "drop", *COMING, cwd=clone)
    assert not COMING & here(clone)
    left = [file for file in (clone / ".git").rglob("*.bin") if file.is_file()]
    assert sum(file.stat().st_size for file in left) < size
    get(clone, "many")
    assert here(clone) >= COMING and git(clone, "status", "--porcelain") == ""
    fsck(clone)


def test_only_what_came_back_here_is_vouched_for(clone):
    run("git", "annex", "fsck", "--fast", "-q", "--from=rerun", cwd=clone, check=False)
    assert "rerun" not in run("git", "annex", "whereis", cwd=clone, check=False).stdout
    get(clone, "out/one.bin")
    (clone / SUB).rename(clone / "elsewhere")
    (clone / SUB).mkdir()
    refused = run("git", "annex", "drop", "out/one.bin", cwd=clone, check=False)
    assert refused.returncode and "out/one.bin" in here(clone), "its source is out of reach"


def test_what_the_subdataset_was_then_is_read_and_not_what_it_is_now(clone):
    assert (clone / SUB / "image.bin").read_text() == "other voxels"
    get(clone, "out/one.bin")
    assert (clone / "out/one.bin").read_text() == "1\nvoxels"


def test_several_gets_at_once_run_each_record_once(clone):
    told = run("git", "annex", "get", "-J4", "many", "out", "also.bin", cwd=clone)
    assert {*COMING, "out/one.bin", "also.bin"} <= here(clone)
    printed = told.stdout + told.stderr
    assert [printed.count(f"'{name}'") for name in ("One", "Two", "Many")] == [1, 1, 1]


def test_an_output_that_is_also_an_input_and_an_older_version_come_back(clone):
    get(clone, "two.bin")
    assert (clone / "two.bin").read_text() == "1\nvoxels1\n1\n"
    git(clone, "checkout", "-q", "HEAD~5", "--", "two.bin")
    get(clone, "two.bin")
    assert (clone / "two.bin").read_text() == "1\nvoxels1\n"


def test_what_came_out_other_is_said_and_what_builds_on_it_too(clone):
    refused = get(clone, "dice.bin", check=False)
    said = " ".join((refused.stdout + refused.stderr).split())
    assert refused.returncode and "'Dice' gives other content here: dice.bin" in said
    assert "this machine: " in said
    refused = get(clone, "after.bin", check=False)
    said = refused.stdout + refused.stderr
    assert "'After dice' needs dice.bin, which is out of reach" in said
    assert not {"dice.bin", "after.bin"} & here(clone)
    assert not list((clone / ".git/cordstudy/recompute").glob("again-*")), "a workspace was left"


def test_what_no_record_made_and_a_source_that_is_not_there_are_said(clone):
    (clone / "own.bin").write_text("mine")
    git(clone, "add", "own.bin")
    commit(clone, "add a file", "own.bin")
    run("git", "annex", "drop", "-q", "--force", "own.bin", cwd=clone)
    refused = get(clone, "own.bin", check=False)
    assert "no record in the history of the checked-out branch" in refused.stdout + refused.stderr
    shutil.rmtree(clone / SUB)
    (clone / SUB).mkdir()
    for name in (".git/config", ".gitmodules"):  # nobody has it
        for key in ("url", "datalad-url"):
            git(clone, "config", "-f", name, f"submodule.inputs/source.{key}", "/nowhere/source")
    commit(clone, "a source that is nowhere", ".gitmodules")
    shutil.rmtree(clone / ".git/modules", ignore_errors=True)
    refused = get(clone, "many/1.bin", check=False)
    said = refused.stdout + refused.stderr
    for words in ("'Many' needs two.bin", "'One' needs inputs/source"):
        assert words in said


def test_records_of_another_branch_do_not_run(clone):
    branch = git(clone, "rev-parse", "--abbrev-ref", "HEAD")
    git(clone, "checkout", "-q", "-b", "before", "HEAD~7")
    key = git(clone, "rev-parse", f"{branch}:many/1.bin")
    link = git(clone, "cat-file", "blob", key)
    done = run("git", "annex", "get", "--key", os.path.basename(link), cwd=clone, check=False)
    assert done.returncode and runs(clone) == 0


def test_it_is_off_until_switched_on_in_this_clone_even_where_another_enabled_it(bare):
    folder = bare
    values = ("type=external", "externaltype=rerun", "encryption=none", "autoenable=true")
    refused = run("git", "annex", "initremote", "rerun", *values, cwd=folder, check=False)
    assert refused.returncode and "recompute is off" in refused.stderr
    assert get(folder, "out/one.bin", check=False).returncode
    assert "out/one.bin" in recompute(folder, "on").stdout
    get(folder, "out/one.bin")
    run("git", "annex", "drop", "-q", "out/one.bin", cwd=folder)
    recompute(folder, "off")
    assert get(folder, "out/one.bin", check=False).returncode and not here(folder)
    recompute(folder, "on")
    get(folder, "out/one.bin")


def test_another_remote_of_that_name_is_not_taken_over(bare, tmp_path):
    values = ("type=directory", f"directory={tmp_path}", "encryption=none")
    run("git", "annex", "initremote", "rerun", *values, cwd=bare)
    refused = recompute(bare, "on", check=False)
    assert refused.returncode and "another remote that is called rerun" in refused.stderr
    assert not run("git", "config", "cordstudy.recompute", cwd=bare, check=False).stdout


def test_a_clone_that_moves_takes_it_along(clone):
    moved = clone.rename(clone.with_name("moved"))
    get(moved, "out/one.bin")
    assert here(moved) == {"out/one.bin"}


def test_only_signed_records_where_that_is_asked(clone):
    get(clone, "out/one.bin")
    before = runs(clone)
    recompute(clone, "on", "--signed")
    refused = get(clone, "two.bin", check=False)
    assert "is not signed" in refused.stdout + refused.stderr and runs(clone) == before
    dropped = run("git", "annex", "drop", "out/one.bin", cwd=clone, check=False)
    assert dropped.returncode, "it could not come back"


def test_a_shallow_clone_is_told(recorded_original, tmp_path):
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{recorded_original}", "shallow")
    run("git", "annex", "init", "-q", cwd=tmp_path / "shallow")
    refused = recompute(tmp_path / "shallow", "on", check=False)
    assert refused.returncode and "git fetch --unshallow" in refused.stderr


def test_what_takes_longer_than_expected_is_never_said_to_be_here_and_never_stalls():
    shares = [share_of(seconds, 10.0) for seconds in range(0, 1000, 5)]
    assert shares == sorted(set(shares)) and shares[0] == 0 and shares[2] == 0.9
    assert shares[-1] < 1


def test_git_annex_shows_how_far_it_is(clone):
    done = run("git", "annex", "get", "--json-progress", "many/1.bin", cwd=clone)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert any("byte-progress" in line for line in lines)


def test_without_bubblewrap_it_works_and_says_what_is_missing(bare, tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in os.listdir("/usr/bin"):
        if name != "bwrap":
            (programs / name).symlink_to(f"/usr/bin/{name}")
    tools = run(REPOSITORY / "code/study", "env", cwd=tmp_path).stdout.strip()
    monkeypatch.setenv("PATH", f"{tools}/bin:{programs}")
    folder = bare
    assert "with your rights and the network" in recompute(folder, "on").stdout
    done = run("git", "annex", "get", "out/one.bin", cwd=folder)
    assert "no bubblewrap here" in done.stdout + done.stderr and here(folder)


def test_the_remote_can_be_neither_written_nor_emptied(clone):
    get(clone, "out/one.bin")
    (clone / "own.bin").write_text("mine")
    git(clone, "add", "own.bin")
    commit(clone, "add a file", "own.bin")
    assert run("git", "annex", "copy", "--to=rerun", "own.bin", cwd=clone, check=False).returncode
    assert run("git", "annex", "drop", "--from=rerun", "out", cwd=clone, check=False).returncode


def test_in_an_unlocked_branch_and_by_key(clone):
    key = run("git", "annex", "lookupkey", "out/one.bin", cwd=clone).stdout.strip()
    run("git", "annex", "get", "-q", "--key", key, cwd=clone)
    assert "out/one.bin" in here(clone)
    run("git", "annex", "adjust", "-q", "--unlock", cwd=clone)
    get(clone, "many/3.bin")
    assert (clone / "many/3.bin").read_text() == "1\nvoxels1\n1\n3\n"


def test_a_key_without_a_checksum_proves_nothing_and_is_refused(clone):
    script = "mkdir worm; echo made > worm/out.bin"
    (clone / ".gitattributes").write_text("*.bin annex.backend=WORM\n")
    commit(clone, "another backend", ".gitattributes")
    run("datalad", "-l", "error", "run", "-i", "a.txt", "-o", "worm/out.bin", script, cwd=clone)
    run("git", "annex", "drop", "-q", "--force", "worm", cwd=clone)
    allowed = ("-c", "annex.security.allow-unverified-downloads=ACKTHPPT")
    for options in ((), allowed):  # git-annex itself refuses, unless it is told not to
        refused = run("git", *options, "annex", "get", "worm", cwd=clone, check=False)
        assert refused.returncode and "worm/out.bin" not in here(clone)
    assert "holds no checksum" in refused.stdout + refused.stderr


def drop_is_refused(clone: Path, path: str) -> bool:
    return bool(run("git", "annex", "drop", path, cwd=clone, check=False).returncode)


def test_what_was_here_and_came_out_other_is_not_vouched_for(clone):
    dice = "for n in 1 2 3; do cat /proc/sys/kernel/random/uuid > d$n.bin; done; cp d1.bin d4.bin"
    datalad_run(clone, "Half", f"{dice}; echo same > same.bin", i="a.txt", o="same.bin")
    run("git", "annex", "drop", "-q", "--force", "same.bin", "d3.bin", cwd=clone)
    get(clone, "same.bin")
    assert here(clone) >= {"same.bin", "d1.bin", "d2.bin", "d4.bin"}
    assert all(drop_is_refused(clone, f"d{n}.bin") for n in (1, 2, 4))
    run("git", "annex", "drop", "-q", "same.bin", cwd=clone)


def test_nothing_is_vouched_for_through_what_never_came_back(clone):
    datalad_run(clone, "Dice 2", "cat /proc/sys/kernel/random/uuid > dice2.bin", i="a.txt")
    datalad_run(clone, "After", "cat dice2.bin a.txt > after2.bin", i="dice2.bin")
    run("git", "annex", "drop", "-q", "--force", "after2.bin", cwd=clone)
    get(clone, "after2.bin")
    run("git", "annex", "drop", "-q", "--force", "dice2.bin", cwd=clone)
    assert drop_is_refused(clone, "after2.bin")


def test_what_may_have_read_a_subdataset_is_not_vouched_for_without_it(clone):
    datalad_run(clone, "Undeclared", f"cat {SUB}/image.bin > read.bin")
    run("git", "annex", "drop", "-q", "--force", "read.bin", cwd=clone)
    get(clone, "read.bin")
    (clone / SUB).rename(clone / "elsewhere")
    (clone / SUB).mkdir()
    assert drop_is_refused(clone, "read.bin")


def test_a_command_may_make_its_folder_and_remove_what_it_read(clone):
    datalad_run(clone, "Folder", "mkdir new && cat two.bin > new/x.bin && rm two.bin", i="two.bin")
    run("git", "annex", "drop", "-q", "--force", "new", cwd=clone)
    get(clone, "new")


@pytest.mark.parametrize(
    ("script", "content"),
    [
        ("cat a.txt >> log.bin", "old\n1\n"),
        ("cat a.txt >> note.txt; cp note.txt log.bin", "old\n1\n"),
        ("cp a.txt folder/log.bin", "1\n"),
        ("mkdir folder && cp a.txt folder/log.bin", "1\n"),
    ],
)
def test_what_a_command_found_and_did_not_declare_is_there_at_the_second_try(
    clone, script, content
):
    path = "folder/log.bin" if "folder" in script else "log.bin"
    if path == "log.bin":
        (clone / "log.bin").write_text("old\n")
        (clone / "note.txt").write_text("old\n")
        run("datalad", "-l", "error", "save", "-m", "old ones", cwd=clone)
    elif "mkdir" not in script:
        (clone / "folder").mkdir()
    run(
        "datalad", "-l", "error", "run", "-i", "a.txt", "-o", path, "-o", "*.txt", script, cwd=clone
    )
    run("git", "annex", "drop", "-q", "--force", path, cwd=clone)
    get(clone, path)
    assert (clone / path).read_text() == content
