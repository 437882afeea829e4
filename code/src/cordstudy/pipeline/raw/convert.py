"""From a BIDS source to an nnU-Net raw dataset.

Owns: which case goes where, and converting all of them, or telling every one that cannot be.
Does not own: which cases there are (`sources.finding`), which part they are in (`sources.parts`),
or what becomes of an image and its mask (`conversion`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import click

from cordstudy.base.errors import StudyError, inline
from cordstudy.base.processes import in_processes
from cordstudy.base.tables import write_table
from cordstudy.pipeline.raw.conversion import Digests, Job, convert_case
from cordstudy.pipeline.raw.dataset_json import content_of, write_dataset_json
from cordstudy.pipeline.raw.layout import RawCase, write_cases
from cordstudy.pipeline.raw.names import LEFT_OUT, image_path, mask_path
from cordstudy.pipeline.raw.replacing import replacing_raw
from cordstudy.pipeline.sources.cases import LEFT_OUT_COLUMNS, Case, of_unknown_origin
from cordstudy.pipeline.sources.finding import find_cases, model_made
from cordstudy.pipeline.sources.parts import Placement, read_split
from cordstudy.pipeline.sources.rules import Rules, read_rules

SHOWN_FAULTS = 10


def convert(rules_path: Path, split_path: Path, out: Path) -> None:
    """Write one nnU-Net raw dataset to `out`, replacing what is there once all is well.

    imagesTr, labelsTr: the training part; imagesTs, labelsTs: the test part; dataset.json;
    cases.tsv: one row a case; left_out.tsv: one row for each image that is not used.
    """
    rules = read_rules(rules_path)
    split = read_split(split_path)
    cases, left_out = find_cases(Path(), rules)
    _check_persons(cases, split, split_path)
    for warning in filter(None, [model_made(cases), *of_unknown_origin(cases)]):
        click.echo(f"warning: {inline(warning)}", err=True)
    with replacing_raw(out) as made:
        jobs = []
        for case in cases:
            part = _placement(case, split, split_path).part
            jobs.append(_job(case, part, made, rules))
        digests = _convert_all(jobs, what=f"convert {rules.name}")
        raw_cases = _raw_cases(cases, split, digests)
        write_cases(made, raw_cases)
        write_table(made / LEFT_OUT, LEFT_OUT_COLUMNS, map(astuple, left_out))
        trained = sum(case.is_to_train for case in raw_cases)
        content = content_of(
            label=rules.task.label_name,
            channel=rules.task.channel,
            orientation=rules.task.orientation,
            leaves=rules.task.leaves,
        )
        write_dataset_json(made, content, name=rules.name, trained=trained)


def _placement(case: Case, split: Mapping[str, Placement], split_path: Path) -> Placement:
    if case.participant_id not in split:
        raise StudyError(
            f"{split_path}: no row for {case.participant_id}", hint="code/study run split"
        )
    return split[case.participant_id]


def _check_persons(cases: Sequence[Case], split: Mapping[str, Placement], split_path: Path) -> None:
    """Raise StudyError for a person who is in two parts or folds."""
    first: dict[str, Case] = {}
    for case in cases:
        other = first.setdefault(case.person, case)
        places = [_placement(one, split, split_path)[1:] for one in (other, case)]
        if places[0] != places[1]:
            raise StudyError(
                f"{split_path}: {other.participant_id} ({' '.join(places[0])}) and "
                f"{case.participant_id} ({' '.join(places[1])}) are one person, {case.person}",
                hint="code/study run split",
            )


def _job(case: Case, part: str, out: Path, rules: Rules) -> Job:
    image = out / image_path(part, case.case_id)
    mask = out / mask_path(part, case.case_id)
    return Job(case, image, mask, rules.resample_masks, rules.task)


def _raw_cases(
    cases: Sequence[Case], split: Mapping[str, Placement], digests: Sequence[Digests]
) -> list[RawCase]:
    """The rows of cases.tsv."""
    rows = []
    for case, digest in zip(cases, digests):
        placement = split[case.participant_id]
        rows.append(
            RawCase(
                **vars(case),
                part=placement.part,
                fold=placement.fold,
                image_sha256=digest.image,
                mask_sha256=digest.mask,
                image_voxels=digest.image_voxels,
                mask_voxels=digest.mask_voxels,
                voxel_size_mm=digest.voxel_size_mm,
            )
        )
    return rows


def _convert_all(jobs: Sequence[Job], *, what: str) -> list[Digests]:
    """The digests of every case's two files. Raises StudyError that tells all faults at once."""
    for job in jobs:
        job.image.parent.mkdir(parents=True, exist_ok=True)
        job.mask.parent.mkdir(parents=True, exist_ok=True)
    digests: list[Digests] = []
    faults: list[StudyError] = []
    for result in in_processes(_try, jobs, what=what, chunk=4):
        if isinstance(result, StudyError):
            faults.append(result)
        else:
            digests.append(result)
    if faults:
        raise _all_at_once(faults)
    return digests


def _try(job: Job) -> Digests | StudyError:
    """The digests of a case, or why it cannot be converted: an error would end the others too."""
    try:
        return convert_case(job)
    except StudyError as error:
        return error


def _all_at_once(faults: Sequence[StudyError]) -> StudyError:
    """One error that tells of all; where there is only one, itself."""
    if len(faults) == 1:
        return faults[0]
    lines = [f"{len(faults)} cases cannot be converted:"]
    lines += [f"  {fault}" for fault in faults[:SHOWN_FAULTS]]
    if len(faults) > SHOWN_FAULTS:
        lines.append(f"  and {len(faults) - SHOWN_FAULTS} more")
    return StudyError("\n".join(lines), hint=faults[0].hint)


@click.command("convert")
@click.argument("rules", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--split", required=True, type=click.Path(path_type=Path, exists=True), help="Table of parts."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="nnU-Net raw dataset to write."
)
def command(rules: Path, split: Path, out: Path) -> None:
    """Convert the BIDS source that the RULES file describes to an nnU-Net raw dataset.

    \b
    Example:
      code/study run --dry-run convert:epi     tells the whole command of a study
    """
    convert(rules, split, out)
