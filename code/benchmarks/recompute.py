"""Recompute on get: a chain of three trivial records, and many outputs of one, against a RIA store.

The peers do not compute: `datalad get` of the same files from a RIA store beside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import click

STUDY = Path(__file__).resolve().parents[1] / "study"
EACH = 100_000
"""Bytes of each of many outputs."""


def make(base: Path, outputs: int) -> Path:
    """A dataset with three records in a chain and one of many outputs, and a RIA store with all."""
    folder = base / "recorded"
    _run("datalad", "create", folder, cwd=base)
    attributes = (
        "* annex.backend=SHA256E\n* annex.largefiles=anything\n*.txt annex.largefiles=nothing\n"
    )
    (folder / ".gitattributes").write_text(attributes)
    (folder / "a.txt").write_text("a\n")
    _run("datalad", "save", "-m", "Start", cwd=folder)
    for n, source in enumerate(("a.txt", "1.bin", "2.bin"), start=1):
        script = f"cat {source} {source} > {n}.bin"
        _run("datalad", "run", "-i", source, "-o", f"{n}.bin", script, cwd=folder)
    script = (
        f"mkdir many; for n in $(seq {outputs}); do yes $n | head -c {EACH} > many/$n.bin; done"
    )
    _run("datalad", "run", "-i", "a.txt", "-o", "many/*", script, cwd=folder)
    store = f"ria+file://{base}/store"
    _run("datalad", "create-sibling-ria", "-s", "ria", "--new-store-ok", store, cwd=folder)
    _run("datalad", "push", "--to", "ria", cwd=folder)
    return folder


def clone(folder: Path, place: Path) -> Path:
    """A clone in which nothing is, that has neither the store nor its origin's content."""
    _run("git", "clone", "-q", "--single-branch", folder, place, cwd=folder)
    _run("git", "remote", "remove", "origin", cwd=place)
    _run("git", "annex", "init", "-q", cwd=place)
    _run(STUDY, "recompute", "on", "--dataset", place, cwd=place)
    return place


def clone_of_store(base: Path, folder: Path, place: Path) -> Path:
    """A clone from the RIA store."""
    name = _run("git", "config", "-f", ".datalad/config", "datalad.dataset.id", cwd=folder).strip()
    _run("datalad", "clone", f"ria+file://{base}/store#{name}", place, cwd=base)
    return place


def seconds(folder: Path, *paths: str) -> float:
    """How long `datalad get` takes; the content is then here."""
    start = time.perf_counter()
    _run("datalad", "get", *paths, cwd=folder)
    took = time.perf_counter() - start
    absent = _run("git", "annex", "find", "--not", "--in=here", *paths, cwd=folder)
    if absent:
        raise SystemExit(f"not here: {absent}")
    return took


def _run(*argv: str | Path, cwd: Path) -> str:
    """Run a command; its output."""
    words = list(map(str, argv))
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{words}: {done.stderr}")
    return done.stdout


@click.command()
@click.option("--outputs", default=1000, show_default=True, help="Of the record with many.")
@click.option("--rounds", default=3, show_default=True, help="How often each is timed.")
def main(outputs: int, rounds: int) -> None:
    """Print the table."""
    for key in ("NAME", "EMAIL"):
        os.environ[f"GIT_AUTHOR_{key}"] = os.environ[f"GIT_COMMITTER_{key}"] = "benchmark"
    click.echo(f"{'what':40} {'recompute s':>12} {'RIA s':>8} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        folder = make(base, outputs)
        for what, path in (
            ("chain of 3 records", "3.bin"),
            (f"{outputs} outputs of one record", "many"),
        ):
            ours, peers = [], []
            for n in range(rounds):
                ours.append(seconds(clone(folder, base / f"ours-{n}"), path))
                peers.append(seconds(clone_of_store(base, folder, base / f"peer-{n}"), path))
                for place in ("ours", "peer"):
                    _run("chmod", "-R", "u+w", base / f"{place}-{n}", cwd=base)
                    shutil.rmtree(base / f"{place}-{n}")
            click.echo(
                f"{what:40} {min(ours):12.1f} {min(peers):8.1f} {min(ours) / min(peers):6.1f}"
            )
        _run("chmod", "-R", "u+w", base, cwd=Path("/"))


if __name__ == "__main__":
    main()
