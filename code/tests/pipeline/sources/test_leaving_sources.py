"""What a source's links may lead to: its own tree and its annex; anything else is refused, and nothing is written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.split import write_splits
from helpers import run
from small_source import FOLLOW, IMAGE, MASK, PARTICIPANTS, SIDECAR, SOURCE, TOML, add, steps


@pytest.fixture
def folder(one_source: Path) -> Path:
    return one_source


def link(path: str, to: str) -> Callable[[Path, Path], None]:
    """A link in place of a file or folder; `{private}` and `{source}` in its text are those folders."""

    def damage(source: Path, private: Path) -> None:
        place = source / path
        shutil.copytree(
            place.resolve(), private / place.name, dirs_exist_ok=True
        ) if place.is_dir() else None
        shutil.copy(place, private / place.name) if place.is_file() else None
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        place.symlink_to(to.format(private=private, source=source.absolute()))

    return damage


def chain(source: Path, private: Path) -> None:
    link(IMAGE, "{private}/" + Path(IMAGE).name)(source, private)
    (source / IMAGE).rename(source / "hop")
    (source / "middle").symlink_to("hop")
    (source / IMAGE).symlink_to("../../middle")


def whole_source(source: Path, private: Path) -> None:
    source.rename(private / "source")
    source.symlink_to(private / "source")


def other_source(source: Path, private: Path) -> None:
    shutil.copytree(source, source.with_name("other"), symlinks=True)
    (source / IMAGE).unlink()
    (source / IMAGE).symlink_to(f"../../../other/{IMAGE}")


ANAT = str(Path(IMAGE).parent)
LEAVING = {
    "image": link(IMAGE, "{private}/" + Path(IMAGE).name),
    "image, relative": link(IMAGE, "../../../../../private/" + Path(IMAGE).name),
    "image that is not there": link(IMAGE, "/nowhere/image.nii.gz"),
    "mask": link(MASK, "{private}/" + Path(MASK).name),
    "sidecar": link(SIDECAR, "{private}/" + Path(SIDECAR).name),
    "sidecar from git": link(SIDECAR, "../../../../.git/config"),
    "participants.tsv": link(PARTICIPANTS, "{private}/participants.tsv"),
    "exclude.yml": link("exclude.yml", "{private}/exclude.yml"),
    "folder": link(ANAT, "{private}/anat"),
    "participant": link("sub-a1", "{private}/sub-a1"),
    "folder of masks": link("derivatives", "{private}/derivatives"),
    "chain of links": chain,
    "another source": other_source,
    "source": whole_source,
}


@pytest.mark.parametrize("name", LEAVING)
def test_a_link_that_leaves_its_source_is_refused_where_it_leads_is_told_and_nothing_written(
    folder, name
):
    private = folder.parent / "private"
    private.mkdir()
    LEAVING[name](folder / SOURCE, private)
    toml = add(FOLLOW % "motion")(TOML) if name == "exclude.yml" else TOML
    with pytest.raises(StudyError, match=r"it leads to .* leaves the (source|study)") as raised:
        steps(folder, toml)
    assert raised.value.hint and SOURCE in str(raised.value)
    assert not (folder / "raw").exists() and not list(folder.glob(".raw.*"))


def test_a_published_split_that_leaves_the_source_that_holds_it_is_refused(folder, tmp_path):
    steps(folder)
    (tmp_path / "split.tsv").write_text("participant_id\tsplit\n")
    link("split.tsv", "{private}/split.tsv")(folder / SOURCE, tmp_path)
    for path in ("inputs/source/split.tsv", "code/../inputs/source/split.tsv"):
        with pytest.raises(StudyError, match="leaves the source"):
            write_splits(
                [folder / "rules.json"],
                Path("others"),
                seed=1,
                test_fraction=0.2,
                folds=2,
                stratify=(),
                published_splits={"small": Path(path)},
            )
    assert not Path("others").exists()


def test_an_image_that_leaves_its_source_may_be_excluded(folder, tmp_path):
    link(IMAGE, "/nowhere/image.nii.gz")(folder / SOURCE, tmp_path)
    steps(
        folder,
        add('exclude = [{ images = ["sub-a1_T2w"], reason = "a link", source = "us" }]')(TOML),
    )
    assert "sub-a1" not in (folder / "raw/cases.tsv").read_text()


@pytest.mark.parametrize("kind", ["submodule", "worktree", "gitfile", "inner link"])
def test_a_link_to_the_annex_or_within_the_source_is_followed_wherever_its_repository_lies(
    folder, kind
):
    source = folder / SOURCE
    if kind == "worktree":
        source.rename(folder / "elsewhere")
        run(
            "git",
            "-C",
            folder / "elsewhere",
            "worktree",
            "add",
            "-q",
            source,
            "-b",
            "other",
            cwd=folder,
        )
        run("git", "annex", "get", "-q", ".", cwd=source)
    elif kind == "inner link":
        (source / IMAGE).rename(source / "image.nii.gz")
        (source / IMAGE).symlink_to("../../image.nii.gz")
        (source / "image.nii.gz").write_bytes(b"") if not (
            source / "image.nii.gz"
        ).is_symlink() else None
        key = (source / "image.nii.gz").readlink().name
        (source / "image.nii.gz").unlink()
        (source / "image.nii.gz").symlink_to(
            next((source / ".git/annex/objects").rglob(f"{key}/{key}"))
        )
    else:
        (folder / "modules").mkdir()
        (source / ".git").rename(folder / "modules/source")
        if kind == "submodule":
            (source / ".git").symlink_to("../../modules/source")
        else:
            (source / ".git").write_text("gitdir: ../../modules/source\n")
            for path in [one for one in source.rglob("*") if one.is_symlink()]:
                target = str(path.readlink()).partition(".git/")[2]
                path.unlink()
                path.symlink_to(folder / "modules/source" / target)
    steps(folder)
    assert (folder / "raw/cases.tsv").read_text().count("SHA256E-s") == 8


def test_where_the_disk_has_no_room_for_content_that_is_told_and_not_that_it_is_elsewhere(folder):
    key = (folder / SOURCE / IMAGE).readlink().name
    larger = key.replace(key.split("-")[1], f"s{10**18}")
    (folder / SOURCE / IMAGE).unlink()
    (folder / SOURCE / IMAGE).symlink_to(f"../../.git/annex/objects/Xx/Yy/{larger}/{larger}")
    with pytest.raises(
        StudyError, match=f"{IMAGE}: its content is not here, and the disk is full"
    ) as raised:
        steps(folder)
    assert "make room" in raised.value.hint


def test_an_image_whose_content_is_not_here_is_named(folder):
    run("git", "annex", "drop", "-q", "--force", IMAGE, cwd=folder / SOURCE)
    with pytest.raises(StudyError, match=f"{IMAGE}: its content is not here"):
        steps(folder)
