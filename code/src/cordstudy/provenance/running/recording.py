"""One command in a workspace as one record: run by `datalad run`, measured, and committed.

Owns: the command line around a step's own, what DataLad leaves to commit, what is told of a
command that fails.
Does not own: the workspace (`workspace`), which command, or how its record joins a branch
(`landing`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.calling.gitannex import datalad_run, git, guarded, head
from cordstudy.provenance.calling.surroundings import private_environment
from cordstudy.provenance.history.gitlog import dataset_id
from cordstudy.provenance.history.records import RESOURCES, join, literal, render_message
from cordstudy.provenance.running.workspace import Workspace

DUCT = ("con-duct", "run", "-q", "--clobber", "-c", "none", "-o", "all", "--sample-interval", "0.5")
"""con-duct, which measures a command and its children."""
DATALAD_RESULT = re.compile(r"\w+\(\w+\): |action summary:|  \w+ \(\w+: \d+")
ERROR, HINT = "error: ", "hint: "
"""How the lines start in which a command of this program says why it failed."""


def record_in(
    ws: Workspace,
    command: Sequence[str],
    *,
    message: str,
    log: Path,
    env: Mapping[str, str],
    pwd: str = ".",
) -> int:
    """Run and record a command in a workspace; its exit code.

    One word is a shell's line, as `datalad run` has it. Inputs and outputs are the
    workspace's; `pwd` is the folder to run in.
    """
    inputs = [os.path.relpath(spec, pwd) for spec in ws.inputs]
    outputs = [os.path.relpath(spec, pwd) for spec in ws.outputs]
    words = literal(command) if len(command) > 1 else command
    recording = datalad_run(words, message=message, inputs=inputs, outputs=outputs)
    measured = ws.folder / "duct."  # other tries of the step may be at work with the same log
    code = guarded(
        [*DUCT, "-p", _as_duct_takes_it(measured), *recording],
        cwd=ws.path / pwd,
        log=log,
        workspace=str(ws.folder),
        env={**private_environment(ws.folder / "home"), **env},
    )
    if not code:
        _commit_empty_record(ws, join(command), message)
        _commit_what_is_gone(ws)
        _add_resources(ws, measured)
    return code


def _as_duct_takes_it(path: Path) -> str:
    """A path in which con-duct finds nothing to fill in: it takes what is in braces for its own."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _commit_empty_record(ws: Workspace, cmd: str, message: str) -> None:
    """Have a step whose outputs came out as they were leave a record too.

    DataLad makes no commit of it: the record is then an empty commit, so that the history says
    that it ran on its present inputs.
    """
    if head(ws.path) != ws.base:
        return
    dsid = dataset_id(ws.path)
    text = render_message(message, cmd=cmd, dsid=dsid, inputs=ws.inputs, outputs=ws.outputs)
    git(ws.path, "commit", "-q", "--allow-empty", "-F", "-", stdin=text, private=True)


def _commit_what_is_gone(ws: Workspace) -> None:
    """Take the outputs that are gone out of the record's commit, where DataLad leaves them."""
    gone = git(ws.path, "ls-files", "-z", "--deleted", private=True).strip("\0")
    if gone:
        git(ws.path, "rm", "-q", "--cached", "--sparse", "--", *gone.split("\0"), private=True)
        git(ws.path, "commit", "-q", "--amend", "--no-edit", private=True)


def _add_resources(ws: Workspace, measured: Path) -> None:
    """Put what con-duct measured under the record, in the commit's message: no output holds it."""
    info = Path(f"{measured}info.json")
    if info.is_file():
        resources = json.dumps(_resources(info.read_text()), sort_keys=True)
        message = git(ws.path, "log", "-1", "--format=%B", private=True).rstrip("\n")
        text = f"{message}\n\n{RESOURCES}{resources}\n"
        amend = ("commit", "-q", "--amend", "--allow-empty", "-F", "-")
        git(ws.path, *amend, stdin=text, private=True)
    for left in measured.parent.glob(f"{measured.name}*"):
        left.unlink()


def _resources(info: str) -> dict[str, float]:
    """Wall and CPU time in seconds and peak memory in MiB, from con-duct's own summary."""
    summary = json.loads(info)["execution_summary"]
    wall_s = float(summary["wall_clock_time"])
    cpu_share = float(summary["average_pcpu"] or 0)
    peak_bytes = float(summary["peak_rss"] or 0)
    return {
        "wall_s": round(wall_s, 1),
        "cpu_s": round(wall_s * cpu_share / 100, 1),
        "peak_mib": round(peak_bytes / 2**20),
    }


def failure(name: str, code: int, log: Path) -> StudyError:
    """What a failed step said: its own error and hint, else its last line before DataLad's."""
    lines = log.read_text(errors="replace").splitlines()
    own = [line for line in lines if line.strip() and not DATALAD_RESULT.match(line)]
    last = own[-1] if own else "no output"
    error = _first_after(ERROR, own, otherwise=last)
    hint = _first_after(HINT, own, otherwise=f"the whole log: {log}")
    return StudyError(f"step {name} failed (exit {code}): {error}", hint=hint)


def _first_after(start: str, lines: Sequence[str], *, otherwise: str) -> str:
    """The rest of the first line with this start."""
    for line in lines:
        if line.startswith(start):
            return line.removeprefix(start)
    return otherwise
