"""The `evaluate` step: one row of measures for every case, test set and training of a model.

Owns: pairing predictions with references, and cases.tsv.
Does not own: the measures (`measures`), or statistics over them (`scores`, `comparisons`).

A prediction that is missing has the worst score; it is never a case less.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import click
import nibabel as nib
import numpy as np

from cordstudy.base.errors import StudyError
from cordstudy.base.processes import in_processes
from cordstudy.base.tables import MISSING, read_table, write_table
from cordstudy.base.texts import did_you_mean
from cordstudy.pipeline.judging.masks import Mask, steady_spacing
from cordstudy.pipeline.judging.measures import NAMES, dice, kinds, measure, measure_missing
from cordstudy.pipeline.judging.reading import read_mask
from cordstudy.pipeline.raw.components import OTHERS, TABLE, largest_component
from cordstudy.pipeline.raw.grids import RPI, to_orientation
from cordstudy.pipeline.raw.layout import RawCase, read_cases
from cordstudy.pipeline.raw.mask_values import cut
from cordstudy.pipeline.raw.names import TEST, mask_file, mask_path
from cordstudy.pipeline.raw.volumes import read_volume, scaled

NIFTI = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Score:
    """A judged prediction: a row of cases.tsv."""

    model: str
    replicate: int
    testset: str
    case_id: str
    participant_id: str
    person: str
    session: str
    contrast: str
    vendor: str
    pathology: str
    label_origin: str
    site: str
    field_strength: str
    voxel_min_mm: float
    """The shortest side of a voxel."""
    voxel_max_mm: float
    """The longest."""
    voxels_ref: int
    voxels_pred: int
    keep: str
    """What the model keeps of a mask, `all components` or the `largest component`; n/a for
    predictions that do not tell."""
    dice_all_components: float
    """Were all components of the prediction kept."""
    dice_largest_component: float
    """Were its largest component alone kept."""
    measures: Mapping[str, float]
    """A column each, by its name."""

    def row(self) -> list[object]:
        """The cells of its row, in the order of `columns`."""
        known: list[object] = [getattr(self, name) for name in KNOWN]
        return known + list(self.measures.values())


KNOWN = tuple(field.name for field in fields(Score) if field.name != "measures")
COLUMNS = (*KNOWN, *NAMES)
"""Columns of cases.tsv: what is known of a judged prediction, then its measures, of which those of
cross-sections may not be there."""


@dataclass(frozen=True)
class Pair:
    """A reference mask and the prediction of one training of a model for it."""

    model: str
    replicate: int
    case: RawCase
    reference: Path
    prediction: Path
    others: Path
    """The components that were not kept of the prediction; no file where there are none."""
    keep: str
    nsd_tolerance_mm: float
    areas: bool
    """Whether it is measured in cross-sections."""


def score(pair: Pair) -> Score:
    """Judge one prediction. Raises StudyError if it is not on the reference's grid."""
    image = to_orientation(read_volume(pair.reference), RPI)
    ref = cut(scaled(image), pair.reference) > 0
    spacing_mm = steady_spacing(image.header.get_zooms()[:3])
    if os.path.lexists(pair.prediction):
        pred = read_mask(pair.prediction, image, of=pair.reference)
        measures = measure(
            pred, ref, spacing_mm, nsd_tolerance_mm=pair.nsd_tolerance_mm, areas=pair.areas
        )
    else:
        pred = np.zeros_like(ref)
        measures = measure_missing(ref, spacing_mm, areas=pair.areas)
    everything = _with_others(pred, pair, image)
    case = pair.case
    return Score(
        model=pair.model,
        replicate=pair.replicate,
        testset=case.dataset,
        case_id=case.case_id,
        participant_id=case.participant_id,
        person=case.person,
        session=case.session,
        contrast=case.contrast,
        vendor=case.vendor,
        pathology=case.pathology,
        label_origin=case.label_origin,
        site=case.site,
        field_strength=case.field_strength,
        voxel_min_mm=min(spacing_mm),
        voxel_max_mm=max(spacing_mm),
        voxels_ref=int(ref.sum()),
        voxels_pred=int(pred.sum()),
        keep=pair.keep,
        dice_all_components=_dice(everything, ref, pair),
        dice_largest_component=_dice(largest_component(everything) > 0, ref, pair),
        measures=measures,
    )


def _kept(folder: Path) -> dict[str, str]:
    """What was kept of each mask in a folder of predictions, by case, where that is told."""
    path = folder / OTHERS / TABLE
    if not path.exists():
        return {}
    return {row["case_id"]: row["keep"] for row in read_table(path, "case_id", "keep")}


def _with_others(pred: Mask, pair: Pair, image: nib.Nifti1Image) -> Mask:
    """A prediction with the components that were not kept of it."""
    if not os.path.lexists(pair.others):
        return pred
    return pred | read_mask(pair.others, image, of=pair.reference)


def _dice(pred: Mask, ref: Mask, pair: Pair) -> float:
    """Dice of what might have been kept; 0 for a prediction that is missing, as of `measures`."""
    return dice(pred, ref) if os.path.lexists(pair.prediction) else 0.0


def pairs(
    raws: Sequence[Path],
    predictions: Sequence[Path],
    nsd_tolerance_mm: float,
    *,
    areas: bool = True,
) -> Iterator[Pair]:
    """Every test case of every raw dataset with each model's prediction of it.

    Raises StudyError for a test set without any folder of predictions, for predictions of none
    of its cases (those under another name would count as missing), and for two folders of one
    training.
    """
    seen: dict[tuple[str, int], Path] = {}
    for folder in predictions:
        model, number = training_of(folder)
        other = seen.setdefault((model, number), folder)
        if other is not folder:
            raise StudyError(f"{other} and {folder} are of one model", hint="name each model once")
        keep = _kept(folder)
        for raw in raws:
            cases = [case for case in read_cases(raw) if case.is_to_test]
            _check_names(cases, folder)
            for case in cases:
                yield Pair(
                    model=model,
                    replicate=number,
                    case=case,
                    reference=raw / mask_path(TEST, case.case_id),
                    prediction=folder / case.dataset / mask_file(case.case_id),
                    others=folder / OTHERS / mask_file(case.case_id),
                    keep=keep.get(case.case_id, MISSING),
                    nsd_tolerance_mm=nsd_tolerance_mm,
                    areas=areas,
                )


def training_of(folder: Path) -> tuple[str, int]:
    """The model that a folder of predictions is called after, and the number of its training:
    `general.2` is the second of `general`."""
    name = folder.name or folder.resolve().name
    numbered = re.fullmatch(r"(.+)\.([1-9][0-9]*)", name)
    return (numbered[1], int(numbered[2])) if numbered else (name, 1)


def _check_names(cases: Sequence[RawCase], folder: Path) -> None:
    """Look at the predictions of one test set by one model."""
    if not cases:
        return
    place = folder / cases[0].dataset
    if not place.is_dir():
        raise StudyError(
            f"there is no folder {place} with predictions of {cases[0].dataset}",
            hint="predict the dataset first, or do not name it: --dataset",
        )
    expected = {mask_file(case.case_id) for case in cases}
    for path in sorted(place.iterdir()):
        if NIFTI.search(path.name) and path.name not in expected and path.name[0] != ".":
            raise StudyError(
                f"{path}: no prediction of a case of {cases[0].dataset}",
                hint=f"{did_you_mean(path.name, expected)}a prediction is called after its case",
            )


def positive(context: click.Context, parameter: click.Parameter, value: float) -> float:
    """A number above 0 from the command line: click's own range lets nan through."""
    if not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is not a number above 0")
    return value


@click.command("evaluate")
@click.argument(
    "predictions", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)
@click.option(
    "--dataset",
    "datasets",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="nnU-Net raw dataset with a test part; repeatable.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Table to write, one row a case and model.",
)
@click.option(
    "--nsd-tolerance",
    required=True,
    type=float,
    callback=positive,
    help="Tolerance of the normalised surface Dice, mm.",
)
@click.option("--no-areas", is_flag=True, help="Leave out the measures of cross-sections.")
def command(
    predictions: tuple[Path, ...],
    datasets: tuple[Path, ...],
    out: Path,
    nsd_tolerance: float,
    no_areas: bool,
) -> None:
    """Judge every prediction; PREDICTIONS are folders, one a model.

    \b
    Example:
      code/study run --dry-run evaluate     tells the whole command of a study
    """
    areas = not no_areas
    jobs = list(pairs(datasets, predictions, nsd_tolerance, areas=areas))
    rows = [one.row() for one in in_processes(score, jobs, what="evaluate", chunk=8)]
    columns = [*KNOWN, *(kind.name for kind in kinds(areas=areas))]
    write_table(out, columns, rows)
