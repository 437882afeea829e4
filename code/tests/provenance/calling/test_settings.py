"""A user's settings change no record and no byte of it, and plain git works in any shell."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from cordstudy.provenance.calling.gitannex import settle_filter
from cordstudy.provenance.running.machine import Machine
from cordstudy.provenance.running.runner import run_step
from helpers import Step, git, run

GIT = {
    "annex.addunlocked": "true",
    "annex.largefiles": "nothing",
    "annex.backend": "MD5",
    "annex.autocommit": "false",
    "annex.alwayscommit": "false",
    "annex.addsmallfiles": "false",
    "annex.dotfiles": "true",
    "annex.thin": "true",
    "annex.jobs": "4",
    "annex.verify": "false",
    "annex.synccontent": "true",
    "annex.retry": "1",
    "clone.defaultRemoteName": "upstream",
    "clone.rejectShallow": "true",
    "commit.gpgsign": "true",
    "commit.cleanup": "strip",
    "commit.template": "/nonexistent",
    "commit.verbose": "true",
    "core.autocrlf": "true",
    "core.eol": "crlf",
    "core.safecrlf": "true",
    "core.hooksPath": "/nonexistent",
    "core.attributesFile": "ATTRIBUTES",
    "core.excludesFile": "EXCLUDES",
    "core.quotePath": "false",
    "core.commentChar": "D",
    "core.editor": "false",
    "core.fsmonitor": "true",
    "core.untrackedCache": "true",
    "core.logAllRefUpdates": "always",
    "core.whitespace": "cr-at-eol",
    "core.sparseCheckoutCone": "true",
    "color.ui": "always",
    "column.ui": "always",
    "datalad.run.record-sidecar": "true",
    "diff.ignoreSubmodules": "all",
    "diff.noprefix": "true",
    "diff.renames": "copies",
    "diff.external": "false",
    "extensions.partialClone": "x",
    "feature.manyFiles": "true",
    "fetch.prune": "true",
    "fetch.recurseSubmodules": "true",
    "fetch.fsckObjects": "true",
    "i18n.commitEncoding": "latin1",
    "i18n.logOutputEncoding": "latin1",
    "index.version": "4",
    "init.defaultBranch": "trunk",
    "init.defaultObjectFormat": "sha256",
    "log.showSignature": "true",
    "log.date": "relative",
    "log.decorate": "full",
    "merge.ff": "false",
    "merge.verifySignatures": "true",
    "merge.autoStash": "true",
    "pull.rebase": "true",
    "status.showUntrackedFiles": "no",
    "status.short": "true",
    "status.branch": "true",
    "submodule.recurse": "true",
    "transfer.fsckObjects": "true",
    "user.useConfigOnly": "true",
}
ENVIRONMENT = {
    "DATALAD_RUN_RECORD__SIDECAR": "yes",
    "DUCT_OUTPUT_PREFIX": "/nonexistent/",
    "GIT_EDITOR": "false",
    "GIT_TRACE": "0",
    "LC_ALL": "C",
    "TZ": "Asia/Kathmandu",
    "PYTHONWARNINGS": "error",
    "COLUMNS": "20",
    "MPLBACKEND": "nothing",
    "GIT_AUTHOR_DATE": "2001-01-01T00:00:00+0000",
    "PYTHONHASHSEED": "7",
    "LANGUAGE": "de",
    "GIT_CONFIG_PARAMETERS": "'annex.addunlocked=true'",
    "GIT_TEMPLATE_DIR": "/nonexistent",
}
SCRIPT = """\
mkdir out
cp notes.txt out/a.txt
cat image.bin inputs/source/image.bin > out/b.bin
printf 'a\\r\\nb\\n' > out/c.txt
echo {} > out/d.log
date -d @0 > out/e.txt
"""
STEP = Step(
    "settings",
    SCRIPT,
    inputs=("notes.txt", "image.bin", "inputs/source/*"),
    outputs=("out/a.txt", "out/b.bin", "out/c.txt", "out/d.log", "out/e.txt"),
)


@pytest.fixture(scope="module")
def plain(small_original, tmp_path_factory) -> str:
    """The tree that the step gives without settings."""
    folder = Path(
        shutil.copytree(small_original, tmp_path_factory.mktemp("plain") / "small", symlinks=True)
    )
    return tree_after(folder)


def tree_after(folder: Path) -> str:
    machine = Machine(
        scratch=folder / ".cordstudy/work", logs=folder / ".cordstudy/logs/it", workers=1
    )
    run_step(folder, STEP, machine=machine)
    clean = {name: os.environ[name] for name in ("PATH",)}
    done = run(
        "env",
        "-i",
        *(f"{key}={value}" for key, value in clean.items()),
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "git",
        "rev-parse",
        "HEAD^{tree}",
        cwd=folder,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("start", range(0, len(GIT), 16))
def test_settings_of_git_change_no_tree(small, plain, tmp_path, monkeypatch, start):
    (tmp_path / "ATTRIBUTES").write_text("* text eol=crlf annex.largefiles=nothing\n")
    (tmp_path / "EXCLUDES").write_text("*\n")
    chosen = dict(list(GIT.items())[start : start + 16]) | {
        "user.name": "Tester",
        "user.email": "tester@example.org",
    }
    for key, value in chosen.items():
        told = (
            str(tmp_path / value) if key in ("core.attributesFile", "core.excludesFile") else value
        )
        run("git", "config", "-f", tmp_path / "gitconfig", key, told, cwd=tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    assert tree_after(small) == plain, f"one of {chosen}"


def test_variables_change_no_tree(small, plain, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert tree_after(small) == plain


def test_settings_given_by_variables_change_no_tree(small, plain, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    for n, (key, value) in enumerate([("annex.addunlocked", "true"), ("core.autocrlf", "true")]):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{n}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{n}", value)
    assert tree_after(small) == plain


def test_an_odd_path_changes_no_tree(small_original, plain, tmp_path, monkeypatch):
    folder = tmp_path / 'it\'s a "st$udy" (1) {x} ü %s # a:b'
    shutil.copytree(small_original, folder / "small", symlinks=True)
    (folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert tree_after(folder / "small") == plain


def test_plain_git_works_without_git_annex_on_the_path(small):
    for place in (small, small / "inputs/source"):
        settle_filter(place)
    bare = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    assert shutil.which("git-annex", path=bare["PATH"]) is None, "the test needs a shell without it"
    (small / "notes.txt").write_text("other\n")
    for path in ("notes.txt", "image.bin"):
        (small / path).touch()
    assert run("git", "status", "--porcelain", cwd=small, **bare).stdout == " M notes.txt\n"
    run("git", "commit", "-q", "-a", "-m", "edit", cwd=small, **bare)
    assert git(small, "status", "--porcelain") == ""
