"""What a hostile history can do to whoever has recompute on: nothing but fail, and be told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from helpers import commit, digests, git, run
from remade import SUB, get, here, recompute
from walled import walled

FORGED = "evil/out.bin"


def refused(clone: Path, path: str = FORGED) -> str:
    """What is said where a file does not come back; nothing is left of the try."""
    done = get(clone, path, check=False)
    assert done.returncode and path not in here(clone)
    assert not list((clone / ".git/cordstudy/recompute").glob("again-*"))
    return done.stdout + done.stderr


@walled
def test_a_command_can_write_nothing_but_its_workspace(clone, forged, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("HOME", str(home))
    get(clone, "out/one.bin", "two.bin")
    before = digests(clone)
    places = [tmp_path, home, clone, clone / ".git", clone / SUB, "/tmp", "/etc", "/usr", "/dev"]
    tries = [f"echo x > '{place}/own'" for place in places]
    tries += ["chmod -R u+w . .git", "echo x > inputs/source/image.bin", "echo x > two.bin"]
    tries += ["git config core.fsmonitor 'touch own'", "echo x > .git/hooks/post-checkout"]
    tries += ['for f in $(find . -name "*.bin"); do echo x > "$(readlink -f $f)"; done']
    script = "; ".join(f"({words}) 2>/dev/null" for words in tries)
    read = ["a.txt", "two.bin", f"{SUB}/image.bin"]
    forged(f"{script}; mkdir -p evil; echo made > {FORGED}", FORGED, inputs=read)
    get(clone, FORGED, check=False)
    after = digests(clone)
    ours = (".git/annex", ".git/cordstudy", ".git/index", ".git/objects", ".git/logs", ".git/refs")
    for path, digest in before.items():
        if not path.startswith(tuple(str(clone / name) for name in ours)):
            assert after[path] == digest or path.endswith(("HEAD", "COMMIT_EDITMSG", "evil")), path
    assert not [p for p in (*map(Path, map(str, places)),) if (p / "own").exists()]
    run("git", "annex", "fsck", "-q", "--all", cwd=clone / SUB)
    assert not any(home.iterdir())


@walled
def test_a_command_reaches_no_network_and_reads_nobodys_files(clone, forged, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = server.getsockname()[1]
        call = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        script = f'mkdir evil; python3 -c "{call}" || cat {secret} || echo made > {FORGED}'
        forged(script, FORGED)
        get(clone, FORGED)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"outputs": ["../own"]}, "no record"),
        ({"outputs": ["/tmp/own"]}, "no record"),
        ({"pwd": "../.."}, "no record"),
        ({"pwd": "away"}, "leads through a link"),
        ({"cmd": "mkdir evil; ln -s /etc/passwd evil/out.bin"}, "it is no file"),
        ({"cmd": "mkdir -p evil/out.bin"}, "it is no file"),
        ({"cmd": "mkdir evil; mkfifo evil/out.bin"}, "it is no file"),
        ({"cmd": "rm -r evil; mkdir real; ln -s real evil; echo made > evil/out.bin"}, "is a link"),
        ({"cmd": "mkdir evil; echo nade > evil/out.bin"}, "other bytes"),
        ({"cmd": "true"}, "it was not made"),
        ({"cmd": "exit 3"}, "exit 3"),
        ({"cmd": "mkdir evil; echo {nothing} > evil/out.bin"}, "nothing"),
    ],
)
def test_places_and_what_lies_there_are_not_trusted(clone, forged, tmp_path, values, said):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "out.bin").write_text("mine")
    (clone / "away").symlink_to(victim)
    commit_link(clone)
    before = digests(tmp_path / "victim")
    forged(**{"cmd": f"mkdir -p evil; echo made > {FORGED}", "path": FORGED, **values})
    assert said in refused(clone)
    assert digests(tmp_path / "victim") == before and not (tmp_path / "own").exists()


def test_a_folder_that_is_a_link_in_the_records_parent_is_not_followed(clone, forged, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "out.bin").write_text("mine")
    (clone / "evil").symlink_to(victim)
    git(clone, "add", "evil")
    git(clone, "commit", "-q", "-m", "a link")
    forged(f"echo made > {FORGED}", FORGED)
    assert "leads through a link" in refused(clone)
    assert (victim / "out.bin").read_text() == "mine"


def commit_link(clone: Path) -> None:
    git(clone, "add", "away")
    commit(clone, "a link", "away")


def test_names_are_words_and_no_shell(clone):
    names = ["$(touch own).bin", "a b'c\";touch own;.bin", "-n.bin", "{x}.bin"]
    for name in names:
        (clone / name).write_text(name)
        git(clone, "add", "--", f"./{name}")
        git(clone, "commit", "-q", "-m", "add")
    run(
        "datalad",
        "-l",
        "error",
        "run",
        "-m",
        "Odd",
        "-i",
        names[0],
        "-i",
        names[1],
        "-o",
        f"odd/{names[0]}",
        "mkdir odd; cat {inputs} > {outputs} || cat {inputs} > odd/'$(touch own).bin'",
        cwd=clone,
    )
    path = f"odd/{names[0]}"
    run("git", "annex", "drop", "-q", "--force", path, cwd=clone)
    get(clone, path)
    assert path in here(clone) and not list(clone.rglob("own"))


def test_a_command_that_never_ends_is_ended_with_all_that_it_started(clone, forged):
    recompute(clone, "on", "--minutes", "0.05")
    forged("setsid sleep 4711 & sleep 4711", FORGED)
    start = time.monotonic()
    assert "takes longer than" in refused(clone)
    assert time.monotonic() - start < 60
    assert not sleeping()


def test_a_command_that_fills_the_disk_is_ended(clone, forged):
    forged("mkdir evil; fallocate -l 10G evil/out.bin; sleep 100", FORGED)
    assert "writes more than" in refused(clone)


def test_what_runs_ends_with_git_annex_however_that_ends(clone, forged):
    forged("sleep 4711", FORGED)
    asking = subprocess.Popen(["git", "annex", "get", FORGED], cwd=clone, stdout=subprocess.DEVNULL)
    wait_for(lambda: bool(sleeping()))
    for process in psutil.Process(asking.pid).children(recursive=True):
        if process.name().startswith("git-annex"):
            process.send_signal(signal.SIGKILL)
    asking.kill()
    asking.wait()
    wait_for(lambda: not sleeping())


def sleeping() -> list[psutil.Process]:
    """The processes that would sleep for ever."""
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "4711"]]


def wait_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_record_without_a_commit_before_it_is_refused(tmp_path):
    folder = tmp_path / "rooted"
    git(tmp_path, "init", "-q", "-b", "main", folder)
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.org")
    run("git", "annex", "init", "-q", cwd=folder)
    (folder / "a.bin").write_text("a")
    run("git", "annex", "add", "-q", "a.bin", cwd=folder)
    from places import block

    told = '{"cmd": "echo a > a.bin", "outputs": ["a.bin"]}'
    git(folder, "commit", "-q", "-m", block(told, subject="Root"))
    run("git", "annex", "drop", "-q", "--force", "a.bin", cwd=folder)
    recompute(folder, "on")
    done = run("git", "annex", "get", "a.bin", cwd=folder, check=False)
    assert done.returncode and "no commit before it" in done.stdout + done.stderr


@walled
def test_a_command_can_open_a_socket_however_long_the_path_of_the_dataset_is(clone, forged):
    """A training in a clone with a long name waited for ever for the process that could not."""
    socket_of = "from multiprocessing.connection import Listener as L; L()"
    forged(f"mkdir evil; python3 -c '{socket_of}' && echo made > {FORGED}", FORGED)
    moved = clone.rename(clone.with_name("a" * 100))
    get(moved, FORGED)
    assert FORGED in here(moved)


def test_bytes_that_nothing_proves_are_never_handed_over_beside_others(clone, forged):
    forged("mkdir evil; echo nade > evil/out.bin", FORGED)
    for name in ("WORM-s5-m1--unproven", "SHAFOO-s5--unproven"):
        (clone / name).symlink_to(f".git/annex/objects/aa/bb/{name}/{name}")
        git(clone, "add", name)
        forged(
            f"mkdir evil; echo made > {FORGED}; echo evil > {name}", FORGED, outputs=[FORGED, name]
        )
        get(clone, FORGED)
        assert not list((clone / ".git/annex/objects").rglob(name))
        assert name not in (clone / ".git/cordstudy/came-back.tsv").read_text()


@pytest.mark.parametrize("target", ["/dev/zero", "secret"])
def test_a_link_that_is_declared_as_read_and_made_is_not_copied(clone, forged, tmp_path, target):
    (tmp_path / "secret").write_text("made\n")
    (clone / "evil").mkdir()
    (clone / FORGED).symlink_to(tmp_path / target)
    git(clone, "add", FORGED)
    git(clone, "commit", "-q", "-m", "a link")
    (clone / FORGED).unlink()
    forged("true", FORGED, inputs=[FORGED])
    assert "it is no file" in refused(clone)


@walled
def test_a_command_cannot_have_its_workspace_stay_nor_fill_the_disk_by_talking(
    clone, forged, monkeypatch
):
    forged("touch ../finished; echo x > ../workspace.json; yes", FORGED)
    assert "prints more than" in refused(clone)


def test_folders_however_deep_neither_stop_the_remote_nor_stay(clone, forged):
    deep = "import os; [(os.mkdir('d'), os.chdir('d')) for _ in range(3000)]"
    forged(f'python3 -c "{deep}"; sleep 5', FORGED)
    assert "too deep" in refused(clone)
    get(clone, "out/one.bin")


def test_a_subdataset_that_a_link_has_lie_elsewhere_is_not_read(clone, forged, tmp_path):
    (clone / SUB).rename(tmp_path / "source")
    git(clone, "rm", "-q", "-r", "--cached", "inputs")
    (clone / "inputs").rmdir()
    (clone / "inputs").symlink_to(tmp_path)
    git(clone, "add", "inputs")
    git(clone, "commit", "-q", "-m", "a link")
    assert "leads through a link" in refused(clone, "out/one.bin")
