"""What a source's links may lead to: its own tree and its annex; anything else is refused, and
nothing is written."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.split import write_splits
from helpers import run
from small_source import FOLLOW, IMAGE, MASK, PARTICIPANTS, SIDECAR, SOURCE, TOML, add, steps


def link(path: str, to: str) -> Callable[[Path, Path], None]:
    """A link in place of a file or folder, which is copied to the private folder; `{private}` in
    the link's text is that one."""

    def damage(source: Path, private: Path) -> None:
        place = source / path
        if place.is_dir():
            shutil.copytree(place.resolve(), private / place.name, dirs_exist_ok=True)
            shutil.rmtree(place)
        elif place.is_file():
            shutil.copy(place, private / place.name)
        place.unlink(missing_ok=True)
        place.symlink_to(to.format(private=private))

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
    one_source, name
):
    private = one_source.parent / "private"
    private.mkdir()
    LEAVING[name](one_source / SOURCE, private)
    toml = add(FOLLOW % "motion")(TOML) if name == "exclude.yml" else TOML
    with pytest.raises(StudyError, match=r"it leads to .* leaves the (source|study)") as raised:
        steps(one_source, toml)
    assert raised.value.hint and SOURCE in str(raised.value)
    assert not (one_source / "raw").exists() and not list(one_source.glob(".raw.*"))


def test_a_published_split_that_leaves_the_source_that_holds_it_is_refused(one_source, tmp_path):
    steps(one_source)
    (tmp_path / "split.tsv").write_text("participant_id\tsplit\n")
    link("split.tsv", "{private}/split.tsv")(one_source / SOURCE, tmp_path)
    for path in ("inputs/source/split.tsv", "code/../inputs/source/split.tsv"):
        with pytest.raises(StudyError, match="leaves the source"):
            write_splits(
                [one_source / "rules.json"],
                Path("others"),
                seed=1,
                test_fraction=0.2,
                folds=2,
                stratify=(),
                published_splits={"small": Path(path)},
            )
    assert not Path("others").exists()


def test_an_image_that_leaves_its_source_may_be_excluded(one_source, tmp_path):
    link(IMAGE, "/nowhere/image.nii.gz")(one_source / SOURCE, tmp_path)
    exclude = add('exclude = [{ images = ["sub-a1_T2w"], reason = "a link", source = "us" }]')
    steps(one_source, exclude(TOML))
    assert "sub-a1" not in (one_source / "raw/cases.tsv").read_text()


def as_worktree(source: Path) -> None:
    """The source as a linked worktree of a repository elsewhere."""
    elsewhere = source.parents[1] / "elsewhere"
    source.rename(elsewhere)
    run("git", "worktree", "add", "-q", source.absolute(), "-b", "other", cwd=elsewhere)
    run("git", "annex", "get", "-q", ".", cwd=source)


def with_inner_link(source: Path) -> None:
    """An image that is a link to another file of the source, which is one to its content."""
    key = (source / IMAGE).readlink().name
    (source / IMAGE).unlink()
    (source / IMAGE).symlink_to("../../image.nii.gz")
    content = next((source / ".git/annex/objects").rglob(f"{key}/{key}"))
    (source / "image.nii.gz").symlink_to(content)


def move_repository(source: Path) -> Path:
    """Move the source's repository to where a study has those of its subdatasets."""
    repository = source.parents[1].absolute() / "modules/source"
    repository.parent.mkdir()
    (source / ".git").rename(repository)
    return repository


def as_submodule(source: Path) -> None:
    """The source as DataLad and git-annex install it: its `.git` is a link."""
    move_repository(source)
    (source / ".git").symlink_to("../../modules/source")


def with_gitfile(source: Path) -> None:
    """The source as git installs it: its `.git` is a file, its annexed files lead to the
    repository."""
    repository = move_repository(source)
    (source / ".git").write_text("gitdir: ../../modules/source\n")
    links = [path for path in source.rglob("*") if path.is_symlink()]
    for path in links:
        target = str(path.readlink()).partition(".git/")[2]
        path.unlink()
        path.symlink_to(repository / target)


@pytest.mark.parametrize("lay", [as_submodule, as_worktree, with_gitfile, with_inner_link])
def test_a_link_to_the_annex_or_within_the_source_is_followed_wherever_its_repository_lies(
    one_source, lay
):
    lay(one_source / SOURCE)
    steps(one_source)
    assert (one_source / "raw/cases.tsv").read_text().count("SHA256E-s") == 8


def test_where_the_disk_has_no_room_for_content_that_is_told_and_not_that_it_is_elsewhere(
    one_source,
):
    key = (one_source / SOURCE / IMAGE).readlink().name
    larger = key.replace(key.split("-")[1], f"s{10**18}")
    (one_source / SOURCE / IMAGE).unlink()
    (one_source / SOURCE / IMAGE).symlink_to(f"../../.git/annex/objects/Xx/Yy/{larger}/{larger}")
    with pytest.raises(
        StudyError, match=f"{IMAGE}: its content is not here, and the disk is full"
    ) as raised:
        steps(one_source)
    assert "make room" in raised.value.hint


def test_an_image_whose_content_is_not_here_is_named(one_source):
    run("git", "annex", "drop", "-q", "--force", IMAGE, cwd=one_source / SOURCE)
    with pytest.raises(StudyError, match=f"{IMAGE}: its content is not here"):
        steps(one_source)
