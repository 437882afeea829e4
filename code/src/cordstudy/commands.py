"""The step commands of `code/study`: what recorded commands call.

Owns: their names, where each lives, one line of help.
Does not own: what they do (`pipeline`), or the commands about a study (`cli`).
"""

from __future__ import annotations

COMMANDS = {
    "phantom": ("cordstudy.pipeline.phantom:command", "Make a synthetic source."),
    "split": ("cordstudy.pipeline.splits:command", "Divide participants into training, test and folds."),
    "convert": ("cordstudy.pipeline.convert:command", "BIDS source to nnU-Net raw dataset."),
    "merge": ("cordstudy.pipeline.merge:command", "Several raw datasets to one."),
    "plan": ("cordstudy.pipeline.planning:command", "Fingerprint, plans, folds by subject."),
    "train": ("cordstudy.pipeline.training:command", "Train one fold of one model."),
    "predict": ("cordstudy.pipeline.prediction:command", "Segment all test sets with one model."),
    "evaluate": ("cordstudy.pipeline.evaluate:command", "Judge every prediction, one row a case."),
    "compare": ("cordstudy.pipeline.compare:command", "Compare the models, with intervals."),
    "leakage": ("cordstudy.pipeline.leakage:command", "Compare training with all test sets."),
    "report": ("cordstudy.pipeline.report:command", "Write the report."),
    "notebook": ("cordstudy.pipeline.notebook:command", "Execute a notebook."),
}
