"""The `notebook` step: a Jupyter notebook executed, its outputs kept, the same bytes each time.

Owns: giving a notebook its parameters, running it in a fresh kernel of this environment, and
leaving out what differs from run to run.
Does not own: what the notebook does. Execution is nbclient's; parameters go where papermill puts
them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
import nbclient
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellExecutionError
from nbformat.reader import NotJSONError
from nbformat.v4 import new_code_cell

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import write_json

SOURCE = str(Path(__file__).resolve().parents[3])
TAG = "parameters"
"""Of the cell with the parameters' usual values; a cell with those given is put after it."""
STARTUP = f"""\
import sys
sys.path[:] = [{SOURCE!r}, *(path for path in sys.path if path != {SOURCE!r})]
import matplotlib
matplotlib.rcdefaults()
"""
"""What the kernel runs first: this code is found, in a folder of any name; and no settings of a
user's, nor of a file in the working folder, for figures."""


def with_parameters(
    notebook: nbformat.NotebookNode, values: Mapping[str, str]
) -> nbformat.NotebookNode:
    """The notebook with a cell that sets `values`. Raises StudyError for one without a cell for
    them."""
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    metadata = {"tags": ["injected-parameters"]}
    cell = new_code_cell(source, id="injected-parameters", metadata=metadata)
    place = _place_of_parameters(notebook) + 1
    cells = [*notebook.cells[:place], cell, *notebook.cells[place:]]
    return nbformat.NotebookNode({**notebook, "cells": cells})


def _place_of_parameters(notebook: nbformat.NotebookNode) -> int:
    """The number of the first cell with the tag of parameters."""
    for number, cell in enumerate(notebook.cells):
        if TAG in cell.metadata.get("tags", []):
            return number
    raise StudyError(
        "the notebook has no cell with the tag 'parameters'", hint="tag the cell that sets them"
    )


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """The notebook with its outputs, run in `folder`. Raises StudyError for a cell that fails.

    Neither the user's kernels nor their settings of IPython, Jupyter and matplotlib are used; no
    time or version is kept.
    """
    metadata = notebook.metadata
    with tempfile.TemporaryDirectory() as own:
        startup = Path(own, "profile_default/startup/first.py")
        startup.parent.mkdir(parents=True)
        startup.write_text(STARTUP, encoding="utf-8")
        try:
            done = _client(notebook, folder, own).execute(env=_environment(own))
        except CellExecutionError as error:
            cell = _failed_cell(notebook)
            message = f"the notebook's cell {cell!r} failed: {error.ename}: {error.evalue}"
            raise StudyError(message, hint="run it in Jupyter, with the same parameters") from error
    done.metadata = metadata
    return done


def _client(notebook: nbformat.NotebookNode, folder: Path, own: str) -> nbclient.NotebookClient:
    """What runs a notebook in `folder`, with a kernel of this environment."""
    kernels = KernelSpecManager(kernel_dirs=[str(Path(sys.prefix, "share/jupyter/kernels"))])
    kernel = AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=kernels,
        connection_file=f"{own}/kernel.json",
        transport="ipc",  # no port that others could reach
    )
    return nbclient.NotebookClient(
        notebook,
        km=kernel,
        timeout=None,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )


def _environment(own: str) -> dict[str, str]:
    """The kernel's: with settings of its own, and matplotlib's usual way to draw."""
    environment = {**os.environ, "IPYTHONDIR": own, "JUPYTER_CONFIG_DIR": own}
    environment["JUPYTER_DATA_DIR"] = own
    environment.pop("MPLBACKEND", None)
    return environment


def _failed_cell(notebook: nbformat.NotebookNode) -> str:
    """The name of the cell that has an error among its outputs."""
    for cell in notebook.cells:
        kinds = [output.output_type for output in cell.get("outputs", ())]
        if "error" in kinds:
            return str(cell.id)
    return "?"


@click.command("notebook")
@click.argument("notebook", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--parameter", "parameters", multiple=True, nargs=2, metavar="NAME VALUE", help="Repeatable."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Executed notebook to write."
)
def command(notebook: Path, parameters: tuple[tuple[str, str], ...], out: Path) -> None:
    """Execute NOTEBOOK in the present folder with these parameters.

    \b
    Example:
      code/study run --dry-run notebook     tells the whole command of a study
    """
    try:
        content = nbformat.read(notebook, as_version=4)
    except (NotJSONError, nbformat.ValidationError, ValueError) as error:
        raise StudyError(f"{notebook}: no notebook: {error}", hint="open it in Jupyter") from error
    write_json(out, execute(with_parameters(content, dict(parameters)), Path.cwd()))
