"""The page and the notebook: what they say, that they stand alone, and that they come out the same."""

import base64
import html
import http.server
import json
import queue
import re
import shutil
import subprocess
import threading
from pathlib import Path

import deflate
import nbformat
import nibabel as nib
import nibabel.affines
import numpy as np
import pytest

from cordstudy.base.errors import StudyError
from cordstudy.base.tables import read_table
from cordstudy.pipeline.judging.settings import read_settings
from cordstudy.pipeline.report.figures import Case, overlay, slice_through
from cordstudy.pipeline.report.notebook import execute, with_parameters
from cordstudy.pipeline.report.report import published_beside
from cordstudy.pipeline.report.viewer import MOST_VOXELS, niivue, volumes
from helpers import REPOSITORY, run, study

FOLDER = "derivatives/tiny/report"
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def page(tiny: Path) -> str:
    return (tiny / FOLDER / "index.html").read_text()


def plain(page: str) -> str:
    """The words of a page."""
    body = re.sub(r"<(script|style|svg).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())


def test_the_page_says_the_answer_its_numbers_and_what_they_rest_on(page):
    told = plain(page)
    for words in (
        "Its datasets are synthetic",
        "On data that no model has seen, general is not shown to differ from the best",
        "On the specific models' own ground, it is",
        "Shared plans: 3 models",
        "Balanced sampling",
        "size-matched: a general model of as many training images",
        "Mean Dice of 2 trainings of each model",
        "None of this study's datasets is one of the 2023 study's",
        "Worst cases",
        "Nothing leaks",
        "n = ",
    ):
        assert words in told, words


def test_the_page_stands_alone_and_is_text_that_a_browser_without_scripts_shows(page):
    outside = re.sub(
        r'<script type="text/plain" id="niivue">.*?</script>', "", page, flags=re.DOTALL
    )
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', outside), "nothing is fetched"
    assert "url(" not in re.sub(r"url\(#", "", outside) and "@import" not in outside
    assert page.count('<img src="data:image/png') >= 6 and 'id="viewer" hidden' in page
    assert page.count("<svg") >= 7 and str(REPOSITORY) not in page


def test_every_number_that_links_leads_to_a_command_and_the_commands_work(page, tiny):
    anchors = set(re.findall(r'<a href="#([^"]+)"', page))
    assert anchors == anchors & set(re.findall(r'id="([^"]+)"', page))
    commands = [
        html.unescape(one) for one in re.findall(r'<li id="how-[^"]+"><code>(.*?)</code>', page)
    ]
    assert len(commands) == len(set(commands)) > 20
    for table in ("summary", "comparisons", "strata", "replicates", "cases"):
        command = next(one for one in commands if f"/{table}.tsv:" in one)
        told = run("bash", "-c", f"{command} --depth 1", cwd=tiny).stdout
        assert "the chain is whole" in told, command


def test_a_study_of_one_model_has_a_page_without_comparisons(tiny, tmp_path):
    told = json.loads((tiny / "code/studies/tiny/judging.json").read_text())
    only = [model | {"kind": "general"} for model in told["models"] if model["name"] == "inspired"]
    (tmp_path / "judging.json").write_text(json.dumps(told | {"models": only}))
    table = (tiny / "derivatives/tiny/evaluation/cases.tsv").read_text().splitlines(keepends=True)
    (tmp_path / "cases.tsv").write_text(
        "".join(line for line in table if line.startswith(("model\t", "inspired\t")))
    )
    shutil.copy(tiny / "derivatives/tiny/evaluation/leakage.tsv", tmp_path)
    judging = ("--judging", tmp_path / "judging.json")
    run(
        tiny / "code/study",
        "compare",
        tmp_path / "cases.tsv",
        *judging,
        "--out",
        tmp_path,
        cwd=tiny,
    )
    raws = sorted((tiny / "derivatives/tiny/nnunet-raw").glob("Dataset50[123]*"))
    run(
        tiny / "code/study",
        "report",
        tmp_path,
        *judging,
        "--published",
        "code/studies/published.tsv",
        *(word for raw in raws for word in ("--dataset", raw)),
        "--predictions",
        "derivatives/tiny/predictions/inspired",
        "--out",
        tmp_path / "index.html",
        cwd=tiny,
    )
    words = plain((tmp_path / "index.html").read_text())
    assert (
        "No answer: nothing unseen to judge on" in words
        and "Worst cases" in words
        and "against each specific" not in words
    )


def test_the_page_and_the_notebook_come_out_the_same_again(tiny_copy):
    for name in ("report", "notebook"):
        told = study(tiny_copy, "--study", "tiny", "verify", name).stdout
        assert "identical" in told and "different" not in told


def test_niivue_comes_whole_out_of_its_package():
    found = niivue()
    script = deflate.gzip_decompress(base64.b64decode(found.module)).decode()
    assert re.search(r"export\{\w+ as Niivue\};$", script) and found.version in script
    assert "BSD 2-Clause" in found.licence and "Copyright" in found.licence
    assert niivue() == found


def case(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Case:
    """A column of cord in noise, its prediction one voxel off, a specific one empty."""
    rng = np.random.default_rng(1)
    voxels = rng.integers(0, 400, shape).astype(np.int16)
    masks = {name: np.zeros(shape, bool) for name in ("reference", "general", "specific")}
    x, y = shape[0] // 2, shape[1] // 3
    masks["reference"][x - 3 : x + 3, y - 2 : y + 3, 2:-2] = True
    masks["general"][x - 2 : x + 4, y - 2 : y + 3, 2:-2] = True
    affine = nib.affines.from_matvec(np.diag([-spacing[0], *spacing[1:]]), (10.0, -20.0, 5.0))
    return Case(nib.Nifti1Image(voxels, affine), voxels, masks)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((60, 50, 30), (1.0, 1.0, 2.0)), ((300, 300, 200), (0.3, 0.3, 0.5))]
)
def test_volumes_of_the_viewer_are_cut_to_the_cord_and_stay_in_place(shape, spacing):
    shown = case(shape, spacing)
    found = {
        name: nib.Nifti1Image.from_bytes(deflate.gzip_decompress(base64.b64decode(text)))
        for name, text in volumes(shown).items()
    }
    assert set(found) == {"image", "reference", "general", "specific"}
    assert (
        np.prod(found["image"].shape) <= MOST_VOXELS
        and len({one.shape for one in found.values()}) == 1
    )
    assert found["specific"].get_fdata().max() == 0 and found["image"].get_fdata().max() == 255
    kept = np.argwhere(found["reference"].get_fdata() > 0)
    world = nib.affines.apply_affine(found["reference"].affine, kept.mean(axis=0))
    true = nib.affines.apply_affine(
        shown.image.affine, np.argwhere(shown.masks["reference"]).mean(axis=0)
    )
    assert np.abs(world - true).max() < 2 * max(spacing)
    assert volumes(shown) == volumes(shown)


def test_pictures_of_a_case_come_out_the_same_and_an_empty_reference_has_one():
    shown = case((60, 50, 30), (1.0, 1.0, 2.0))
    assert overlay(shown) == overlay(shown) and slice_through(shown) == slice_through(shown)
    empty = Case(
        shown.image, shown.voxels, {name: mask & False for name, mask in shown.masks.items()}
    )
    assert overlay(empty).startswith("data:image/png") and slice_through(empty).startswith(
        "data:image/gif"
    )
    assert volumes(empty)["reference"]


def test_published_figures_stand_beside_those_of_the_same_datasets_only():
    rows = read_table(REPOSITORY / "code/studies/published.tsv", "path", "model", "dice")
    beside = {
        name: published_beside(
            rows, read_settings(REPOSITORY / f"code/studies/{name}/judging.json")
        )
        for name in ("phantom", "public", "full")
    }
    assert beside["phantom"] == [] and len(beside["full"]) == len(rows) == 18
    assert {row["testset"] for row in beside["public"]} == {"spine-generic", "epi"}
    basel = [row["dice"] for row in beside["full"] if row["testset"] == "basel-mp2rage"]
    assert basel == ["0.850", "0.770", "0.409", "0.264", "0.027"]


TELLS = """<script>
new MutationObserver(() => {
  const told = document.querySelector("output").textContent;
  if (told && !told.startsWith("loading")) fetch("/told", { method: "POST", body: told });
}).observe(document.querySelector("output"), { childList: true });
document.getElementById("viewer").scrollIntoView();
</script>"""
"""Added to the page: sends to the server that gave it what the viewer says, once it has loaded or given up."""


class PageServer(http.server.BaseHTTPRequestHandler):
    """Gives one page, and keeps what the page sends back: a browser's clock is real time here, however slow it draws."""

    page: bytes
    said: queue.Queue

    def do_GET(self):
        self.send_response(200 if self.path == "/" else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        if self.path == "/":
            self.wfile.write(self.page)

    def do_POST(self):
        self.said.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        """Nothing."""


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on the PATH")
def test_the_viewer_shows_the_worst_case_in_a_browser(tiny, tmp_path):
    page = (tiny / FOLDER / "index.html").read_text().replace("</body>", f"{TELLS}</body>")
    assert TELLS in page
    said = queue.Queue()
    handler = type("Handler", (PageServer,), {"page": page.encode(), "said": said})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path}",
        "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader",
        "--window-size=1000,2000",
        "--remote-debugging-port=0",
    ]
    address = f"http://127.0.0.1:{server.server_port}/"
    with (tmp_path / "chromium.log").open("w") as log:
        browser = subprocess.Popen([CHROMIUM, *flags, address], stdout=log, stderr=log)
    try:
        told = said.get(timeout=180)
    except queue.Empty:
        pytest.fail(
            f"the viewer said nothing; chromium: {(tmp_path / 'chromium.log').read_text()[-2000:]}"
        )
    finally:
        browser.kill()
        browser.wait()
        server.shutdown()
        server.server_close()
    assert re.match(r"(inspired|canproco|epi), Dice [\d.]+ \(general\)", told), told


def test_the_executed_notebook_keeps_its_outputs_and_nothing_of_the_machine(tiny):
    text = (tiny / FOLDER / "results.ipynb").read_text()
    cells = json.loads(text)["cells"]
    injected = next(cell for cell in cells if cell["id"] == "injected-parameters")
    assert "derivatives/tiny/evaluation/cases.tsv" in "".join(injected["source"])
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    kinds = {kind for cell in code for output in cell["outputs"] for kind in output["data"]}
    assert {"image/png", "text/html"} <= kinds
    assert str(tiny) not in text and "execution" not in {
        key for cell in cells for key in cell["metadata"]
    }


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
