"""The index of a history and its gate against `git log` a file and `datalad rerun --report`.

The histories are generated: steps of ten annexed files each, each reading the outputs of the one
before.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.records import render_message
from cordstudy.provenance.history.since import changed

STUDY = Path(__file__).resolve().parents[1] / "study"
ASKED = 200
"""Files that the peer is asked about; its time is told for all, in proportion."""
REPEATS = 3
"""How often ours is timed: the best counts."""


def stream(records: int, files_each: int) -> Iterator[bytes]:
    """A history for `git fast-import`: a record a commit, its outputs links to annexed content."""
    yield _commit(0, b"start\n")
    config = b'[datalad "dataset"]\n\tid = 0\n'
    yield b"M 100644 inline .datalad/config\n" + _data(config)
    rng = random.Random(0)
    for n in range(records):
        message = render_message(
            f"Step {n}",
            cmd=f"make {n}",
            dsid="0",
            inputs=[f"derivatives/{n - 1}/*"] if n else [],
            outputs=[f"derivatives/{n}/*"],
        )
        yield _commit(n + 1, message.encode())
        for k in range(files_each):
            key = f"SHA256E-s{n + 1}--{rng.getrandbits(256):064x}.nii.gz"
            link = f"../../.git/annex/objects/Xx/Yy/{key}/{key}"
            yield b"M 120000 inline derivatives/%d/%d.nii.gz\n" % (n, k) + _data(link.encode())


def _commit(seconds: int, message: bytes) -> bytes:
    """A commit, as `git fast-import` takes it; its files follow."""
    head = b"commit refs/heads/main\ncommitter A <a@b> %d +0000\n" % seconds
    return head + _data(message)


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def generate(folder: Path, records: int, files_each: int) -> None:
    """A repository with that history; nothing is checked out but the index."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    packed = b"".join(stream(records, files_each))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=packed, check=True)
    subprocess.run(["git", "read-tree", "HEAD"], cwd=folder, check=True)


def index(folder: Path) -> float:
    """Seconds for every file's producer and key, and every record's inputs and what changed
    since."""
    start = time.perf_counter()
    history = History(folder)
    for path, entry in history.tree.items():
        history.producer(path, entry)
    for commit in history.records:
        changed(history, commit)
    return time.perf_counter() - start


def gate(folder: Path) -> float:
    """Seconds of `code/study audit --all`, Python's start included."""
    start = time.perf_counter()
    subprocess.run([STUDY, "audit", "--all", "--dataset", folder], capture_output=True, check=True)
    return time.perf_counter() - start


def one_by_one(folder: Path, files: int) -> float:
    """Seconds of a `git log` for each file, from some of them."""
    listed = _run(["git", "ls-files"], folder).split()
    start = time.perf_counter()
    for path in random.Random(1).sample(listed, ASKED):
        _run(["git", "log", "-1", "--format=%H", "--", path], folder)
    return (time.perf_counter() - start) / ASKED * files


def rerun_report(folder: Path) -> float:
    """Seconds of DataLad's own report on every record."""
    start = time.perf_counter()
    _run(["datalad", "rerun", "--report", "--since="], folder)
    return time.perf_counter() - start


def _run(argv: list[str], folder: Path) -> str:
    """Run a command; its output."""
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@click.command()
@click.option(
    "--no-datalad", is_flag=True, help="Leave out `datalad rerun --report`, which takes minutes."
)
def main(no_datalad: bool) -> None:
    """Print the table."""
    columns = f"{'files':>7} {'records':>8} {'index s':>8} {'audit --all s':>14} {'git log s':>10}"
    click.echo(f"{columns} {'ratio':>6} {'rerun --report s':>17} {'ratio':>6}")
    for records in (500, 5000):
        files = records * 10
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "study"
            generate(folder, records, 10)
            seconds = min(index(folder) for _ in range(REPEATS))
            gated = min(gate(folder) for _ in range(REPEATS))
            peer = one_by_one(folder, files)
            ratio = peer / seconds
            row = f"{files:7} {records:8} {seconds:8.2f} {gated:14.2f} {peer:10.0f} {ratio:6.0f}"
            if records == 500 and not no_datalad:
                report = rerun_report(folder)
                row += f" {report:17.0f} {report / seconds:6.0f}"
            click.echo(row)


if __name__ == "__main__":
    main()
