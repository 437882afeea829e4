"""What tests call: commands, git, a study's own launcher, a step of a few shell words."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cordstudy.study.loading import load_study
from cordstudy.study.step import Step as StudyStep
from cordstudy.study.steps import steps

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
RECORD = "[DATALAD RUNCMD] "
TINY = Path(__file__).with_name("tiny.toml")
OF_CORD = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "spinal_cord": 1},
    "file_ending": ".nii.gz",
}
"""What the dataset.json of this study's datasets say."""
RETIRED = 4
"""Records in this history of steps that the phantom study has no more, with all that they made: a
model that was matched by images."""


def run(
    *argv: str | Path, cwd: Path, check: bool = True, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command; with `check` its failure is the test's."""
    done = subprocess.run(
        list(map(str, argv)),
        cwd=cwd,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | env,
    )
    assert done.returncode == 0 or not check, (
        f"{argv}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def study(
    folder: Path, *arguments: str | Path, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a study's own launcher."""
    return run(folder / "code/study", *arguments, cwd=folder, check=check)


def git(folder: Path, *arguments: str | Path) -> str:
    """Run git; its output without the last newline."""
    return run("git", *arguments, cwd=folder).stdout.rstrip("\n")


COPIED = "[core]\n\tcheckStat = minimal\n\ttrustctime = false\n"
"""Has git know the files of a copy for those in its index, which else are all read anew."""


def copied(folder: Path, copy: Path) -> Path:
    """A copy of a clone, to be changed. Git's objects, which nothing writes again, are the same
    files, as in a clone of a folder: they are most of what a study weighs."""

    def copy_file(source: str, target: str) -> None:
        (os.link if "/.git/objects/" in source else shutil.copy2)(source, target)

    shutil.copytree(folder, copy, symlinks=True, copy_function=copy_file)
    for config in (copy / ".git/config", *copy.glob("inputs/*/.git/config")):
        with config.open("a") as stream:
            stream.write(COPIED)
    return copy


def steps_of(folder: Path, name: str = "tiny") -> list[StudyStep]:
    """The steps of a study, as its TOML renders to now."""
    return steps(load_study(folder, name))


def commit(folder: Path, message: str, *paths: str | Path) -> None:
    """Commit paths as they are."""
    git(folder, "add", "--", *paths)
    git(folder, "commit", "-q", "-m", message, "--", *paths)


def digests(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def log_of(folder: Path) -> dict[str, tuple[str, dict]]:
    """Commit and run record of each step that ran in a clone since it was made, by subject; the
    newest of each, in the order of the log."""
    origin = run("git", "rev-parse", "-q", "--verify", "origin/main", cwd=folder, check=False)
    since = [f"^{origin.stdout.strip()}"] if origin.returncode == 0 else []
    records: dict[str, tuple[str, dict]] = {}
    for entry in git(folder, "log", "-z", "--format=%H%n%B", "HEAD", *since).split("\0"):
        commit_id, _, message = entry.partition("\n")
        if not message.startswith(RECORD):
            continue
        subject = message.splitlines()[0].removeprefix(RECORD)
        text = message.split("=== Do not change lines below ===\n")[1]
        record = json.loads(text.split("\n^^^ Do not change")[0])
        records.setdefault(subject, (commit_id, record))
    return records


@dataclass(frozen=True)
class Step:
    """A step of a few shell words."""

    name: str
    script: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("out/a.txt",)

    @property
    def argv(self) -> tuple[str, ...]:
        return ("sh", "-c", self.script)

    @property
    def message(self) -> str:
        return f"Do {self.name}"
