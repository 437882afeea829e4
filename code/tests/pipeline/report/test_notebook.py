"""The notebook: executed with parameters, and nothing of the machine kept."""

import json

import nbformat
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.report.notebook import execute, with_parameters

FOLDER = "derivatives/tiny/report"


def test_the_executed_notebook_keeps_its_outputs_and_nothing_of_the_machine(tiny):
    text = (tiny / FOLDER / "results.ipynb").read_text()
    cells = json.loads(text)["cells"]
    injected = next(cell for cell in cells if cell["id"] == "injected-parameters")
    assert "derivatives/tiny/evaluation/cases.tsv" in "".join(injected["source"])
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    kinds = set()
    for cell in code:
        for output in cell["outputs"]:
            kinds |= set(output.get("data", ()))
            assert output.get("name") != "stderr", "a warning is no result"
    assert {"image/png", "text/html"} <= kinds
    assert str(tiny) not in text
    assert not any("execution" in cell["metadata"] for cell in cells)


def notebook(source: str, name: str = "one", **metadata: object) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(source, id=name, metadata=metadata)
    return nbformat.v4.new_notebook(cells=[cell])


def test_a_notebook_that_fails_or_takes_no_parameters_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="no cell with the tag 'parameters'"):
        with_parameters(notebook("x = 1"), {"x": "2"})
    failing = with_parameters(notebook("x = '1'", tags=["parameters"]), {"x": "2"})
    failing.cells.append(notebook("raise ValueError(f'x is {x}')", "two").cells[0])
    with pytest.raises(StudyError, match="cell 'two' failed: ValueError: x is 2"):
        execute(failing, tmp_path)
