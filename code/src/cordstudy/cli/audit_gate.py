"""`audit --all`: whether the history accounts for everything here.

Owns: what is expected of which records, the faults and notes as they are printed.
Does not own: any fault (`provenance.audit.gate`), or rendering (`provenance.audit.rendering`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cordstudy.base.errors import StudyError, inline
from cordstudy.cli.here import PROFILE, profile_of
from cordstudy.cli.render import rendered
from cordstudy.cli.saying import say
from cordstudy.provenance.audit.gate import check, check_content, checked_files
from cordstudy.provenance.audit.rendering import Expectations, by_own_code, by_present_code
from cordstudy.provenance.calling.sandbox import check_sandbox
from cordstudy.provenance.history.index import History


def ask_gate(repo: Path, *, content: bool, render: bool) -> None:
    """Print every fault of a dataset's history; raises StudyError where there is one.

    `content` reads annexed files too, `render` runs the code of other commits in a sandbox.
    """
    history = History(repo)
    profile = profile_of(repo)
    ours = profile is PROFILE
    if render and not ours:
        raise StudyError("--render is about this study", hint="leave out --dataset")
    expected = _expectations(history, render=render) if ours else None
    found = check(history, profile=profile, expected=expected)
    if content:
        found += check_content(repo, profile)
    for fault in found:
        say(f"{fault.kind:20} {inline(fault.where)}\n{'':20} {inline(fault.what)}")
    if expected:
        for note in _notes(history, expected):
            say(note)
    if found:
        message = f"{len(found)} findings in the history of {history.id[:8]}"
        raise StudyError(message, hint="git show COMMIT of each")
    files = len(checked_files(history, profile))
    matches = "; annexed content here matches its keys" if content else ""
    say(f"{files} files of {len(history.live)} records: nothing found{matches}")


def _notes(history: History, expected: Expectations) -> Iterator[str]:
    """How many records were compared with nothing, and why."""
    known = {*expected.steps, *expected.unreadable}
    unknown = sum(commit.id not in known for commit in history.live)
    if unknown:
        yield (
            f"{unknown} records not rendered (made by other code; --render runs it in a sandbox)"
        )
    for reason, count in Counter(expected.unreadable.values()).items():
        yield f"{count} records unreadable: {inline(reason)}"


def _expectations(history: History, *, render: bool) -> Expectations:
    """What is expected of the records of this study; of those that other code made, only with
    `render`, by that code."""
    expected = by_present_code(history, history.live, rendered(), PROFILE)
    others = [commit for commit in history.live if commit.id not in expected.steps]
    if not render or not others:
        return expected
    check_sandbox()

    def report(trees: int) -> None:
        say(
            f"running the code of {trees} other states of this history in a sandbox (bubblewrap: "
            f"no network, nothing that it writes stays) to render {len(others)} records",
            err=True,
        )

    return expected | by_own_code(history, others, PROFILE, report)
