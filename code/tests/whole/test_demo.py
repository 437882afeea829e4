"""The phantom study as the README makes it, its commands word for word, and real images."""

import csv
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cordstudy.pipeline.learning.segmenter import output_path
from cordstudy.provenance.running.kept import record_at
from cordstudy.study.loading import load_study
from cordstudy.study.models import judged_models
from helpers import REPOSITORY, SHARED, commit, git, run, steps_of, study
from readme_blocks import README, commands_under

pytestmark = pytest.mark.slow
UNF, LEIPZIG = "spine-generic-unf", "epi-leipzig"
"""Folders of real images."""
WRITTEN = ("README.md", "derivatives/dataset_description.json", "derivatives/.bidsignore")
"""What of models/ and derivatives/ people wrote."""
TOLERANCE = 0.01
"""How far a figure of the README may lie from what this machine computes."""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_the_demo_ends_with_the_table_of_the_readme_and_what_to_do_next(demo):
    folder, printed = demo
    table = re.search(r"```\n(Mean Dice.*?)```", README, re.DOTALL)[1]
    told = printed[printed.index("Mean Dice") :]
    assert re.sub(r"[\d.]+", "#", told).startswith(re.sub(r"[\d.]+", "#", table))
    numbers = [
        [float(n) for n in re.findall(r"\d+\.\d{3}|(?<= )\d+", text[: len(table)])]
        for text in (table, told)
    ]
    phantom = load_study(REPOSITORY, "phantom")
    cells = (len(judged_models(phantom)) + 2) * len(phantom.datasets)
    assert len(numbers[0]) == cells and np.allclose(*numbers, atol=TOLERANCE)
    assert f"Report: {folder}/derivatives/phantom/report/index.html" in told
    for words in ("datalad get", "datalad rerun", "code/study"):
        assert words in told


def test_general_finds_the_cord_in_every_test_set_and_where_no_model_was_trained(demo):
    found = {
        (r["model"], r["testset"]): float(r["dice"])
        for r in rows(demo[0] / "derivatives/phantom/evaluation/summary.tsv")
    }
    phantom = load_study(REPOSITORY, "phantom")
    assert len(found) == len(judged_models(phantom)) * len(phantom.datasets)
    assert min(value for (model, _), value in found.items() if model == "general") > 0.7


def test_every_step_gave_the_recorded_bytes_and_made_no_commit(demo):
    folder, printed = demo
    count = len(steps_of(folder, "phantom"))
    assert f"{count} of {count} steps gave the recorded bytes" in printed
    ran = len(re.findall("^starts ", printed, re.MULTILINE))
    assert ran and f"{ran} of {ran}\n" in printed, "n of N, on the last step's line"
    assert git(folder, "rev-parse", "HEAD") == git(REPOSITORY, "rev-parse", "HEAD")
    assert git(folder, "status", "--porcelain") == ""
    assert not git(folder, "annex", "find", "--not", "--in=here", "models", "derivatives")


def test_every_result_came_from_a_record_that_runs_again_and_a_second_run_does_nothing(demo):
    folder, _ = demo
    recorded = set(git(folder, "log", "--format=%H", "--grep=^.DATALAD RUNCMD").splitlines())
    named = {}
    for path in git(folder, "ls-files", "models", "derivatives").splitlines():
        if not path.endswith(WRITTEN):
            named[path] = git(folder, "log", "-1", "--format=%H", "--", path)
            assert named[path] in recorded, path
    for record in set(named.values()):  # `datalad rerun` refuses an input that matches nothing
        for spec in record_at(folder, record).inputs:
            if spec.startswith("inputs/"):
                assert next(folder.glob(spec), None), f"{record}: {spec}"
    table = "derivatives/phantom/nnunet-raw/Dataset506_epi/cases.tsv"
    run("datalad", "rerun", named[table], cwd=folder)
    assert "nothing to do" in study(folder, "run").stdout
    assert "came back here before" in study(folder, "reproduce").stdout
    assert git(folder, "status", "--porcelain") == ""


def test_the_sources_are_as_they_were_made(demo):
    for source in sorted((demo[0] / "inputs").glob("phantom-*")):
        run("git", "annex", "fsck", "-q", "--fast", cwd=source)
        assert git(source, "status", "--porcelain") == ""


def test_the_commands_of_the_readme_run_word_for_word(demo):
    assert commands_under("Make all of it again") == "make -C code demo\n"
    told = commands_under(
        "Look around", "What was found, left out, and kept apart", "The true sources"
    )
    script = f'set -eu\n. "$(code/study env)/bin/activate"\ncd ..\n{told}'
    done = run("bash", "-c", script, cwd=demo[0])
    assert "identical" in done.stdout
    consumer = demo[0].parent / "demo-consumer"
    (checkpoint,) = consumer.glob("models/phantom/general/Dataset*/*/fold_0/checkpoint_final.pth")
    assert checkpoint.is_file() and (consumer / "models/phantom/general/release/load.py").is_file()
    archive = consumer / "models/phantom/general/release/phantom-general.zip"
    assert archive.read_bytes() == (demo[0] / archive.relative_to(consumer)).read_bytes()


def test_the_part_about_real_images_is_what_the_study_of_them_gives(demo, real_mri):
    done = study(demo[0], "written", "--check", "--real", real_mri, check=False)
    assert "part 'real'" not in done.stderr


def test_a_mask_of_a_real_image_is_on_its_grid(demo, real_mri, tmp_path):
    image = next(real_mri.glob(f"{LEIPZIG}/sub-*/func/*_bold.nii.gz"))
    study(demo[0], "segment", image, "--out", tmp_path)
    original, made = nib.load(image), nib.load(output_path(image, tmp_path))
    assert made.shape == original.shape and np.allclose(made.affine, original.affine)
    assert made.get_fdata().any()


def test_the_real_images_convert_as_two_bids_sources(new_study, real_mri):
    folder = new_study()
    settings = {
        "unf": (
            UNF,
            '["anat/T1w", "anat/T2w", "anat/T2star"]',
            "derivatives/labels",
            "{stem}_seg-manual",
        ),
        "leipzig": (
            LEIPZIG,
            '["func/task-rest_rec-MoCoMean_bold"]',
            "derivatives/label",
            "{subject}_task-rest_desc-spinalcordmask",
        ),
    }
    toml = folder / "code/studies/tiny.toml"
    text = toml.read_text()
    for number, (name, (data, images, labels, mask)) in enumerate(settings.items(), start=507):
        run("datalad", "-l", "error", "create", "-d", ".", f"inputs/{name}", cwd=folder)
        run(
            "cp",
            "-r",
            "--no-preserve=mode",
            f"{SHARED}/real-mri/{data}/.",
            f"inputs/{name}/",
            cwd=folder,
        )
        run(
            "datalad",
            "-l",
            "error",
            "save",
            "-d",
            ".",
            "-r",
            "-m",
            f"Add {name}",
            f"inputs/{name}",
            cwd=folder,
        )
        text += f'\n[datasets.{name}]\nnumber = {number}\npath = "inputs/{name}"\n'
        text += f'role = "test"\nlicence = "CC0"\nimages = {images}\n'
        text += f'labels = "{labels}"\nmask = "{mask}"\n'
    toml.write_text(text)
    commit(folder, "test: add the real images", toml)
    study(folder, "--study", "tiny", "run", "convert:unf", "convert:leipzig")
    cases = [
        row
        for name in settings
        for row in rows(next(folder.glob(f"derivatives/tiny/nnunet-raw/*_{name}/cases.tsv")))
    ]
    assert [row["contrast"] for row in cases] == [
        "T1w",
        "T2w",
        "T2star",
        "task-rest_rec-MoCoMean_bold",
    ]
    for row in cases:
        raw = next(folder.glob(f"derivatives/tiny/nnunet-raw/*_{row['dataset']}"))
        mask = nib.load(raw / "labelsTs" / f"{row['case_id']}.nii.gz").get_fdata()
        assert mask.sum() == (nib.load(folder / row["mask"]).get_fdata() >= 0.5).sum()
        run("git", "annex", "fsck", "-q", cwd=folder / "inputs" / row["dataset"])


def test_the_questions_of_a_reviewer_are_answered_as_the_page_says(demo):
    page = (REPOSITORY / "code/docs/audit.md").read_text()
    found = re.findall(
        r"^## (\d+)\..*?```sh\n(.*?)```\n```\n(.*?)```", page, re.DOTALL | re.MULTILINE
    )
    assert [number for number, _, _ in found] == [str(n) for n in range(1, 13)]
    for number, command, answer in found:
        told = " ".join(run("bash", "-euc", command, cwd=demo[0]).stdout.split())
        for line in answer.splitlines():
            parts = [re.escape(" ".join(part.split())) for part in line.split("…") if part.strip()]
            assert re.search(".*?".join(parts), told), f"question {number}: {line}"
