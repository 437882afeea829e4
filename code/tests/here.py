"""Steps of a study in the process of a test: many, at the cost of one start."""

import importlib

from cordstudy.study.step import Step
from helpers import REPOSITORY


def run_here(step: Step) -> None:
    """Run a step as its launcher does, in the current folder and with no record."""
    (module,) = (REPOSITORY / "code/src/cordstudy/pipeline").glob(f"*/{step.command}.py")
    found = importlib.import_module(f"cordstudy.pipeline.{module.parent.name}.{step.command}")
    found.command.main(args=list(step.arguments), standalone_mode=False)
