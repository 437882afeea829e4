"""A study published three ways, and taken by others: with real git-annex, DataLad, web servers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers import consumer, served
from cordstudy.base.errors import StudyError
from cordstudy.provenance.publishing import host, ria, webannex
from cordstudy.provenance.publishing.going import annexed_files, check_whole
from cordstudy.provenance.publishing.outbox import outbox
from helpers import commit, git, run

FILE = "image.bin"
CONTENT = "content of small"


@pytest.fixture(autouse=True)
def local_servers(monkeypatch) -> None:
    """Git-annex reads from this machine's own servers, as it does not by default."""
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "annex.security.allowed-ip-addresses")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "all")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may read; pytest's own are this user's alone."""
    folder = Path(tempfile.mkdtemp(prefix="place-"))
    folder.chmod(0o755)
    yield folder
    run("chmod", "-R", "u+rwX", folder, cwd="/")
    shutil.rmtree(folder)


@pytest.fixture
def bare(place: Path) -> Path:
    """A git host: an empty bare repository, which a web server can serve too."""
    git(place, "init", "-q", "--bare", "-b", "main", "host.git")
    hook = place / "host.git/hooks/post-update"
    hook.write_text("#!/bin/sh\nexec git update-server-info\n")
    hook.chmod(0o755)
    return place / "host.git"


def files(small: Path):
    return annexed_files(small, [FILE])


def told(repo: Path) -> str:
    """All that a published git-annex branch says."""
    names = git(repo, "ls-tree", "-r", "--name-only", "git-annex").splitlines()
    return "\n".join(git(repo, "show", f"git-annex:{name}") for name in names)


def check_is_no_more_than_meant(repo: Path, small: Path) -> None:
    """The study's own git-annex branch, its clones and its tags stay at home."""
    uuid = git(small, "config", "annex.uuid")
    assert uuid in git(small, "show", "git-annex:uuid.log")
    said = told(repo)
    assert uuid not in said and str(small) not in said
    assert git(repo, "tag") == "" and git(repo, "branch", "--format=%(refname:short)").split() == [
        "git-annex",
        "main",
    ]


def check_untouched(small: Path, before: str) -> None:
    assert state(small) == before
    assert not list((small / ".cordstudy/publishing").iterdir())
    run("git", "annex", "fsck", "-q", FILE, cwd=small)


def state(small: Path) -> str:
    """The branches, tags, settings and remotes of a study."""
    return git(small, "for-each-ref", "refs/heads", "refs/tags", "refs/remotes") + git(
        small, "config", "--local", "--list"
    )


def move_on(small: Path, text: str = "more\n") -> None:
    (small / "notes.txt").write_text(text)
    commit(small, "more", "notes.txt")


@pytest.mark.slow
def test_a_ria_store_serves_others_by_its_folder_and_by_a_web_server(small, place):
    git(small, "tag", "mine")
    before, scratch = state(small), small / ".cordstudy/publishing"
    (scratch / "clone/annex/objects").mkdir(parents=True)  # as one that was killed leaves
    (scratch / "clone/annex/objects").chmod(0o555)
    url = ria.store_url(str(place / "store"))
    ria.publish(small, url, files(small), scratch=scratch)
    check_untouched(small, before)
    (repo,) = (place / "store").glob("???/*-*")
    check_is_no_more_than_meant(repo, small)
    storage = told(repo).count("archive-id")
    move_on(small)
    ria.publish(small, url, files(small), scratch=scratch)
    assert told(repo).count("archive-id") == storage == 1, "the same store, not a second one"
    (place / "store").rename(place / "moved")
    url = ria.store_url(str(place / "moved"))
    ria.publish(small, url, files(small), scratch=scratch)
    address = ria.dataset_url(small, url)
    with consumer() as other, served(place) as server:
        for name, source in (("a", address), ("b", f"ria+{server}/moved#{address.split('#')[1]}")):
            other.types(f"datalad clone '{source}' {name}", f"cd {name}", f"datalad get {FILE}")
            assert (other.home / name / FILE).read_text() == CONTENT
            assert (other.home / name / "notes.txt").read_text() == "more\n"


def test_a_git_host_tells_where_content_is_and_only_of_what_is_there(small, place, bare):
    before, scratch = state(small), small / ".cordstudy/publishing"
    with served(place) as server:
        urls = host.urls_at(f"{server}/up/", files(small), flat=True)
        for wrong in (None, "content of other", "longer or shorter"):
            if wrong:
                (place / "up").mkdir(exist_ok=True)
                (place / "up" / FILE).write_text(wrong)
            with pytest.raises(StudyError, match=f"{FILE}: its content is not at {server}/up"):
                host.publish(small, str(bare), files(small), urls, scratch=scratch, by_size=False)
            assert git(bare, "for-each-ref") == "", "nothing was pushed"
        (place / "up" / FILE).write_text(CONTENT)
        run("git", "annex", "drop", "--force", "-q", FILE, cwd=small)  # it need not be here
        for by_size in (True, False):
            host.publish(small, str(bare), files(small), urls, scratch=scratch, by_size=by_size)
        check_is_no_more_than_meant(bare, small)
        run("git", "annex", "get", "-q", "--from=web", FILE, cwd=small, check=False)
        move_on(small)
        host.publish(small, str(bare), files(small), urls, scratch=scratch, by_size=True)
        with consumer() as other:
            other.types(f"datalad clone {server}/host.git study", "cd study", f"datalad get {FILE}")
            assert (other.home / "study" / FILE).read_text() == CONTENT
    git(small, "reset", "-q", "--hard", "HEAD~1")
    move_on(small, "something else\n")
    with pytest.raises(StudyError, match="has commits on main that are not here"):
        host.publish(small, str(bare), files(small), urls, scratch=scratch, by_size=True)
    assert before != state(small), "which moved on"


def test_a_branch_alone_has_its_content_from_any_web_server(small, place, bare):
    scratch = small / ".cordstudy/publishing"
    folder = place / "annex"
    before = state(small)
    for _ in range(2):
        webannex.publish(small, folder, files(small))
        host.publish_branch(small, str(bare), scratch=scratch)
    check_untouched(small, before)
    assert git(bare, "branch", "--format=%(refname:short)") == "main"
    uuid = git(small, "config", "annex.uuid")
    assert uuid not in told(folder) and "remote" not in (folder / "config").read_text()
    inode = next((folder / "annex/objects").glob("*/*/*/*")).stat()
    assert inode.st_nlink == 1, "a copy, not the study's own content"
    with consumer() as other, served(place) as server:
        other.types(
            f"datalad clone {server}/host.git study",
            "cd study",
            "git annex init",
            f"git remote add content {server}/annex",
            "git fetch content",
            f"datalad get {FILE}",
            f"git annex drop {FILE}",
            f"datalad get {FILE}",
        )
        assert (other.home / "study" / FILE).read_text() == CONTENT


def test_two_do_not_publish_at_once_and_no_password_is_told(small, place):
    scratch = small / ".cordstudy/publishing"
    with outbox(small, scratch), pytest.raises(StudyError, match="another process publishes"):
        host.publish_branch(small, str(place / "host.git"), scratch=scratch)
    with pytest.raises(StudyError) as failed:
        host.publish_branch(small, "http://me:geheim@127.0.0.1:9/host.git", scratch=scratch)
    assert "geheim" not in str(failed.value) and "http://…@127.0.0.1:9/" in str(failed.value)


def test_content_that_no_checksum_tells_from_other_is_told_of_nowhere(small, bare):
    (small / "worm.bin").write_text("anything")
    run("git", "annex", "add", "-q", "--backend=WORM", "worm.bin", cwd=small)
    commit(small, "no checksum", "worm.bin")
    found, scratch = annexed_files(small, ["worm.bin"]), small / ".cordstudy/publishing"
    urls = host.urls_at("http://127.0.0.1:9", found, flat=False)
    with pytest.raises(StudyError, match="holds no checksum"):
        host.publish(small, str(bare), found, urls, scratch=scratch, by_size=False)
    assert git(bare, "for-each-ref") == ""


def test_a_folder_of_something_else_is_left_as_it_is(small, place):
    (place / "mine.txt").write_text("mine")
    with pytest.raises(StudyError, match="holds something else"):
        webannex.publish(small, place, files(small))
    assert [path.name for path in place.iterdir()] == ["mine.txt"]


def test_content_that_is_damaged_or_not_here_does_not_go_out(small):
    check_whole(small, files(small))
    place = (small / FILE).resolve()
    place.chmod(0o644)
    place.write_text("content of smell")
    with pytest.raises(StudyError, match=f"the content of {FILE} is damaged"):
        check_whole(small, files(small))
    run("git", "annex", "drop", "--force", "-q", FILE, cwd=small)
    with pytest.raises(StudyError, match=f"1 of 1 files is not here, the first {FILE}"):
        check_whole(small, files(small))


def test_subdatasets_have_no_part_in_it(small):
    assert [file.path for file in annexed_files(small, ["."])] == [FILE]
    shutil.rmtree(small / "inputs")
    assert [file.path for file in annexed_files(small, ["**"])] == [FILE]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ("image.bin\tftp://a/b", "line 2: 'ftp://a/b' is no http or https URL"),
        ("image.bin\thttps://a/b c", "is no http or https URL"),
        ("image.bin\thttps://me:secret@a/b", "a URL with a user or password would be told to all"),
        ("image.bin\thttps://a/b\nimage.bin\thttps://a/c", "line 3: image.bin is there twice"),
    ],
)
def test_a_table_with_a_url_that_cannot_be_told_is_refused(tmp_path, rows, fault):
    table = tmp_path / "urls.tsv"
    table.write_text(f"path\turl\n{rows}\n")
    with pytest.raises(StudyError, match=fault):
        host.read_urls(table)
    table.write_text("path\turl\nimage.bin\thttps://a/b\n")
    assert host.read_urls(table) == {"image.bin": "https://a/b"}


def test_what_is_to_be_uploaded_is_laid_out_and_gone_on_with(small, tmp_path):
    (small / "a b").mkdir()
    (small / "a b/é.bin").write_text("second")
    run("git", "annex", "add", "-q", ".", cwd=small)
    commit(small, "another", ".")
    found, up = annexed_files(small, ["."]), tmp_path / "up"
    host.lay_out(small, up, found[1:], flat=True)
    host.lay_out(small, up, found, flat=True)
    assert {path.name: path.read_text() for path in up.iterdir()} == {
        "a b.é.bin": "second",
        FILE: CONTENT,
    }
    assert host.urls_at("http://x", found, flat=True)["a b/é.bin"] == "http://x/a%20b.%C3%A9.bin"
    (up / FILE).unlink()
    (up / "a b.é.bin").write_text("other")
    with pytest.raises(StudyError, match="is something else"):
        host.lay_out(small, up, found, flat=True)
    assert not (up / FILE).exists()


def test_two_files_that_would_have_one_flat_name_are_refused(small):
    (small / "a").mkdir()
    for path in ("a/b.bin", "a.b.bin"):
        (small / path).write_text(path)
    run("git", "annex", "add", "-q", ".", cwd=small)
    commit(small, "two", ".")
    found = annexed_files(small, ["a", "a.b.bin"])
    assert len(host.urls_at("https://x", found, flat=False)) == 2
    with pytest.raises(StudyError, match=r"would both be called a\.b\.bin"):
        host.urls_at("https://x", found, flat=True)


@pytest.mark.parametrize("place", ["ria+https://h/store", "ria+ssh://h/store#x", "ria+file://a"])
def test_a_store_that_cannot_be_written_to_is_refused(place):
    with pytest.raises(StudyError, match="is no store that can be written to"):
        ria.store_url(place)
