"""Lines about steps that run, for `run` and `reproduce`.

Owns: a line when a step starts and one when it ends, with n of N and the time that is left; on a
terminal a bar below them. Each line is out at once, in a log file too.
Does not own: the estimate (`provenance.running.time_left`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType

from tqdm import tqdm

from cordstudy.cli.saying import say
from cordstudy.provenance.running.step import Recorded
from cordstudy.provenance.running.time_left import TimeLeft, in_words

WIDTH = 10
"""Of the word in front."""


def _no_more(_: str) -> Iterable[str]:
    return ()


class Progress:
    """Told of each step as it starts and ends; `more` gives further lines for one that ended."""

    def __init__(
        self,
        steps: Sequence[Recorded],
        expected_s: Mapping[str, float],
        *,
        jobs: int,
        more: Callable[[str], Iterable[str]] = _no_more,
    ) -> None:
        self.total, self.ended, self.more = len(steps), 0, more
        self.left = TimeLeft(steps, expected_s, jobs=jobs)
        hidden = None if steps else True
        self.bar = tqdm(total=self.total, unit="step", disable=hidden, leave=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()

    def __call__(self, step: str, event: str, seconds: float) -> None:
        """Say what happened to a step."""
        if event == "runs":
            self.left.begins(step)
            expected_s = self.left.expected_s.get(step)
            told = f"it took {expected_s:.0f} s" if expected_s else ""
            self._say(f"{'starts':{WIDTH}} {step:28} {told}".rstrip())
        else:
            is_well = event not in ("failed", "cancelled")
            self.ended += is_well
            spent = ""
            if event != "cancelled":  # which never started
                self.left.ends(step, seconds)
                spent = f"{seconds:6.1f} s"
            rest = self._of_all() if is_well else ""
            self._say(f"{event:{WIDTH}} {step:28} {spent}   {rest}".rstrip())
            for line in self.more(step):
                self._say(f"{'':{WIDTH}} {line}")
            self.bar.update()
        self.bar.set_postfix_str(", ".join(self.left.begun))

    def _of_all(self) -> str:
        """How many of how many, and the time that is left where that can be told."""
        count = f"{self.ended} of {self.total}"
        seconds = self.left.seconds()
        return f"{count}, about {in_words(seconds)} left" if seconds else count

    def _say(self, line: str) -> None:
        with self.bar.external_write_mode():
            say(line)
