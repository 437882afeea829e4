"""Lines about steps that run, for `run`, `reproduce` and `verify`.

Owns: a line when a step starts and one when it ends, with n of N and the time that is left; how far
a long one has come, on a terminal in a bar below, in a log as a line a minute. Each line is out at
once, in a log file too.
Does not own: the estimate (`provenance.running.time_left`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType

from tqdm import tqdm

from cordstudy.cli.saying import say
from cordstudy.provenance.running.step import Recorded
from cordstudy.provenance.running.time_left import TimeLeft, in_words

WIDTH = 10
"""Of the word in front."""
LOOKS_S, TELLS_S = 1.0, 60.0
"""How often the bar of a terminal, and a log that is no terminal, is told how far steps are."""


def _no_more(_: str) -> Iterable[str]:
    return ()


def _nothing(_: str) -> str:
    return ""


class Progress:
    """Told of each step as it starts and ends; `more` gives further lines for one that ended,
    `reached` how far one that runs has come. Lines go to standard error with `err`; without `ends`
    there is none for a step that ended, as somebody else has one."""

    def __init__(
        self,
        steps: Sequence[Recorded],
        expected_s: Mapping[str, float],
        *,
        jobs: int,
        more: Callable[[str], Iterable[str]] = _no_more,
        reached: Callable[[str], str] = _nothing,
        err: bool = False,
        ends: bool = True,
    ) -> None:
        self.total, self.begun, self.ended = len(steps), 0, 0
        self.more, self.reached, self.err, self.ends = more, reached, err, ends
        self.left = TimeLeft(steps, expected_s, jobs=jobs)
        hidden = None if steps else True
        self.bar = tqdm(total=self.total, unit="step", disable=hidden, leave=False)
        self.guard = threading.Lock()
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Progress:
        self.watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self.watcher.join()
        self.bar.close()

    def __call__(self, step: str, event: str, seconds: float) -> None:
        """Say what happened to a step."""
        with self.guard:
            if event == "runs":
                self._begins(step)
            else:
                self._ends(step, event, seconds)
            self._show()

    def beside(self, line: str) -> None:
        """Say something else about a step that runs."""
        with self.guard:
            self._say(f"{'':{WIDTH}} {line}")

    def _begins(self, step: str) -> None:
        self.left.begins(step)
        self.begun += 1
        expected_s = self.left.expected_s.get(step)
        told = f", it took {expected_s:.0f} s" if expected_s else ""
        self._say(f"{'starts':{WIDTH}} {step:28} {self.begun} of {self.total}{told}")

    def _ends(self, step: str, event: str, seconds: float) -> None:
        is_well = event not in ("failed", "cancelled")
        self.ended += is_well
        spent = ""
        if event != "cancelled":  # which never started
            self.left.ends(step, seconds)
            spent = f"{seconds:6.1f} s"
        rest = self._of_all() if is_well else ""
        if self.ends:
            self._say(f"{event:{WIDTH}} {step:28} {spent}   {rest}".rstrip())
        for line in self.more(step) if self.ends else ():
            self._say(f"{'':{WIDTH}} {line}")
        self.bar.update()

    def _of_all(self) -> str:
        """How many of how many, and the time that is left where that can be told."""
        count = f"{self.ended} of {self.total}"
        seconds = self.left.seconds()
        return f"{count}, about {in_words(seconds)} left" if seconds else count

    def _watch(self) -> None:
        """Tell how far steps are, as long as they run."""
        told = time.monotonic()
        while not self.over.wait(LOOKS_S):
            with self.guard:
                if not self.bar.disable:
                    self._show()
                elif time.monotonic() - told > TELLS_S:
                    told = time.monotonic()
                    self._tell()

    def _show(self) -> None:
        """In the bar of a terminal."""
        if self.bar.disable:
            return
        at_work = [f"{step} {self.reached(step)}".rstrip() for step in self.left.begun]
        seconds = self.left.seconds()
        rest = [f"about {in_words(seconds)} left"] if seconds else []
        self.bar.set_postfix_str(", ".join([*rest, *at_work]))

    def _tell(self) -> None:
        """In a line for each step that has run for so long."""
        now = time.monotonic()
        for step, begun in self.left.begun.items():
            if now - begun > TELLS_S:
                parts = [self.reached(step), self._of_all()]
                rest = ", ".join(filter(None, parts))
                self._say(f"{'at work':{WIDTH}} {step:28} {now - begun:6.1f} s   {rest}")

    def _say(self, line: str) -> None:
        with self.bar.external_write_mode():
            say(line, err=self.err)
