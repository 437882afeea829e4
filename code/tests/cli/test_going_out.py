"""What of a study with private sources may go out: nothing that nobody has allowed by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.cli.going_out import Guard, choose
from cordstudy.provenance.history.carried import place_of
from cordstudy.provenance.publishing.going import annexed_files
from cordstudy.study.loading import load_study
from cordstudy.study.private import behind
from helpers import REPOSITORY, TINY, commit, run

RAW = "derivatives/lab/nnunet-raw/Dataset"
MODEL = "models/lab/{}/x__y__z/fold_0/checkpoint_final.pth"
FILES = (
    f"{RAW}502_inspired/imagesTr/a.nii.gz",
    f"{RAW}504_canproco/imagesTr/a.nii.gz",
    f"{RAW}601_general/imagesTr/a.nii.gz",
    "derivatives/lab/predictions/general/inspired/a.nii.gz",
    "derivatives/lab/predictions/general/epi/a.nii.gz",
    "derivatives/lab/report/index.html",
    MODEL.format("inspired"),
    MODEL.format("general"),
    "models/lab/general/x__y__z/validation/a.nii.gz",
    "elsewhere/a.bin",
)
SAFE = {FILES[1], FILES[4]}
"""What comes from public sources alone."""
DEFAULT = ["models/lab", "derivatives/lab/report"]
TEXT = TINY.read_text()


def toml(private: tuple[str, ...]) -> str:
    """The tiny study with true sources, some of them private."""
    parts = []
    for part in TEXT.split("[datasets."):
        name = part.partition("]")[0]
        access = f'ask = "keeper of {name}"' if name in private else 'licence = "CC0"'
        lines = [line for line in part.splitlines() if not line.startswith("phantom_")]
        parts.append("\n".join(access if "phantom =" in line else line for line in lines))
    return "\n[datasets.".join(parts) + "\n"


@pytest.fixture
def lab(small: Path) -> Path:
    """A dataset whose study `lab` learned from a private source, `inspired`."""
    write(small, toml(("inspired",)))
    for path in FILES:
        (small / path).parent.mkdir(parents=True, exist_ok=True)
        (small / path).write_text(path)
    run("git", "annex", "add", "-q", ".", cwd=small)
    commit(small, "results", ".")
    return small


def write(small: Path, text: str | None) -> None:
    path = small / "code/studies/lab.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    run("git", "-c", "annex.largefiles=nothing", "add", "-A", "code", cwd=small)
    run("git", "commit", "-q", "-m", "the study", "--", "code", cwd=small)


def going(lab: Path, allow=(), images=(), paths=(), whole=True) -> set[str]:
    choice = choose(Guard(lab, allow, images), paths, default=DEFAULT, whole=whole)
    return {file.path for file in choice.files}


def test_no_branch_goes_out_unless_each_private_source_is_named(lab):
    with pytest.raises(StudyError, match="history of lab comes from private sources") as refused:
        Guard(lab, (), ()).check()
    assert "ask keeper of inspired" in refused.value.hint
    assert "--allow inspired" in refused.value.hint
    Guard(lab, ("inspired",), ()).check()
    Guard(lab, (), ("inspired",)).check()
    with pytest.raises(StudyError, match="no private source 'epi'"):
        Guard(lab, ("epi",), ()).check()


def test_models_and_images_go_out_only_where_each_is_allowed(lab):
    assert going(lab) - {"image.bin"} == SAFE
    models = {FILES[6], FILES[7]}
    assert going(lab, allow=("inspired",)) == SAFE | models
    assert going(lab, images=("inspired",)) == {*FILES, "image.bin"}
    kept = choose(Guard(lab, ("inspired",), ()), (), default=DEFAULT, whole=False)
    assert {file.path for file in kept.files} == models
    assert kept.kept_back[FILES[5]] == "images or masks of inspired (private)"


def test_a_path_that_may_not_go_out_is_an_error_and_not_left_out(lab):
    for path in (FILES[0], "derivatives/lab/nnunet-raw", "derivatives/lab/report", "elsewhere"):
        with pytest.raises(StudyError, match="may not go out: images or masks of inspired"):
            going(lab, allow=("inspired",), paths=(path,), whole=False)
    assert going(lab, paths=(FILES[1],), whole=False) == {FILES[1]}
    with pytest.raises(StudyError, match="no annexed file there"):
        going(lab, paths=("models/other",), whole=False)


def test_a_source_stays_private_after_the_study_has_dropped_it_or_lost_its_toml(lab):
    write(lab, None)
    assert not going(lab, allow=("inspired",)), "nothing is known of a path any more"
    with pytest.raises(StudyError, match="comes from private sources"):
        Guard(lab, (), ()).check()
    write(lab, toml(()).replace("inspired", "renamed"))
    with pytest.raises(StudyError, match="comes from private sources"):
        Guard(lab, (), ()).check()
    write(lab, toml(()))  # it was made public
    Guard(lab, (), ()).check()
    assert going(lab) == {*FILES, "image.bin"}


def test_results_of_a_study_that_never_had_a_toml_are_of_unknown_sources(lab):
    write(lab, toml(()))
    (lab / "derivatives/old").mkdir()
    (lab / "derivatives/old/notes.txt").write_text("who knows")
    commit(lab, "old results", ".")
    with pytest.raises(StudyError, match="history of old comes from private"):
        Guard(lab, (), ()).check()
    Guard(lab, ("old",), ()).check()


def test_content_of_inputs_is_never_published(lab):
    (lab / "inputs/mine.bin").write_text("mine")
    run("git", "annex", "add", "-q", "inputs/mine.bin", cwd=lab)
    commit(lab, "an input that is no subdataset", "inputs/mine.bin")
    assert "inputs/mine.bin" not in going(lab, images=("inspired",))
    with pytest.raises(StudyError, match="content of sources is never published"):
        going(lab, images=("inspired",), paths=("inputs",), whole=False)


def test_the_full_study_tells_what_is_behind_its_results():
    study = load_study(REPOSITORY, "full")
    epi = behind(study, "derivatives/full/predictions/general/epi/a.nii.gz")
    assert epi.sources == {"epi"} and epi.images
    model = behind(study, "models/full/general/D/fold_0/checkpoint_final.pth")
    assert len(model.sources) == 4 and not model.images
    report = behind(study, "derivatives/full/report/index.html")
    assert report.sources == set(study.datasets) and report.images


def in_git(lab: Path, path: str, content: str | bytes) -> None:
    """Commit a file whose content git itself has."""
    (lab / path).parent.mkdir(parents=True, exist_ok=True)
    (lab / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    run("git", "-c", "annex.largefiles=nothing", "add", "-f", path, cwd=lab)
    run("git", "commit", "-q", "-m", f"add {path}", "--", path, cwd=lab)


def test_a_branch_that_shows_images_goes_out_where_images_are_allowed(lab):
    write(lab, toml(("inspired", "epi")))
    both = ("inspired", "epi")
    report = "derivatives/lab/report"
    for name in ("forest.png", "results.ipynb", "table.tsv"):
        in_git(lab, f"{report}/{name}", name)
    Guard(lab, both, ()).check()
    in_git(lab, f"{report}/segmentation.png", "slices of those whom no model has seen")
    with pytest.raises(StudyError, match=rf"images: {report}/segmentation\.png of epi$") as refused:
        Guard(lab, both, ()).check()
    with pytest.raises(StudyError) as at_first:
        Guard(lab, (), ()).check()
    assert "--allow-images epi --allow inspired" in at_first.value.hint
    assert refused.value.hint.endswith(" --allow-images epi")
    run("git", "rm", "-q", f"{report}/segmentation.png", cwd=lab)
    commit(lab, "it is gone, and stays in the history", ".")
    with pytest.raises(StudyError, match="segmentation"):
        Guard(lab, both, ()).check()
    Guard(lab, both, ("epi",)).check()
    in_git(lab, f"{report}/small.html", "a page with pictures of all")
    with pytest.raises(StudyError, match=r"small\.html of inspired"):
        Guard(lab, both, ("epi",)).check()


def test_what_the_history_carries_is_content_that_goes_out_with_it(lab):
    keys = {file.path: file.key for file in annexed_files(lab, ["."])}
    in_git(lab, place_of(keys[FILES[6]]), FILES[6])
    Guard(lab, ("inspired",), ()).check()
    in_git(lab, place_of(keys[FILES[1]]), FILES[1])  # of a public source alone
    Guard(lab, ("inspired",), ()).check()
    in_git(lab, place_of(keys[FILES[5]]), FILES[5])
    with pytest.raises(StudyError, match=r"shows images: \.datalad/carried/\S* of inspired"):
        Guard(lab, ("inspired",), ()).check()


def test_a_password_in_the_history_does_not_go_out_unless_it_is_said_to_be_revoked(lab):
    modules = (lab / ".gitmodules").read_text()
    plain = '[submodule "x"]\n\tpath = x\n\turl = {}\n'
    for url in ("ssh://git@host/x", "git@host:x", "https://me@host/x", "https://host:80/a@b"):
        in_git(lab, ".gitmodules", modules + plain.format(url))
    Guard(lab, ("inspired",), ()).check()
    in_git(lab, ".gitmodules", modules + plain.format("https://me:geheim@host/x"))
    in_git(lab, ".gitmodules", modules)
    with pytest.raises(StudyError, match=r"^\.gitmodules: .* https://…@host") as refused:
        Guard(lab, ("inspired",), ()).check()
    assert "geheim" not in f"{refused.value}{refused.value.hint}"
    allowed = ("inspired", ".gitmodules")
    Guard(lab, allowed, ()).check()
    token = "https://" + "x" * 36 + "@host/y"
    run("git", "commit", "-q", "--allow-empty", "-m", f"Fetch {token}", cwd=lab)
    with pytest.raises(StudyError, match=r"^log: "):
        Guard(lab, allowed, ()).check()
    Guard(lab, (*allowed, "log"), ()).check()


def test_a_licence_makes_no_source_public_that_had_the_name_before(lab):
    public = toml(())
    write(lab, public.replace('path = "inputs/tiny-inspired"', 'path = "inputs/another"'))
    with pytest.raises(StudyError, match=r"private sources.*: inspired"):
        Guard(lab, (), ()).check()
    write(lab, public)
    Guard(lab, (), ()).check()
