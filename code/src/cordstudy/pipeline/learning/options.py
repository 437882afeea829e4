"""Options of the commands that a trained model segments by.

Owns: how they are written, and their words of help.
Does not own: their values, which a study sets (`study.learning_steps`).
"""

from __future__ import annotations

import click

fold_option = click.option(
    "--fold", "folds", multiple=True, required=True, type=int, help="A trained fold; repeatable."
)
mirror_option = click.option(
    "--mirror",
    "mirror_axes",
    multiple=True,
    type=int,
    help="Axis (0, 1, 2: z, y, x) that predictions mirror; repeatable.",
)
tile_step_option = click.option(
    "--tile-step", required=True, type=float, help="Distance of tiles as a share of the patch."
)
