"""Segmenting images with trained models.

Owns: nnU-Net's predictor with all mirrored copies of a tile in one batch (on a CPU a batch of
one takes a slow path: 19.5 s against 3.8 s a case, the same masks), and what is kept of a mask.
Does not own: which images, which models, what the masks are for.
"""

from __future__ import annotations

import errno
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import torch
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape
from numpy.typing import NDArray

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import device, progress
from cordstudy.pipeline.learning.checkpoints import HINT, check_trainer, load
from cordstudy.pipeline.learning.nnunet import quiet
from cordstudy.pipeline.learning.plans import read_plans
from cordstudy.pipeline.raw.volumes import read_volume

NO_NETWORK = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
    RuntimeError,
)
"""What nnU-Net and torch raise for plans of which no network can be made, or not that of the
checkpoints."""
LARGEST = 10**9
"""The voxels of the largest image that is segmented: 4 GB a class."""
OF_THE_PLANS = ("image_reader_writer", "transpose_forward")
OF_THE_CONFIGURATION = (
    "preprocessor_name",
    "spacing",
    "normalization_schemes",
    "use_mask_for_norm",
)
"""What preprocessing an image depends on, beside how data is resampled."""
OF_THE_IMAGE = frozenset({"ZScoreNormalization", "NoNormalization"})
"""Normalizations that take nothing from the training data."""

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Prepared:
    """An image as a network takes it, and what leads back to its grid."""

    data: torch.Tensor
    properties: Mapping[str, object]


class BatchedPredictor(nnUNetPredictor):
    """nnU-Net's predictor; `mirror_axes` (of z, y, x) are those used of the axes it was trained
    with, and tiles overlap by 1 - `tile_step`."""

    def __init__(self, *, mirror_axes: Sequence[int], tile_step: float) -> None:
        super().__init__(
            tile_step_size=tile_step,
            use_gaussian=True,
            use_mirroring=bool(mirror_axes),
            perform_everything_on_device=False,
            device=torch.device(device()),
            verbose=False,
            verbose_preprocessing=False,
            allow_tqdm=False,
        )
        self.mirror_axes = tuple(mirror_axes)

    @torch.inference_mode()
    def _internal_maybe_mirror_and_predict(self, x: torch.Tensor) -> torch.Tensor:
        flips = self._flips()
        batch = torch.cat([torch.flip(x, flip) for flip in flips])
        predicted: torch.Tensor = self.network(batch)
        total = predicted[:1].clone()
        for number, flip in enumerate(flips[1:], start=1):
            total += torch.flip(predicted[number : number + 1], flip)
        return total / len(flips)

    def _flips(self) -> list[tuple[int, ...]]:
        """Every set of axes of a batch (b, c, z, y, x) to mirror along, the empty one first."""
        trained = self.allowed_mirroring_axes or ()
        axes = [axis + 2 for axis in self.mirror_axes if axis in trained]
        flips: list[tuple[int, ...]] = []
        for count in range(len(axes) + 1):
            flips += itertools.combinations(axes, count)
        return flips


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

    `images` are NIfTI files of any grid; `outputs` for each of them the mask files, one a model, on
    the same grid. An image is read once, and preprocessed once for all models whose plans ask for
    the same. Each tile is also predicted mirrored along `mirror_axes` (0, 1, 2 for z, y, x) and
    averaged; tiles overlap by 1 - `tile_step`. Keeps the largest component of each mask
    (26-neighbours), as the cord is one piece. Source: nnU-Net's nnUNetPredictor.
    """
    torch.set_num_threads(1)
    jobs = list(zip(images, outputs, strict=True))
    with quiet():
        predictors = [_load(model, folds, mirror_axes, tile_step) for model in models]
        for image, masks in progress(jobs, total=len(jobs), what="predict"):
            _predict_file(predictors, image, masks)


def _predict_file(
    predictors: Sequence[BatchedPredictor], image: Path, masks: Sequence[Path]
) -> None:
    """One image by all models."""
    reader = predictors[0].plans_manager.image_reader_writer_class()
    array, properties = reader.read_images([str(image)])
    prepared: dict[str, Prepared] = {}
    for predictor, path in zip(predictors, masks, strict=True):
        key = preprocessing(predictor)
        if key not in prepared:
            _check_size(predictor, array, properties, image)
            prepared[key] = _preprocess(predictor, array, properties)
        mask = _predict(predictor, prepared[key])
        path.parent.mkdir(parents=True, exist_ok=True)
        reader.write_seg(largest_component(mask), str(path), properties)
        _check_written(path)


def _check_size(
    predictor: nnUNetPredictor,
    array: NDArray[np.floating],
    properties: Mapping[str, Any],
    image: Path,
) -> None:
    """Raise StudyError for an image (c, z, y, x) of which nothing is left at the spacing of the
    plans, or more than a machine holds."""
    chosen, order = predictor.configuration_manager, predictor.plans_manager.transpose_forward
    shape = [array.shape[1:][axis] for axis in order]
    spacing_mm = [properties["spacing"][axis] for axis in order]
    wanted_mm = [*spacing_mm[: 3 - len(chosen.spacing)], *chosen.spacing]  # 2D leaves slices alone
    resampled = compute_new_shape(shape, spacing_mm, wanted_mm)
    if min(resampled) < 1 or math.prod(int(length) for length in resampled) > LARGEST:
        told = " × ".join(str(int(length)) for length in resampled)
        raise StudyError(
            f"{image}: {told} voxels (z, y, x) at the model's spacing of {wanted_mm} mm",
            hint="an image that is thicker, or cut to the neck, can be segmented",
        )


def _check_written(path: Path) -> None:
    """Remove a mask that is not whole, and raise OSError: on a full disk ITK writes a part and
    says nothing."""
    try:
        read_volume(path)
    except StudyError as error:
        path.unlink()
        raise OSError(errno.ENOSPC, "written in part", str(path)) from error


def _load(
    model: Path, folds: Sequence[int], mirror_axes: Sequence[int], tile_step: float
) -> BatchedPredictor:
    """A model ready to predict. Raises StudyError for one that is none, or holds more than it
    should."""
    read_plans(model)
    for fold in folds:
        path = model / f"fold_{fold}/checkpoint_final.pth"
        check_trainer(load(path), path)
    predictor = BatchedPredictor(mirror_axes=mirror_axes, tile_step=tile_step)
    try:
        predictor.initialize_from_trained_model_folder(
            str(model), tuple(folds), "checkpoint_final.pth"
        )
    except NO_NETWORK as error:
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        message = f"{model}: its plans and checkpoints make no network: {why}"
        raise StudyError(message, hint=HINT) from error
    if len(predictor.configuration_manager.patch_size) == 3:  # faster convolutions on a CPU
        predictor.network.to(memory_format=torch.channels_last_3d)
    return predictor


def preprocessing(predictor: nnUNetPredictor) -> str:
    """What a model's plans say of preprocessing an image, as text: models with the same can share
    it."""
    plans = predictor.plans_manager.plans
    chosen = predictor.configuration_manager.configuration
    said = {}
    for name in OF_THE_PLANS:
        said[name] = plans[name]
    for name in OF_THE_CONFIGURATION:
        said[name] = chosen[name]
    for name in chosen:
        if "resampling_fn_data" in name:
            said[name] = chosen[name]
    if not OF_THE_IMAGE.issuperset(chosen["normalization_schemes"]):
        said["intensities"] = plans["foreground_intensity_properties_per_channel"]
    return json.dumps(said, sort_keys=True)


def _preprocess(
    predictor: nnUNetPredictor, array: NDArray[np.floating], properties: Mapping[str, object]
) -> Prepared:
    """An image (c, z, y, x) as the network takes it."""
    chosen = predictor.configuration_manager
    preprocessor = chosen.preprocessor_class(verbose=False)
    data, _, way_back = preprocessor.run_case_npy(
        array, None, dict(properties), predictor.plans_manager, chosen, predictor.dataset_json
    )
    return Prepared(torch.from_numpy(data), way_back)


def _predict(predictor: nnUNetPredictor, prepared: Prepared) -> Mask:
    """The mask on the image's grid, all components."""
    logits = predictor.predict_logits_from_preprocessed_data(prepared.data).cpu()
    mask: Mask = convert_predicted_logits_to_segmentation_with_correct_shape(
        logits,
        predictor.plans_manager,
        predictor.configuration_manager,
        predictor.label_manager,
        prepared.properties,
        num_threads_torch=1,
    )
    return mask


def largest_component(mask: np.ndarray) -> Mask:
    """The largest 26-connected component of a binary mask; an empty mask stays empty."""
    binary = mask.astype(np.uint8)
    if not mask.any():
        return binary
    largest = cc3d.largest_k(binary, k=1, connectivity=26, delta=0, binary_image=True)
    return largest.astype(np.uint8)
