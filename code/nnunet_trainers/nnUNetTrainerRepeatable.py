"""Where stock nnU-Net finds the study's trainer: the folder to name in `nnUNet_extTrainer`."""

from cordstudy.pipeline.learning.trainer import nnUNetTrainerRepeatable

__all__ = ["nnUNetTrainerRepeatable"]
