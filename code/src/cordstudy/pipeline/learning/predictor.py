"""Segmenting images with trained models.

Owns: nnU-Net's predictor with all mirrored copies of a tile in one batch (on a CPU a batch of
one takes a slow path: 19.5 s against 3.8 s a case, the same masks), and what is kept of a mask.
Does not own: which images, which models, what the masks are for.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import cc3d
import numpy as np
import torch
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import device, progress
from cordstudy.pipeline.learning.checkpoints import HINT, check_trainer, load, read_plans
from cordstudy.pipeline.raw.volumes import read_volume


class BatchedPredictor(nnUNetPredictor):
    """nnU-Net's predictor; `mirror_axes` (of z, y, x) are those used of the axes it was trained with."""

    mirror_axes: Sequence[int] = ()

    @torch.inference_mode()
    def _internal_maybe_mirror_and_predict(self, x: torch.Tensor) -> torch.Tensor:
        axes = [a + 2 for a in self.mirror_axes if a in (self.allowed_mirroring_axes or ())]
        flips = [c for n in range(len(axes) + 1) for c in itertools.combinations(axes, n)]
        batch = torch.cat([torch.flip(x, c) for c in flips])
        predicted = self.network(batch)
        total = predicted[:1].clone()
        for k, flip in enumerate(flips[1:], start=1):
            total += torch.flip(predicted[k : k + 1], flip)
        return total / len(flips)


def predict_files(
    models: Sequence[Path],
    images: Sequence[Path],
    outputs: Sequence[Sequence[Path]],
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> None:
    """Segment images with one or several models, each the average of its folds.

    `images` are NIfTI files of any grid; `outputs` for each of them the mask files, one a model, on the
    same grid. An image is read once, and preprocessed once for all models whose plans ask for the same.
    Each tile is also predicted mirrored along `mirror_axes` (0, 1, 2 for z, y, x) and averaged;
    tiles overlap by 1 - `tile_step`. Keeps the largest component of each mask (26-neighbours),
    as the cord is one piece. Source: nnU-Net's nnUNetPredictor.
    """
    torch.set_num_threads(1)
    with open(os.devnull, "w") as quiet, redirect_stdout(quiet):
        predictors = [_load(model, folds, mirror_axes, tile_step) for model in models]
        reader = predictors[0].plans_manager.image_reader_writer_class()
        jobs = list(zip(images, outputs, strict=True))
        for image, masks in progress(jobs, total=len(jobs), what="predict"):
            array, properties = reader.read_images([str(image)])
            prepared: dict[str, tuple[torch.Tensor, dict]] = {}
            for predictor, output in zip(predictors, masks, strict=True):
                key = preprocessing(predictor)
                if key not in prepared:
                    prepared[key] = _preprocess(predictor, array, properties)
                mask = _predict(predictor, *prepared[key])
                output.parent.mkdir(parents=True, exist_ok=True)
                reader.write_seg(largest_component(mask), str(output), properties)
                _check_written(output)


def _check_written(path: Path) -> None:
    """Remove a mask that is not whole, and raise OSError: on a full disk ITK writes a part and says nothing."""
    try:
        read_volume(path)
    except StudyError as error:
        path.unlink()
        raise OSError(errno.ENOSPC, "written in part", str(path)) from error


def _load(
    model: Path, folds: Sequence[int], mirror_axes: Sequence[int], tile_step: float
) -> BatchedPredictor:
    read_plans(model)
    for fold in folds:
        path = model / f"fold_{fold}/checkpoint_final.pth"
        check_trainer(load(path), path)
    predictor = BatchedPredictor(
        tile_step, True, bool(mirror_axes), False, torch.device(device()), False, False, False
    )
    try:
        predictor.initialize_from_trained_model_folder(
            str(model), tuple(folds), "checkpoint_final.pth"
        )
    except (
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        AssertionError,
        RuntimeError,
    ) as error:
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        raise StudyError(
            f"{model}: its plans and checkpoints make no network: {told}", hint=HINT
        ) from error
    predictor.mirror_axes = tuple(mirror_axes)
    if (
        len(predictor.configuration_manager.patch_size) == 3
    ):  # the convolutions' faster layout on a CPU
        predictor.network.to(memory_format=torch.channels_last_3d)
    return predictor


def preprocessing(predictor: nnUNetPredictor) -> str:
    """What a model's plans say of preprocessing an image, as text: models with the same can share it."""
    plans, chosen = predictor.plans_manager.plans, predictor.configuration_manager.configuration
    told = {name: plans[name] for name in ("image_reader_writer", "transpose_forward")}
    told |= {name: value for name, value in chosen.items() if "resampling_fn_data" in name}
    told |= {
        name: chosen[name]
        for name in ("preprocessor_name", "spacing", "normalization_schemes", "use_mask_for_norm")
    }
    if set(chosen["normalization_schemes"]) - {"ZScoreNormalization", "NoNormalization"}:
        told["intensities"] = plans["foreground_intensity_properties_per_channel"]
    return json.dumps(told, sort_keys=True)


def _preprocess(
    predictor: nnUNetPredictor, array: np.ndarray, properties: dict
) -> tuple[torch.Tensor, dict]:
    """The image as the network takes it, and what leads back to its grid."""
    chosen = predictor.configuration_manager
    preprocessor = chosen.preprocessor_class(verbose=False)
    data, _, found = preprocessor.run_case_npy(
        array, None, dict(properties), predictor.plans_manager, chosen, predictor.dataset_json
    )
    return torch.from_numpy(data), found


def _predict(predictor: nnUNetPredictor, data: torch.Tensor, properties: dict) -> np.ndarray:
    """The mask on the image's grid, all components."""
    logits = predictor.predict_logits_from_preprocessed_data(data).cpu()
    return convert_predicted_logits_to_segmentation_with_correct_shape(
        logits,
        predictor.plans_manager,
        predictor.configuration_manager,
        predictor.label_manager,
        properties,
        num_threads_torch=1,
    )


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest 26-connected component of a binary mask; an empty mask stays empty."""
    if not mask.any():
        return mask.astype(np.uint8)
    return cc3d.largest_k(
        mask.astype(np.uint8), k=1, connectivity=26, delta=0, binary_image=True
    ).astype(np.uint8)
