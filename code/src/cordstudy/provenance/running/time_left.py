"""How long steps will still take, from how long they took when they were recorded.

Owns: that estimate.
Does not own: measuring (`recording`), or the order of steps (`runner`), which is followed here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from cordstudy.provenance.running.step import Recorded, Writers

LONGEST_SETTING_UP_S = 10.0
"""What a step takes beside its command, at most: its workspace, and landing."""
AS_RECORDED_S = 60.0
"""How long steps must have run to weigh as much as the guess that all is as it was recorded."""


class TimeLeft:
    """Told of steps as they begin and end; `expected_s` are the recorded seconds of each by name.

    What is still to come is scaled by what those took that ended, with the same for each beside it.
    """

    def __init__(
        self, steps: Sequence[Recorded], expected_s: Mapping[str, float], *, jobs: int
    ) -> None:
        self.expected_s, self.jobs = expected_s, jobs
        self.waiting = [step.name for step in steps]
        self.begun: dict[str, float] = {}
        """When each step that runs began."""
        self._took_s: dict[str, float] = {}
        self._needs: dict[str, set[str]] = {}
        before = Writers()
        for step in steps:
            self._needs[step.name] = {other.name for other in before.below(step)}
            before.add(step)

    def begins(self, step: str) -> None:
        """A step begins."""
        self.waiting.remove(step)
        self.begun[step] = time.monotonic()

    def ends(self, step: str, seconds: float) -> None:
        """A step has ended."""
        del self.begun[step]
        if step in self.expected_s:
            self._took_s[step] = seconds

    def seconds(self) -> float | None:
        """Until all have ended; None where it is not known how long one of them took."""
        open_steps = [*self.begun, *self.waiting]
        if not all(step in self.expected_s for step in open_steps):
            return None
        setting_up_s, scale = self._as_it_went()
        still_s = {step: setting_up_s + self.expected_s[step] * scale for step in open_steps}
        now = time.monotonic()
        for step, begun in self.begun.items():
            still_s[step] = max(0.0, still_s[step] - (now - begun))
        return self._followed(still_s)

    def _as_it_went(self) -> tuple[float, float]:
        """What each step took beside its command, and how much longer commands took than then."""
        beside = [took_s - self.expected_s[step] for step, took_s in self._took_s.items()]
        setting_up_s = max(0.0, min([LONGEST_SETTING_UP_S, *beside])) if beside else 0.0
        took_s = sum(self._took_s.values()) - setting_up_s * len(self._took_s)
        expected_s = sum(self.expected_s[step] for step in self._took_s)
        return setting_up_s, (AS_RECORDED_S + took_s) / (AS_RECORDED_S + expected_s)

    def _followed(self, still_s: Mapping[str, float]) -> float:
        """When the last step ends if each takes so long, `jobs` at a time."""
        ends = {step: still_s[step] for step in self.begun}
        waiting = list(self.waiting)
        now = 0.0
        while waiting or ends:
            for step in list(waiting):
                if len(ends) < self.jobs and self._needs[step].isdisjoint([*waiting, *ends]):
                    waiting.remove(step)
                    ends[step] = now + still_s[step]
            first = min(ends, key=lambda step: ends[step])
            now = ends.pop(first)
        return now


def in_words(seconds: float) -> str:
    """A time to come, as precise as such a guess is."""
    if seconds < 90:
        return f"{10 * max(1, round(seconds / 10))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
