"""Code in the sandbox can compute, and can do nothing else."""

import os
import sys
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling import sandbox
from walled import walled


def python(script: str, folder: Path) -> bytes:
    """What a script prints that runs in the sandbox."""
    return sandbox.run_in_sandbox([sys.executable, "-P", "-c", script], folder)


@walled
@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("import socket; socket.create_connection(('1.1.1.1', 53), 2)", "unreachable"),
        ("open('x', 'w')", "Read-only file system"),
        ("open('/usr/x', 'w')", "Read-only file system"),
        ("open('/x', 'w')", "Read-only file system"),
        ("open('/dev/x', 'w')", "Read-only file system"),
        ("open('/dev/shm/x', 'w')", "Read-only file system"),
        (f"open({__file__!r})", "No such file"),
        ("import os; os.kill(PID, 0)", "No such process"),
        ("print('x' * 2**26)", "it prints more than 32 MiB"),
        ("import sys; sys.stderr.write('x' * 2**26); sys.exit(3)", "exit code"),
        ("x = bytearray(2**33)", "MemoryError"),
        ("raise SystemExit(3)", "it ends with exit code 3$"),
        ("import os; assert 'SECRET' in os.environ", "AssertionError"),
        ("while True: pass", "it takes longer than 2 s"),
    ],
)
def test_code_in_the_sandbox_can_do_nothing(tmp_path, monkeypatch, script, why):
    monkeypatch.setattr(sandbox, "TIME_S", 2.0)
    monkeypatch.setenv("SECRET", "1")
    sandbox.check_sandbox()
    with pytest.raises(StudyError, match=why):
        python(script.replace("PID", str(os.getpid())), tmp_path)
    assert list(tmp_path.iterdir()) == []


OPENABLE = """
import os
for place in ("/proc", "/sys", "/run", "/etc", "/usr", "/study", "/dev"):
    for folder, _, names in os.walk(place):
        for path in [os.path.join(folder, name) for name in names]:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
            except OSError:
                continue
            print(os.path.realpath(path))
"""
"""Opens every file for writing, and writes nothing."""


@walled
def test_code_in_the_sandbox_can_open_nothing_of_the_system_for_writing(tmp_path):
    opened = python(OPENABLE, tmp_path).decode().split()
    harmless = ("ptmx", "tty", "urandom", "random", "full", "zero", "null", "pts/ptmx")
    assert set(opened) <= {f"/dev/{name}" for name in harmless}


@walled
def test_code_in_the_sandbox_can_compute_and_its_lack_is_said(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("x = 1")
    script = "import sys; sys.path.insert(0, '.'); import mine, pydantic; "
    assert python(script + "open('/tmp/x', 'w'); print(mine.x)", tmp_path) == b"1\n"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match="not installed") as raised:
        sandbox.check_sandbox()
    assert "apt install bubblewrap" in raised.value.hint
