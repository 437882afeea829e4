"""Segmenting images with trained models.

Owns: nnU-Net's predictor with all mirrored copies of a tile in one batch (on a CPU a batch of
one takes a slow path: 19.5 s against 3.8 s a case, the same masks).
Does not own: which images, which models, what is kept of a mask (`postprocessing`), what the masks
are for.
"""

from __future__ import annotations

import errno
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.imageio.base_reader_writer import BaseReaderWriter
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape,
)
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from cordstudy.base.errors import StudyError
from cordstudy.base.machine import progress
from cordstudy.pipeline.learning.checkpoints import HINT, TRAINER, check_trainer, load
from cordstudy.pipeline.learning.devices import torch_device
from cordstudy.pipeline.learning.memory import keep_freed_memory
from cordstudy.pipeline.learning.networks import network_of
from cordstudy.pipeline.learning.nnunet import quiet, stand_in
from cordstudy.pipeline.learning.plans import read_plans
from cordstudy.pipeline.learning.postprocessing import read_postprocessing
from cordstudy.pipeline.raw.components import Mask
from cordstudy.pipeline.raw.volumes import read_volume

# torch's compiler, a third of the start of a prediction
with stand_in("torch._dynamo", OptimizedModule=type("OptimizedModule", (), {})):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

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
            device=torch_device(),
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
        """Every set of axes of a batch (b, c, z, y, x), or (b, c, y, x) of slices, to mirror along,
        the empty one first."""
        trained = self.allowed_mirroring_axes or ()
        missing = 3 - len(self.configuration_manager.patch_size)  # a slice has no z
        own = [axis - missing for axis in self.mirror_axes]
        axes = [axis + 2 for axis in own if axis in trained]
        flips: list[tuple[int, ...]] = []
        for count in range(len(axes) + 1):
            flips += itertools.combinations(axes, count)
        return flips


@dataclass(frozen=True)
class Grid:
    """The grid of an image, as nnU-Net's reader has it."""

    reader: BaseReaderWriter
    properties: Mapping[str, Any]

    def write(self, mask: Mask, path: Path) -> None:
        """Write a mask (z, y, x) on it, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.reader.write_seg(mask, str(path), self.properties)
        _check_written(path)

    def read_mask(self, path: Path) -> Mask:
        """A mask (z, y, x) that is on it. Raises StudyError for one of another shape."""
        array, _ = self.reader.read_seg(str(path))
        mask: Mask = (array[0] > 0).astype(np.uint8)
        return mask


def predict_files(
    models: Sequence[Path],
    images: Sequence[Path],
    outputs: Sequence[Sequence[Path]],
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> None:
    """Segment images with one or several models; see `predicted`.

    `outputs` are for each image the mask files, one a model, on the image's grid. Of each mask is
    kept what the model's validation chose (`postprocessing`).
    """
    rules = [read_postprocessing(model) for model in models]
    masks = predicted(models, images, folds=folds, mirror_axes=mirror_axes, tile_step=tile_step)
    for paths, (grid, predictions) in zip(outputs, masks, strict=True):
        for path, prediction, rule in zip(paths, predictions, rules, strict=True):
            grid.write(rule.kept(prediction), path)


def predicted(
    models: Sequence[Path],
    images: Sequence[Path],
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> Iterator[tuple[Grid, list[Mask]]]:
    """What one or several models, each the average of its folds, make of images: for each image
    its grid and a mask (z, y, x) a model, with all components.

    `images` are NIfTI files of any grid. An image is read once, and preprocessed once for all
    models whose plans ask for the same. Each tile is also predicted mirrored along `mirror_axes`
    (0, 1, 2 for z, y, x) and averaged; tiles overlap by 1 - `tile_step`. Source: nnU-Net's
    nnUNetPredictor.
    """
    torch.set_num_threads(1)
    keep_freed_memory()
    with quiet():
        predictors = [_load(model, folds, mirror_axes, tile_step) for model in models]
        for image in progress(images, total=len(images), what="predict"):
            yield _predict_file(predictors, image)


def _predict_file(predictors: Sequence[BatchedPredictor], image: Path) -> tuple[Grid, list[Mask]]:
    """One image by all models."""
    reader = predictors[0].plans_manager.image_reader_writer_class()
    array, properties = reader.read_images([str(image)])
    prepared: dict[str, Prepared] = {}
    masks = []
    for predictor in predictors:
        key = preprocessing(predictor)
        if key not in prepared:
            _check_size(predictor, array, properties, image)
            prepared[key] = _preprocess(predictor, array, properties)
        masks.append(_predict(predictor, prepared[key]))
    return Grid(reader, properties), masks


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
            hint="an image that is thicker, or cut to what is to be found, can be segmented",
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
    plans, dataset = read_plans(model)
    checkpoints: list[Mapping[str, Any]] = []
    for fold in folds:
        path = model / f"fold_{fold}/checkpoint_final.pth"
        checkpoints.append(load(path))
        check_trainer(checkpoints[-1], path)
    predictor = BatchedPredictor(mirror_axes=mirror_axes, tile_step=tile_step)
    try:
        manager = PlansManager(dict(plans))
        chosen = manager.get_configuration(checkpoints[0]["init_args"]["configuration"])
        weights = [dict(checkpoint["network_weights"]) for checkpoint in checkpoints]
        network = network_of(manager, chosen, dataset)
        network.load_state_dict(weights[0])
        axes = checkpoints[0].get("inference_allowed_mirroring_axes")
        predictor.manual_initialization(
            network, manager, chosen, weights, dict(dataset), TRAINER, axes
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
