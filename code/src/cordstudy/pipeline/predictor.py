"""Segmenting images with a trained model.

Owns: nnU-Net's predictor with all mirrored copies of a tile in one batch (on a CPU a batch of
one takes a slow path: 19.5 s against 3.8 s a case, the same masks), and what is kept of a mask.
Does not own: which images, which model, what the masks are for.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import cc3d
import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from cordstudy.pipeline.machine import device, progress


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
    model: Path,
    images: Sequence[Path],
    outputs: Sequence[Path],
    *,
    folds: Sequence[int],
    mirror_axes: Sequence[int],
    tile_step: float,
) -> None:
    """Segment images with the average of several folds.

    `images` are NIfTI files of any grid; `outputs` the mask files, on the same grids.
    Each tile is also predicted mirrored along `mirror_axes` (0, 1, 2 for z, y, x) and averaged;
    tiles overlap by 1 - `tile_step`. Keeps the largest component of each mask (26-neighbours),
    as the cord is one piece. Source: nnU-Net's nnUNetPredictor.
    """
    torch.set_num_threads(1)
    with open(os.devnull, "w") as quiet, redirect_stdout(quiet):
        predictor = BatchedPredictor(
            tile_step, True, bool(mirror_axes), False, torch.device(device()), False, False, False
        )
        predictor.initialize_from_trained_model_folder(str(model), tuple(folds), "checkpoint_final.pth")
        predictor.mirror_axes = tuple(mirror_axes)
        if len(predictor.configuration_manager.patch_size) == 3:  # the convolutions' faster layout on a CPU
            predictor.network.to(memory_format=torch.channels_last_3d)
        reader = predictor.plans_manager.image_reader_writer_class()
        pairs = list(zip(images, outputs, strict=True))
        for image, output in progress(pairs, total=len(pairs), what="predict"):
            array, properties = reader.read_images([str(image)])
            mask = predictor.predict_single_npy_array(array, properties)
            output.parent.mkdir(parents=True, exist_ok=True)
            reader.write_seg(largest_component(mask), str(output), properties)


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest 26-connected component of a binary mask; an empty mask stays empty."""
    if not mask.any():
        return mask.astype(np.uint8)
    return cc3d.largest_k(mask.astype(np.uint8), k=1, connectivity=26, delta=0, binary_image=True).astype(np.uint8)
