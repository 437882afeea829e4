"""What a study reads of a source, as paths and globs.

Owns: which files those are, by a dataset's rules.
Does not own: the steps that have them among their inputs (`steps`), or finding cases (`sources`).
"""

from __future__ import annotations

from collections.abc import Iterator

from cordstudy.study.schema import Dataset

IMAGE = ".[nN][iI][iI]*"
"""How the names of images and masks end: packed or not, in whatever case."""


def participant_files(dataset: Dataset) -> Iterator[str]:
    """What a study reads of a source about its participants."""
    yield f"{dataset.path}/participants.tsv"
    if dataset.exclude_file:
        yield f"{dataset.path}/{dataset.exclude_file.path}"


def sidecar_files(dataset: Dataset) -> Iterator[str]:
    """What tells of a source's masks and of its images, as globs: beside them, and in its root what
    images inherit."""
    for mask in _masks(dataset):
        yield f"{mask}.json"
    folder, subject = _subject(dataset)
    for image in dataset.images:
        datatype, contrast = image.split("/")
        yield f"{dataset.path}/{folder}/{datatype}/{subject}_{contrast}.json"
    yield f"{dataset.path}/*.json"  # dataset_description.json at least: `datalad rerun` wants one


def source_files(dataset: Dataset) -> Iterator[str]:
    """What a study reads of a source, as globs: participants, images, masks and their sidecars.

    All images of the kinds that the rules ask for, in any session and run, are among them: those
    that are not used are told of.
    """
    yield from participant_files(dataset)
    yield from sidecar_files(dataset)
    kinds = set()
    for image in dataset.images:
        datatype, contrast = image.split("/")
        kinds.add(f"{datatype}/sub-*_{contrast.rpartition('_')[2]}{IMAGE}")
    for kind in sorted(kinds):
        yield f"{dataset.path}/sub-*/**/{kind}"
    for mask in _masks(dataset):
        yield f"{mask}{IMAGE}"


def _masks(dataset: Dataset) -> Iterator[str]:
    """The masks of a source, as globs without ending."""
    folder, subject = _subject(dataset)
    for image in dataset.images:
        datatype, contrast = image.split("/")
        mask = dataset.mask.format(stem=f"{subject}_{contrast}", subject=subject)
        yield f"{dataset.path}/{dataset.labels}/{folder}/{datatype}/{mask}"


def _subject(dataset: Dataset) -> tuple[str, str]:
    """The folder of a participant's session, and what the names in it begin with, as globs."""
    if dataset.session is None:
        return "sub-*", "sub-*"
    return f"sub-*/{dataset.session}", f"sub-*_{dataset.session}"
