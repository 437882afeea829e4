"""How often intervals hold the truth, and tests find what is not there, in simulated studies.

Differences of Dice between two models, of so many persons, in seven shapes: normal; skewed
(exponential); heavy-tailed (Student's t with 3 degrees of freedom); with ties (rounded to
hundredths); and normal but for 5, 10 or 20 % of persons in whom one model fails. And one model
against the best of four that are like it, picked by the same persons. No speed: what should come
out is 0.95 for an interval, 0.05 or less for a test and 0.025 or less for each of its sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import click
import numpy as np
import numpy.typing as npt

from cordstudy.pipeline.judging.flips import fewest, flips
from cordstudy.pipeline.judging.statistics import ALPHA, LEVEL, interval, rank_effect, wilcoxon

Floats = npt.NDArray[np.float64]
Shape = Callable[[np.random.Generator, int], Floats]
SD, FAILED = 0.02, -0.85
MARGIN = SD
SPECIFICS = 4
SIZES = (3, 5, 8, 9, 10, 15, 20, 30, 60, 300)
DIFFERENCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def failing(rate: float) -> Shape:
    """Normal, but for a rate of failures; with a mean of 0."""

    def draw(rng: np.random.Generator, n: int) -> Floats:
        usual = rng.normal(-FAILED * rate / (1 - rate), SD, n)
        return np.where(rng.random(n) < rate, FAILED, usual)

    return draw


SHAPES: Mapping[str, Shape] = {
    "normal": lambda rng, n: rng.normal(0, SD, n),
    "skewed": lambda rng, n: rng.exponential(SD, n) - SD,
    "heavy tails": lambda rng, n: np.clip(rng.standard_t(3, n) * SD, -1, 1),
    "ties": lambda rng, n: rng.normal(0, SD, n).round(2),
    "5 % fail": failing(0.05),
    "10 % fail": failing(0.1),
    "20 % fail": failing(0.2),
}
"""Differences with a mean of 0, by the name of their shape."""


@dataclass(frozen=True)
class Found:
    """What one simulated study, or the mean of many, gives."""

    any_holds: float
    """The interval that allows for failures not seen holds the mean."""
    any_width: float
    seen_holds: float
    """The interval of the test holds the mean; nan where there is none."""
    seen_width: float
    flips_find: float
    """The sign-flip test finds a difference, without one."""
    ranks_find: float
    """The signed-rank test does."""
    equivalent: float
    """Equivalence is found where the mean is just at the margin."""
    plain: float
    """The page would say better or worse without a reserve, where there is no difference."""
    reserved: float
    """It would say so of the people seen alone."""
    power: float
    """The sign-flip test finds a mean that is the margin."""


@dataclass(frozen=True)
class Picked:
    """What a model against the best of several like it gives, in one study or the mean of many."""

    better: float
    worse: float
    worse_once: float
    """Were it counted once, as if that one had been declared."""


PICKED = {
    "better": "better",
    "worse": "worse",
    "worse_once": "worse, if counted once",
}

TITLES = {
    "any_holds": "allowing for failures not seen: holds",
    "any_width": "its width",
    "seen_holds": "of the sign-flip test: holds",
    "seen_width": "its width",
    "flips_find": "sign-flip test: finds without a difference",
    "ranks_find": "signed-rank test: finds without a difference of means",
    "equivalent": "equivalence: finds at the margin",
    "plain": "verdict “better” or “worse” without a difference",
    "reserved": "verdict “… in the people seen” without a difference",
    "power": f"sign-flip test: finds a mean of −{MARGIN}",
}


def one(difference: Floats, resamples: int) -> Found:
    """One study, whose differences have a mean of 0."""
    low, high = interval(difference, resamples=resamples, seed=1)
    flipped = flips(difference, resamples=resamples, seed=1)
    low_seen, high_seen = flipped.interval(LEVEL)
    tested = len(difference) >= fewest(ALPHA)
    shifted = flips(difference - MARGIN, resamples=resamples, seed=1)
    p_ranks = wilcoxon(difference)
    same_side = rank_effect(difference) * difference.mean() > 0
    shown = flipped.p_differs() < ALPHA and p_ranks < ALPHA and same_side
    return Found(
        any_holds=low <= 0 <= high,
        any_width=high - low,
        seen_holds=low_seen <= 0 <= high_seen if tested else np.nan,
        seen_width=high_seen - low_seen,
        flips_find=flipped.p_differs() < ALPHA,
        ranks_find=p_ranks < ALPHA,
        equivalent=shifted.p_within(MARGIN) < ALPHA,
        plain=shown and not low <= 0 <= high,
        reserved=shown and low <= 0 <= high,
        power=shifted.p_differs() < ALPHA,
    )


def many(shape: Shape, n: int, studies: int, resamples: int) -> Found:
    """The means over many studies."""
    rng = np.random.default_rng(n)
    found = [one(shape(rng, n), resamples) for _ in range(studies)]
    means = []
    for field in fields(Found):
        means.append(float(np.mean([getattr(study, field.name) for study in found])))
    return Found(*means)


def picked(rng: np.random.Generator, n: int, resamples: int) -> Picked:
    """One study of five models that are all alike: one against the best of the others."""
    dice = rng.normal(0, SD / np.sqrt(2), (SPECIFICS + 1, n))
    best = 1 + int(dice[1:].mean(axis=1).argmax())
    flipped = flips(dice[0] - dice[best], resamples=resamples, seed=1)
    shown = flipped.p_differs(picked_of=SPECIFICS) < ALPHA
    above = flipped.p_above() < flipped.p_below()
    return Picked(
        better=shown and above,
        worse=shown and not above,
        worse_once=flipped.p_differs() < ALPHA and not above,
    )


def many_picked(n: int, studies: int, resamples: int) -> Picked:
    """The means over many studies."""
    rng = np.random.default_rng(n)
    found = [picked(rng, n, resamples) for _ in range(studies)]
    means = [float(np.mean([getattr(study, name) for study in found])) for name in PICKED]
    return Picked(*means)


def fewest_for_plain(difference: float, together: int) -> int:
    """How many persons, all with this difference, it takes for both intervals to lie above 0, where
    so many comparisons hold together."""
    outside = ALPHA / together / 2
    return int(np.ceil(np.log(1 / outside) / np.log1p(difference)))


def table(title: str, rows: Mapping[str, Mapping[int, Found]], name: str) -> Iterator[str]:
    """The lines of a table in markdown, one row a shape and one column a number of persons."""
    sizes = list(next(iter(rows.values())))
    yield from heading(title, "participants", sizes)
    for shape, by_size in rows.items():
        cells = [_cell(getattr(by_size[n], name)) for n in sizes]
        yield f"| {shape} | {' | '.join(cells)} |"


def heading(title: str, first: str, columns: Sequence[float]) -> Iterator[str]:
    """The first lines of a table in markdown."""
    yield f"\n**{title}**\n"
    yield f"| {first} | {' | '.join(map(str, columns))} |"
    yield "|---" * (len(columns) + 1) + "|"


def table_of_picked(by_size: Mapping[int, Picked]) -> Iterator[str]:
    """The lines of the table about the best of several."""
    yield from heading(f"best of {SPECIFICS} like models: shown", "participants", list(by_size))
    for name, words in PICKED.items():
        cells = [f"{getattr(found, name):.3f}".removeprefix("0") for found in by_size.values()]
        yield f"| {words} | {' | '.join(cells)} |"


def table_of_plain() -> Iterator[str]:
    """The lines of the table about how many persons a plain verdict takes."""
    yield from heading("participants for a plain “better”", "difference in each", DIFFERENCES)
    for together in (1, 2):
        cells = [str(fewest_for_plain(difference, together)) for difference in DIFFERENCES]
        yield f"| {together} primary | {' | '.join(cells)} |"


def _cell(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}".removeprefix("0")


@click.command()
@click.option("--studies", default=1000, show_default=True, help="Simulated, of each kind.")
@click.option("--resamples", default=1000, show_default=True, help="Drawn in each.")
@click.option("--participants", "sizes", multiple=True, type=int, help="Repeatable.")
@click.option("--best-only", is_flag=True, help="Only the best of several, and plain verdicts.")
def command(studies: int, resamples: int, sizes: tuple[int, ...], *, best_only: bool) -> None:
    """Print how often each interval and test is right, as tables in markdown."""
    sizes = sizes or SIZES
    rows: dict[str, dict[int, Found]] = {}
    for name, shape in [] if best_only else SHAPES.items():
        rows[name] = {n: many(shape, n, studies, resamples) for n in sizes}
        click.echo(f"{name}: {studies} studies of each size", err=True)
    for field in fields(Found) if rows else ():
        for line in table(TITLES[field.name], rows, field.name):
            click.echo(line)
    best = {n: many_picked(n, studies, resamples) for n in sizes}
    for line in (*table_of_picked(best), *table_of_plain()):
        click.echo(line)


if __name__ == "__main__":
    command()
