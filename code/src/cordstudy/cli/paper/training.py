"""How the models of a study were planned, trained and used, as plans and records say.

Owns: what of a plan and of the recorded commands a paper states, and the versions of packages.
Does not own: plans (`pipeline.learning`), records (`provenance.history`), or sentences
(`methods.md.j2`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cordstudy.base.errors import inline
from cordstudy.cli.paper.committed import Committed, missing, option
from cordstudy.study.models import configuration, models_of, planned_by, reduction

LEARNING = ("nnunetv2", "torch", "dynamic-network-architectures", "batchgeneratorsv2")
SCHEDULE = ("--epochs", "--iterations", "--seed", "--fold")
"""The options of a recorded training that say how it went, in the order of `Training`."""
POSTPROCESSING = "postprocessing.json"
"""Beside the checkpoints of a model: what is kept of a mask, chosen by the cases held out."""
JUDGING = ("numpy", "scipy", "pandas", "statsmodels", "nibabel", "connected-components-3d")
"""The packages that training, and that judging, rest on."""


@dataclass(frozen=True)
class Plan:
    """One network as planned, for the models that share it."""

    models: tuple[str, ...]
    configuration: str
    reduced: bool
    """Whether the study sets values of its own in it."""
    network: str
    stages: str
    features: str
    patch: str
    spacing: str
    batch: str
    normalization: str


@dataclass(frozen=True)
class Training:
    """How some models were trained, as their records say."""

    models: tuple[str, ...]
    epochs: str
    iterations: str
    steps: str
    seeds: tuple[str, ...]
    folds: tuple[str, ...]


def plans(committed: Committed) -> list[Plan]:
    """Each plan of a study that is there, once, with the models that have it."""
    models = list(models_of(committed.study).values())
    planners = list(dict.fromkeys(planned_by(committed.study, model) for model in models))
    found = []
    for planner in planners:
        sharing = [m.name for m in models if planned_by(committed.study, m) == planner]
        plan = _plan(committed, planner, sharing)
        if plan:
            found.append(plan)
    return found


def _plan(committed: Committed, planner: str, sharing: Sequence[str]) -> Plan | None:
    model = models_of(committed.study)[planner]
    kind = configuration(committed.study, model)
    held = committed.values(f"{committed.layout.model(model)}/plans.json")
    told = _table(_table(held, "configurations"), kind)
    if not told:
        return None
    network = _table(told, "architecture")
    kwargs = _table(network, "arch_kwargs")
    return Plan(
        models=tuple(sharing),
        configuration=kind,
        reduced=reduction(committed.study, model) is not None,
        network=_said(network, "network_class_name", "the network").rpartition(".")[2],
        stages=_said(kwargs, "n_stages", "its stages"),
        features=_said(kwargs, "features_per_stage", "its features", between=", "),
        patch=_said(told, "patch_size", "the patch size"),
        spacing=_said(told, "spacing", "the voxel size"),
        batch=_said(told, "batch_size", "the batch size"),
        normalization=_said(told, "normalization_schemes", "the normalization", between=", "),
    )


def _table(values: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _said(values: Mapping[str, object], key: str, what: str, *, between: str = " × ") -> str:
    """A value of a plan in words."""
    value = values.get(key)
    if value is None:
        return missing(what)
    if isinstance(value, list):
        return between.join(_word(one) for one in value)
    return _word(value)


def _word(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def trainings(committed: Committed) -> list[Training]:
    """How the models that have a record of it were trained; those trained alike together."""
    alike: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for model in models_of(committed.study):
        commands = _commands(committed, model)
        schedule = tuple(tuple(_values(commands, name)) for name in SCHEDULE)
        if commands:
            alike.setdefault(schedule, []).append(model)
    return [_training(schedule, models) for schedule, models in alike.items()]


def _training(schedule: Sequence[Sequence[str]], models: Sequence[str]) -> Training:
    epochs, iterations, seeds, folds = schedule
    steps = {int(epoch) * int(batches) for epoch in epochs for batches in iterations}
    return Training(
        models=tuple(models),
        epochs=" or ".join(epochs),
        iterations=" or ".join(iterations),
        steps=" or ".join(f"{count:,}" for count in sorted(steps)),
        seeds=tuple(seeds),
        folds=tuple(folds),
    )


def _commands(committed: Committed, model: str) -> list[list[str]]:
    """The recorded commands of a model's trainings."""
    found = []
    for name in committed.records:
        kind, _, of = name.partition(":")
        trained = of.partition(":")[0]
        if kind == "train" and model in (trained, trained.rpartition(".")[0]):
            found.append(committed.words(name))
    return found


def _values(commands: Iterable[list[str]], name: str) -> list[str]:
    """The values that an option has in some commands, each once, by size."""
    values = {option(words, name) for words in commands} - {None}
    return sorted((str(value) for value in values), key=lambda value: (len(value), value))


def prediction(committed: Committed) -> tuple[str, str]:
    """Step of the tiles, and the axes that images were mirrored along, as records have them."""
    commands = []
    for name in committed.records:
        if name.startswith("predict:"):
            commands.append(committed.words(name))
    steps = _values(commands, "--tile-step")
    axes = {tuple(_all(words, "--mirror")) for words in commands}
    mirrored = ["none" if not one else ", ".join(one) for one in sorted(axes)]
    return (
        " or ".join(steps) or missing("which, no record"),
        " or ".join(mirrored) or missing("which, no record"),
    )


def _all(words: Sequence[str], name: str) -> list[str]:
    return [words[place + 1] for place, word in enumerate(words[:-1]) if word == name]


def kept(committed: Committed) -> list[tuple[str, list[str]]]:
    """What of a predicted mask is kept, with the models of which; none where no model tells."""
    by_choice: dict[str, list[str]] = {}
    for model in models_of(committed.study).values():
        held = committed.values(f"{committed.layout.replicate(model, 1)}/{POSTPROCESSING}")
        choice = held.get("keep")
        if isinstance(choice, str):
            by_choice.setdefault(inline(choice), []).append(model.name)
    return sorted(by_choice.items())


def versions(committed: Committed, steps: Iterable[str], packages: Sequence[str]) -> list[str]:
    """The packages with their versions, as the locks of the steps' records pin them; none where
    no record has a lock."""
    locks = [committed.versions(step) for step in steps]
    told: list[str] = []
    if not any(locks):
        return told
    for package in packages:
        found = sorted({lock[package] for lock in locks if package in lock})
        version = " or ".join(found) or missing("its version")
        told.append(f"{package} {version}")
    return told
