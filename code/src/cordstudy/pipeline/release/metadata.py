"""The card of a model in the form of MONAI's bundles: metadata.json.

Owns: which of its keys tell what.
Does not own: the schema (MONAI's `meta_schema_20240725.json`), or the numbers (`facts`).

What a MONAI bundle needs besides, a network that MONAI's configuration builds, is not there: the
network is nnU-Net's.
"""

from __future__ import annotations

from cordstudy.pipeline.release.card import Card

SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
NO_MONAI = "none"
"""The version of MONAI that this was made with; the schema asks for a text."""
NOT_OF_MONAI = ("torch", "numpy")
"""Packages that have keys of their own."""
DECIMALS = 6
"""Of the tables too."""


def metadata_of(card: Card) -> dict[str, object]:
    """The content of metadata.json."""
    packages = card.packages
    sources = [f"{group.dataset}: {group.terms}" for group in card.trained.groups]
    return {
        "schema": SCHEMA,
        "name": card.title,
        "version": card.version,
        "changelog": {change.version: change.text for change in card.changes},
        "monai_version": NO_MONAI,
        "pytorch_version": packages["torch"],
        "numpy_version": packages["numpy"],
        "required_packages_version": {
            name: told for name, told in packages.items() if name not in NOT_OF_MONAI
        },
        "task": f"Segmentation of the {card.structure} in {card.channel}",
        "description": _description(card),
        "authors": card.citation.authors,
        "copyright": f"{card.citation.authors}; weights: {card.licence}",
        "data_source": "; ".join(sources),
        "data_type": "nibabel",
        "image_classes": _images(card),
        "label_classes": f"0 background, 1 {card.structure}",
        "pred_classes": f"two channels of logits: 0 background, 1 {card.structure}",
        "eval_metrics": _metrics(card),
        "intended_use": _intended_use(card),
        "references": [card.cite, "doi:10.1038/s41592-020-01008-z (nnU-Net)"],
        "checkpoints": card.keys,
        "label_origins": {group.dataset: group.origins for group in card.trained.groups},
        "image_orientation": f"{card.orientation} for the network (nibabel's {card.axcodes}); "
        "any with `code/study segment`",
        "network_data_format": _formats(card),
    }


def _description(card: Card) -> str:
    return (
        f"nnU-Net v2 ({card.configuration}) trained on {card.images - card.trained.held_out} "
        f"images of {card.trained.learned_people} people of {len(card.trained.groups)} datasets"
    )


def _images(card: Card) -> str:
    scaled = ", z-scored" if card.z_scored else ""
    return f"one channel, an {card.modality} image of any contrast{scaled}"


def _metrics(card: Card) -> dict[str, float]:
    """Mean Dice by test set with its interval, in how many people the model failed, and of how
    many."""
    told: dict[str, float] = {}
    for row in card.judged.scores:
        told[f"mean_dice_{row.testset}"] = round(row.dice, DECIMALS)
        told[f"mean_dice_{row.testset}_95_low"] = round(row.low, DECIMALS)
        told[f"mean_dice_{row.testset}_95_high"] = round(row.high, DECIMALS)
        told[f"failed_{row.testset}"] = row.failed
        told[f"people_{row.testset}"] = row.people
    return told


def _intended_use(card: Card) -> str:
    if card.synthetic:
        return "Trying the chain out: it was trained on synthetic images alone, and is no tool"
    return "Research; not for diagnosis or treatment"


def _formats(card: Card) -> dict[str, object]:
    patch = list(card.planned["patch_size"])
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": card.modality,
        "num_channels": 1,
        "spatial_shape": patch,
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": True,
        "channel_def": {"0": "image"},
    }
    labels = {"0": "background", "1": card.structure}
    logits = image | {"format": "raw", "num_channels": 2, "channel_def": labels}
    mask = image | {
        "format": "segmentation",
        "spatial_shape": ["*"] * len(patch),
        "dtype": "uint8",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": labels,
    }
    return {
        "inputs": {"image": image},
        "outputs": {"pred": logits},
        "post_processed_outputs": {"pred": mask},
    }
