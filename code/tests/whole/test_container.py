"""The image of the locked environment: one recipe in two forms, and how it is used.

What is tested of it is that both forms say the same, and, in a bubblewrap whose system is this
machine's and whose /opt is what the recipe lays out, that a study finds the environment there,
makes nothing, and that `datalad containers-run` records a step in it. The environment is the one
that this machine has. Where CORDSTUDY_TEST_BASE names a root file system of Debian (a tar), buildah
makes the image from it as well, from the kept files of CORDSTUDY_TEST_WHEELS if there are any.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from cordstudy.cli.site import read_site
from helpers import REPOSITORY, commit, git, run
from helpers import log_of as records_of
from walled import walled

FOLDER = REPOSITORY / "code/container"
CONTAINERFILE = (FOLDER / "Containerfile").read_text()
DEFINITION = (FOLDER / "cordstudy.def").read_text()
IN_ROOTFS = FOLDER / "in-rootfs.sh"
PAGE = (REPOSITORY / "code/docs/container.md").read_text()
BASE = os.environ.get("CORDSTUDY_TEST_BASE", "")
EVALUATION = "derivatives/phantom/evaluation"


def section(name: str) -> list[str]:
    """The lines of a part of the Apptainer definition."""
    found = re.search(rf"^%{name}\n((?:    .*\n)+)", DEFINITION, re.MULTILINE)
    assert found, name
    return [line.strip() for line in found[1].splitlines()]


def copied() -> dict[str, str]:
    """Where each file of `code` goes, as the Containerfile says."""
    places = {}
    for line in re.findall(r"^COPY (.*)$", CONTAINERFILE, re.MULTILINE):
        *names, place = line.split()
        for name in names:
            places[name] = place + name if place.endswith("/") else place
    return places


def variables() -> dict[str, str]:
    return dict(re.findall(r"^ENV (\w+)=(.*)$", CONTAINERFILE, re.MULTILINE))


def test_both_forms_of_the_recipe_say_the_same():
    assert dict(line.split() for line in section("files")) == copied()
    assert section("post") == re.findall(r"^RUN (.*)$", CONTAINERFILE, re.MULTILINE)
    assert len(section("post")) == 1
    told = dict(re.findall(r"export (\w+)=(.*)", "\n".join(section("environment"))))
    plain = {key: re.sub(r'^"\$\{\w+:-(.*)\}"$', r"\1", text) for key, text in told.items()}
    assert plain == variables()
    base = re.search(r"^From: (.*)$", DEFINITION, re.MULTILINE)
    assert base and f"ARG BASE={base[1]}\n" in CONTAINERFILE
    words = IN_ROOTFS.read_text()
    assert dict(re.findall(r"--setenv (\w+) (\S+)", words)).items() >= variables().items()


def test_the_page_names_what_is_there_and_its_commands_can_be_read(tmp_path):
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    shell = "".join(text for kind, text in blocks if kind == "sh")
    run("bash", "-n", "-c", shell, cwd=tmp_path)
    for line in re.findall(r"^make -C code .*$", shell, re.MULTILINE):
        run(*line.split(), "--dry-run", cwd=REPOSITORY)
    for name in re.findall(r"code/container/[\w.-]+", PAGE):
        assert (REPOSITORY / name).exists(), name
    assert "containers-run -n cordstudy" in shell and comparison().startswith("code/study compare")
    [toml] = [text for kind, text in blocks if kind == "toml"]
    (tmp_path / "site.toml").write_text(toml)
    slurm = read_site(tmp_path / "site.toml").slurm
    assert slurm and slurm.wrapper[-1].endswith(".sif")
    cache = f"{variables()['XDG_CACHE_HOME']}/datalad"
    assert slurm.wrapper[-2].endswith(f":{cache}") and cache in IN_ROOTFS.read_text()


def test_what_is_copied_is_there_and_enough_to_name_the_environment(tmp_path):
    for name, place in copied().items():
        source, target = REPOSITORY / "code" / name, tmp_path / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    told = run(tmp_path / "opt/cordstudy/code/study", "env", cwd="/").stdout
    assert told == run(REPOSITORY / "code/study", "env", cwd="/").stdout
    run("make", "-s", "-C", tmp_path / "opt/cordstudy/code", "env", cwd="/")


def clone_of_this(folder: Path) -> Path:
    git(REPOSITORY, "clone", "-q", "--shared", REPOSITORY, folder)
    git(folder, "config", "user.name", "Tester")
    git(folder, "config", "user.email", "tester@example.org")
    return folder


def image_of_this_machine() -> str:
    """The words that run a command as in the image: the system is this machine's, /opt what the
    recipe makes of it, with the environment that is made here."""
    cache = Path(run(REPOSITORY / "code/study", "env", cwd="/").stdout.strip()).parents[1]
    walls = ["bwrap", "--dev-bind / / --tmpfs /opt", f"--ro-bind {cache}"]
    walls += ["/opt/cordstudy/cache/cordstudy", "--dir /opt/cordstudy/cache/datalad"]
    return " ".join([*walls, "--remount-ro /opt", str(IN_ROOTFS), "/"])


def comparison() -> str:
    """The recorded command that compares the models, but for where it writes. It reads tables that
    are in git."""
    text = git(
        REPOSITORY, "log", "-1", "--format=%B", "--grep=^.DATALAD RUNCMD. Compare the models"
    )
    found = re.search(r'^ "cmd": "(.*)",$', text, re.MULTILINE)
    assert found and f"--out {EVALUATION} " in found[1]
    return found[1].replace(f"--out {EVALUATION} ", "--out other ")


def recorded(clone: Path, words: str) -> dict[str, str]:
    """What `datalad containers-run` records of a step in an image that these words run."""
    (clone / "image.txt").write_text("stands for the image\n")
    commit(clone, "test: add an image", "image.txt")
    quiet = ("datalad", "-l", "error")
    call = ("-i", "image.txt", "--call-fmt", f"{words} {{cmd}}")
    run(*quiet, "containers-add", "cordstudy", *call, cwd=clone)
    step = comparison()
    argv = ["-n", "cordstudy", "-m", "Contained", "-i", f"{EVALUATION}/cases.tsv", "-o", "other"]
    run(*quiet, "containers-run", *argv, step, cwd=clone)
    assert git(clone, "status", "--porcelain") == ""
    [(commit_id, record)] = [entry for subject, entry in records_of(clone).items()]
    assert commit_id == git(clone, "rev-parse", "HEAD")
    assert record["extra_inputs"] == ["image.txt"] and record["cmd"] == f"{words} {step}"
    return {path.name: path.read_text() for path in (clone / "other").iterdir()}


@walled
def test_a_study_finds_the_environment_in_the_image_and_makes_nothing(tmp_path):
    clone = clone_of_this(tmp_path / "clone")
    made = "make -s --no-print-directory -C code env"
    script = f"code/study env && code/study split --help && {made} && touch /opt/x"
    words = [*image_of_this_machine().split(), "sh", "-c", script]
    told = run(*words, cwd=clone, check=False, XDG_CACHE_HOME="", HOME=str(tmp_path))
    own = run(REPOSITORY / "code/study", "env", cwd="/").stdout.strip()
    place = f"/opt/cordstudy/cache/cordstudy/tools/{Path(own).name}"
    assert told.stdout.startswith(f"{place}\nUsage: code/study split")
    assert told.stdout.endswith(f"environment: {place}\n") and "making" not in told.stdout
    assert "Read-only file system" in told.stderr.splitlines()[-1]


@walled
def test_a_step_in_the_image_is_recorded_and_gives_the_recorded_bytes(tmp_path):
    clone = clone_of_this(tmp_path / "clone")
    check_same(recorded(clone, image_of_this_machine()))


def check_same(made: dict[str, str]) -> None:
    assert len(made) > 5
    for name, text in made.items():
        assert text == (REPOSITORY / EVALUATION / name).read_text(), name


@walled
@pytest.mark.slow
@pytest.mark.skipif(not BASE, reason="minutes and 3 GB: name a Debian's tar in CORDSTUDY_TEST_BASE")
@pytest.mark.skipif(not shutil.which("buildah"), reason="buildah is not there")
def test_the_image_that_buildah_makes_records_a_step(tmp_path):
    wheels = os.environ.get("CORDSTUDY_TEST_WHEELS")
    given = ["--volume", f"{wheels}:/wheels:ro"] if wheels else []
    container = run("buildah", "from", "scratch", cwd=tmp_path).stdout.strip()
    run("buildah", "add", "-q", container, BASE, "/", cwd=tmp_path)
    run("buildah", "commit", "-q", "--rm", container, "cordstudy-base", cwd=tmp_path)
    argv = ["--isolation=chroot", "--build-arg", "BASE=localhost/cordstudy-base", *given]
    argv += ["-f", "code/container/Containerfile", "-t", "cordstudy", "code"]
    run("buildah", "build", *argv, cwd=REPOSITORY)
    made = run("buildah", "from", "--pull-never", "cordstudy", cwd=tmp_path).stdout.strip()
    try:
        root = run("buildah", "mount", made, cwd=tmp_path).stdout.strip()
        clone = clone_of_this(tmp_path / "clone")
        told = run(IN_ROOTFS, root, "code/study", "env", cwd=clone).stdout
        assert told.startswith("/opt/cordstudy/cache/cordstudy/tools/")
        check_same(recorded(clone, f"{IN_ROOTFS} {root}"))
    finally:
        run("buildah", "rm", made, cwd=tmp_path)
