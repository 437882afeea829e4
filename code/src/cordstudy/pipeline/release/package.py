"""The `package` step: a trained model as others take it, with a card that says what it may be
trusted with.

Owns: which files a release has, and their checksums.
Does not own: what the card says (`card`, `metadata`), archives (`archive`), weights without pickle
(`weights`), or opening a release again (`opening`).

    README.md, metadata.json   the card, for people and by MONAI's schema
    cases.tsv                  the cases that it was trained on
    NAME.zip                   what nnUNetv2_install_pretrained_model_from_zip takes
    NAME/                      what the Spinal Cord Toolbox takes: one folder of a trainer
    NAME.safetensors, load.py  the weights alone, and what makes a network of them
    SHA256SUMS                 of all of these
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from cordstudy.base.outputs import check_own, remove_own
from cordstudy.base.tables import write_file, write_json
from cordstudy.pipeline.learning.checkpoints import TRAINER, load
from cordstudy.pipeline.learning.options import fold_option, tile_step_option
from cordstudy.pipeline.learning.postprocessing import FILE as POSTPROCESSING
from cordstudy.pipeline.release.archive import checksums, listed_files, write_zip
from cordstudy.pipeline.release.card import Card, card_text
from cordstudy.pipeline.release.case_list import FILE as CASES
from cordstudy.pipeline.release.case_list import write_case_list
from cordstudy.pipeline.release.facts import (
    read_changes,
    read_citation,
    scores_of,
    trained_on,
)
from cordstudy.pipeline.release.inference import FILE as INFERENCE
from cordstudy.pipeline.release.metadata import metadata_of
from cordstudy.pipeline.release.weights import packed

SUMS = "SHA256SUMS"
README = "README.md"
METADATA = "metadata.json"
LOADER, LOADER_TEXT = "load.py", "load.py.txt"
PICKLED = "postprocessing.pkl"
DATASET = "dataset.json"
TEXTS = ("plans.json", "dataset_fingerprint.json", "splits_final.json")
FOR_SEGMENTING = (DATASET, "plans.json", POSTPROCESSING, INFERENCE)
"""The texts that go with weights alone."""
CHECKPOINT = "checkpoint_final.pth"
OF_A_FOLD = (CHECKPOINT, "training_log.txt")


@click.command("package")
@click.argument("model", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("training_set", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--name", required=True, help="The model's name in the tables.")
@click.option(
    "--judging",
    "parameters",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="What the models are, and the settings.",
)
@click.option(
    "--scores",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Table of the judged cases.",
)
@click.option(
    "--terms",
    multiple=True,
    nargs=2,
    metavar="DATASET TERMS",
    help="Licence or terms of use of a dataset that it learned from; repeatable.",
)
@click.option("--licence", required=True, help="Of the weights: an SPDX identifier.")
@click.option(
    "--changes",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="Markdown whose headings `## VERSION` tell what changed; the first is this release's.",
)
@click.option(
    "--cite",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="CITATION.cff of the study.",
)
@fold_option
@tile_step_option
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the release."
)
def command(
    model: Path,
    training_set: Path,
    name: str,
    parameters: Path,
    scores: Path,
    terms: tuple[tuple[str, str], ...],
    licence: str,
    changes: Path,
    cite: Path,
    folds: tuple[int, ...],
    tile_step: float,
    out: Path,
) -> None:
    """Pack the trained MODEL of a TRAINING_SET for others: nnU-Net, SCT, safetensors, a card.

    \b
    Example:
      code/study run --dry-run package:general     tells the whole command of a study
    """
    card = Card(
        name=name,
        licence=licence,
        changes=read_changes(changes),
        citation=read_citation(cite),
        trained=trained_on(training_set, dict(terms), folds),
        judged=scores_of(scores, parameters, name),
        model=model,
        folds=folds,
        tile_step=tile_step,
    )
    _check_replaced(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        made = scratch / out.name
        _write(made, card)
        remove_own(out, listed_files(out, SUMS))
        made.rename(out)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_replaced(out: Path) -> None:
    """Raise StudyError where `out` is anything but an earlier release."""
    check_own(out, listed_files(out, SUMS))


def _write(out: Path, card: Card) -> None:
    """Write all of a release into a new folder."""
    text = card_text(card)
    out.mkdir()
    write_file(out / README, text)
    write_json(out / METADATA, metadata_of(card))
    write_case_list(out / CASES, card.trained.cases)
    base = card.title
    folder = out / base / f"{TRAINER}__nnUNetPlans__{card.configuration}"
    _write_model(folder, card, text)
    source = {"model_name": base, "model_urls": [], "custom": True, "version": card.version}
    write_json(out / base / "source.json", source)
    write_zip(out / f"{base}.zip", folder, below=f"{card.dataset_name}/{folder.name}")
    texts = {name: (folder / name).read_text("utf-8") for name in FOR_SEGMENTING}
    weights = {fold: load(folder / f"fold_{fold}/{CHECKPOINT}") for fold in card.folds}
    write_file(out / f"{base}.safetensors", packed(weights, texts))
    write_file(out / LOADER, Path(__file__).with_name(LOADER_TEXT).read_bytes())
    write_file(out / SUMS, checksums(out))


def _write_model(folder: Path, card: Card, text: str) -> None:
    """Write a folder as nnU-Net has it of a trained model, and what it means to whoever has that
    alone."""
    for name in (*TEXTS, POSTPROCESSING):
        write_file(folder / name, (card.model / name).read_bytes())
    # the Spinal Cord Toolbox turns images so before it predicts; without it, to LPI
    write_json(folder / DATASET, {**card.dataset, "image_orientation": card.orientation})
    for fold in card.folds:
        for name in OF_A_FOLD:
            file = f"fold_{fold}/{name}"
            write_file(folder / file, (card.model / file).read_bytes())
    write_json(folder / INFERENCE, asdict(card.inference))
    if card.postprocessing.keep == "largest component":
        write_file(folder / PICKLED, _stock_postprocessing(card.labels))
    write_file(folder / README, text)
    write_case_list(folder / CASES, card.trained.cases)
    write_file(folder / SUMS, checksums(folder))


def _stock_postprocessing(labels: Sequence[int]) -> bytes:
    """What `nnUNetv2_apply_postprocessing` takes: keep the largest component."""
    from nnunetv2.postprocessing.remove_connected_components import (
        remove_all_but_largest_component_from_segmentation as largest,
    )

    return pickle.dumps(([largest], [{"labels_or_regions": list(labels)}]), protocol=4)
