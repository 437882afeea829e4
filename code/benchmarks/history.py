"""The index of a history and its gate against `git log` a file and `datalad rerun --report`.

The histories are generated: steps of ten annexed files each, each reading the outputs of the one before.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from cordstudy.provenance.history.index import History
from cordstudy.provenance.history.since import changed

STUDY = Path(__file__).resolve().parents[1] / "study"
ASKED = 200
"""Files that the peer is asked about; its time is told for all, in proportion."""


def stream(records: int, files_each: int) -> Iterator[bytes]:
    """A history for `git fast-import`: a record a commit, its outputs links to annexed content."""
    yield b"commit refs/heads/main\ncommitter A <a@b> 0 +0000\ndata 5\nstart\n"
    config = b'[datalad "dataset"]\n\tid = 0\n'
    yield b"M 100644 inline .datalad/config\ndata %d\n%s\n" % (len(config), config)
    rng = random.Random(0)
    for n in range(records):
        info = {
            "chain": [],
            "cmd": f"make {n}",
            "dsid": "0",
            "exit": 0,
            "extra_inputs": [],
            "pwd": ".",
            "inputs": [f"derivatives/{n - 1}/*"] if n else [],
            "outputs": [f"derivatives/{n}/*"],
        }
        text = json.dumps(info, indent=1, sort_keys=True)
        message = (
            f"[DATALAD RUNCMD] Step {n}\n\n=== Do not change lines below ===\n{text}\n"
            "^^^ Do not change lines above ^^^\n"
        ).encode()
        yield b"commit refs/heads/main\ncommitter A <a@b> %d +0000\ndata %d\n%s\n" % (
            n + 1,
            len(message),
            message,
        )
        for k in range(files_each):
            key = f"SHA256E-s{n + 1}--{rng.getrandbits(256):064x}.nii.gz"
            link = f"../../.git/annex/objects/Xx/Yy/{key}/{key}".encode()
            yield b"M 120000 inline derivatives/%d/%d.nii.gz\ndata %d\n%s\n" % (
                n,
                k,
                len(link),
                link,
            )


def generate(folder: Path, records: int, files_each: int) -> None:
    """A repository with that history; nothing is checked out but the index."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    packed = b"".join(stream(records, files_each))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=packed, check=True)
    subprocess.run(["git", "read-tree", "HEAD"], cwd=folder, check=True)


def index(folder: Path) -> float:
    """Seconds for every file's producer and key, and every record's inputs and what changed since."""
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
    listed = subprocess.run(
        ["git", "ls-files"], cwd=folder, capture_output=True, text=True
    ).stdout.split()
    start = time.perf_counter()
    for path in random.Random(1).sample(listed, ASKED):
        subprocess.run(
            ["git", "log", "-1", "--format=%H", "--", path],
            cwd=folder,
            capture_output=True,
            check=True,
        )
    return (time.perf_counter() - start) / ASKED * files


def rerun_report(folder: Path) -> float:
    """Seconds of DataLad's own report on every record."""
    start = time.perf_counter()
    subprocess.run(
        ["datalad", "rerun", "--report", "--since="],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - start


@click.command()
@click.option(
    "--no-datalad", is_flag=True, help="Leave out `datalad rerun --report`, which takes minutes."
)
def main(no_datalad: bool) -> None:
    """Print the table."""
    click.echo(
        f"{'files':>7} {'records':>8} {'index s':>8} {'audit --all s':>14} {'git log s':>10} {'ratio':>6}"
        f" {'rerun --report s':>17} {'ratio':>6}"
    )
    for records in (500, 5000):
        files = records * 10
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "study"
            generate(folder, records, 10)
            seconds = min(index(folder) for _ in range(3))
            gated = min(gate(folder) for _ in range(3))
            peer = one_by_one(folder, files)
            told = f"{files:7} {records:8} {seconds:8.2f} {gated:14.2f} {peer:10.0f} {peer / seconds:6.0f}"
            if records == 500 and not no_datalad:
                report = rerun_report(folder)
                told += f" {report:17.0f} {report / seconds:6.0f}"
            click.echo(told)


if __name__ == "__main__":
    main()
