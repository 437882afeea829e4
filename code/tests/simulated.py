"""Made-up judged cases of known truth: what the tests of statistics share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cordstudy.pipeline.judging.measures import PRIMARY, SUMMARISED
from cordstudy.pipeline.judging.settings import JudgedDataset, JudgedModel, Settings

SPECIFICS = "abc"


def judged_model(name: str, kind: str, learns_from: str, without: str = "") -> JudgedModel:
    return JudgedModel(
        name=name,
        kind=kind,
        learns_from=tuple(learns_from),
        without=without,
        plans_of="general",
        epochs=1,
        balanced=False,
    )


def settings(*extra: JudgedModel, datasets: Sequence[str] = "ab", trainings: int = 1) -> Settings:
    """General of three specific models a, b, c, and further models."""
    models = [judged_model("general", "general", SPECIFICS)]
    models += [judged_model(name, "specific", name) for name in SPECIFICS]
    return settings_of([*models, *extra], datasets, trainings)


def settings_of(models: list[JudgedModel], datasets: Sequence[str], trainings: int = 1) -> Settings:
    judged = [JudgedDataset(name=name, path=f"inputs/{name}", phantom=False) for name in datasets]
    return Settings(
        study="s",
        models=tuple(models),
        datasets=tuple(judged),
        trainings=trainings,
        nsd_tolerance_mm=1.0,
        margin=0.02,
        resamples=500,
        seed=1,
    )


def table(rows: list[tuple]) -> pd.DataFrame:
    """A cases.tsv of (model, testset, participant, contrast, dice), other measures 0."""
    frame = pd.DataFrame(rows, columns=["model", "testset", "participant_id", "contrast", PRIMARY])
    for kind in SUMMARISED:
        if kind.name != PRIMARY:
            frame[kind.name] = 0.0
    frame["person"] = frame["participant_id"]
    frame["csa_ref_mm2"] = 70.0
    frame["voxel_min_mm"], frame["voxel_max_mm"] = 0.5, 1.0
    return frame.assign(replicate=1, vendor="Siemens", pathology="HC", label_origin="manual")


def simulated(
    rng: np.random.Generator,
    *,
    n: int,
    shift: float,
    testsets: str = "ab",
    more: tuple[str, ...] = (),
) -> pd.DataFrame:
    """General better by `shift` than the other models at each test set, subjects of unlike
    difficulty."""
    rows = []
    for testset in testsets:
        ease = rng.normal(0.85, 0.05, n)
        for model in ("general", *SPECIFICS, *more):
            own = ease + rng.normal(0, 0.02, n) + (shift if model == "general" else 0)
            rows += [(model, testset, f"sub-{k}", "T2w", value) for k, value in enumerate(own)]
    return table(rows)


def differing(difference: Sequence[float], testsets: str = "uv") -> pd.DataFrame:
    """General minus a is `difference`, a value a subject, on each test set; b and c are worse than
    a."""
    base = np.random.default_rng(0).uniform(0.85, 0.9, len(difference))
    rows = []
    for testset in testsets:
        for k, (ease, more) in enumerate(zip(base, difference, strict=True)):
            for model, dice in zip(("general", *SPECIFICS), (ease + more, ease, ease - 0.1, 0.5)):
                rows.append((model, testset, f"sub-{k}", "T2w", dice))
    return table(rows)
