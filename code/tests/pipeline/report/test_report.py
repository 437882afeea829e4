"""The page of a recorded study: what it says, that it stands alone, that it comes out the same."""

import html
import re
from pathlib import Path

import pytest

from browser import CHROMIUM, said_by
from helpers import REPOSITORY, run, study
from pages import plain

FOLDER = "derivatives/tiny/report"


@pytest.fixture(scope="session")
def page(tiny: Path) -> str:
    return (tiny / FOLDER / "index.html").read_text()


def test_the_page_says_the_answer_its_numbers_and_what_they_rest_on(page):
    told = plain(page)
    for words in (
        "Its datasets are synthetic",
        "Cannot be answered with",
        "participants: no test can show a difference in fewer than 6.",
        "On data that no model has seen, general is judged on too few participants to be told from",
        "Too few participants on epi (",
        "On the specific models' own ground, it is",
        "Shared plans: 3 models",
        "Balanced sampling",
        "size-matched: a general model of as many training images",
        "Mean Dice of the models that were trained more than once",
        "None of this study's datasets is one of the 2023 study's",
        "Worst cases",
        "Training and test data: no overlap found",
        "Who was studied",
        "n = ",
    ):
        assert words in told, words


def test_the_page_stands_alone_and_is_text_that_a_browser_without_scripts_shows(page):
    outside = re.sub(
        r'<script type="text/plain" id="niivue">.*?</script>', "", page, flags=re.DOTALL
    )
    links = set(re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', outside))
    assert links == {"results.ipynb", "../../../code/docs/judging.md"}, "nothing is fetched"
    assert "url(" not in re.sub(r"url\(#", "", outside) and "@import" not in outside
    assert page.count('src="data:image/') >= 6 and 'id="viewer" hidden' in page
    assert page.count("<svg") >= 7 and str(REPOSITORY) not in page


def test_every_number_that_links_leads_to_a_command_and_the_commands_work(page, tiny):
    anchors = set(re.findall(r'<a href="#([^"]+)"', page))
    assert anchors and anchors <= set(re.findall(r'id="([^"]+)"', page))
    commands = [html.unescape(command) for command in re.findall(r'data-how="(.*?)"', page)]
    tables = ("summary", "comparisons", "replicates", "cases", "leakage")
    for table in (*tables, "flow", "cohort", "references"):
        command = next(command for command in commands if f"/{table}.tsv:" in command)
        told = run("bash", "-c", f"{command} --depth 1", cwd=tiny).stdout
        assert "the chain is whole" in told, command


def test_the_page_and_the_notebook_come_out_the_same_again(tiny_copy):
    for name in ("report", "notebook"):
        told = study(tiny_copy, "--study", "tiny", "verify", name).stdout
        assert "identical" in told and "different" not in told


def test_the_pictures_are_in_git_and_small(tiny):
    for name in ("forest.png", "segmentation.png"):
        picture = tiny / FOLDER / name
        assert not picture.is_symlink() and picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 150_000


TELLS = """<script>
new MutationObserver(() => {
  const told = document.querySelector("output").textContent;
  if (told && !told.startsWith("loading")) fetch("/told", { method: "POST", body: told });
}).observe(document.querySelector("output"), { childList: true });
document.getElementById("viewer").scrollIntoView();
</script>"""
"""Added to the page: sends to the server that gave it what the viewer says, once it has loaded or
given up."""


@pytest.mark.skipif(not CHROMIUM, reason="no chromium on the PATH")
def test_the_viewer_shows_the_worst_case_in_a_browser(tiny, tmp_path):
    page = (tiny / FOLDER / "index.html").read_text().replace("</body>", f"{TELLS}</body>")
    assert TELLS in page
    (told,) = said_by({"/": page}, tmp_path, "--window-size=1000,2000")
    assert re.match(r"(inspired|canproco|epi), Dice [\d.]+ \(general\)", told), told
