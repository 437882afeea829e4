"""What surrounds a command changes nothing: environment, settings of a user, place.

Nor does a command change what surrounds it: another repository.
"""

import errno
import hashlib
import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from cordstudy.base.errors import machine_fault
from cordstudy.base.tables import write_file
from cordstudy.cli import readiness
from helpers import REPOSITORY, copied, digests, git, log_of, run

ODD = 'it\'s a "st$udy" (1) {x} ü'


@pytest.fixture(scope="module")
def cache() -> str:
    """The cache folder with the environment, whatever HOME a test gives."""
    return str(
        Path(run(REPOSITORY / "code/study", "env", cwd=REPOSITORY).stdout.strip()).parents[2]
    )


STEERING = {
    "GIT_DIR": "{other}/.git",
    "GIT_WORK_TREE": "{other}",
    "GIT_INDEX_FILE": "{other}/.git/index",
    "GIT_COMMON_DIR": "{other}/.git",
    "GIT_OBJECT_DIRECTORY": "{other}/.git/objects",
    "GIT_NAMESPACE": "other",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ICASE_PATHSPECS": "1",
    "GIT_CEILING_DIRECTORIES": "/",
    "GIT_DEFAULT_HASH": "sha256",
    "GIT_EXTERNAL_DIFF": "false",
    "GIT_ATTR_SOURCE": "nowhere",
    "PYTHONHOME": "/nowhere",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": "{other}",
    "PYTHONUTF8": "0",
    "LC_ALL": "C",
    "HOME": "",
    "XDG_CACHE_HOME": "relative",
}


NOTE = readiness.NOTE.partition("code/study")[0]


def beside_the_note(stderr: str) -> str:
    """What is said but that the clone is not set up; the command for that is told as one types it
    in the working folder."""
    return "".join(line for line in stderr.splitlines(True) if not line.startswith(NOTE))


@pytest.fixture(scope="module")
def plain() -> tuple[int, str]:
    """What `status` of this repository says, and how it ends."""
    told = run(REPOSITORY / "code/study", "status", cwd=REPOSITORY, check=False)
    assert told.stdout and not beside_the_note(told.stderr)
    return told.returncode, told.stdout


ALONE = ("GIT_DIR", "GIT_INDEX_FILE", "PYTHONHOME", "PYTHONWARNINGS", "HOME")


@pytest.mark.parametrize(
    "names", [tuple(STEERING), *((name,) for name in ALONE)], ids=lambda names: names[-1]
)
def test_variables_that_steer_git_or_python_change_neither_what_is_told_nor_another_repository(
    plain, cache, tmp_path, names
):
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", "other")
    (other / "click.py").write_text("raise SystemExit('another click')\n")
    git(other, "add", ".")
    before = digests(other)
    env = {name: STEERING[name].format(other=other) for name in names}
    if "XDG_CACHE_HOME" not in names:
        env["XDG_CACHE_HOME"] = cache
    elif pwd.getpwuid(os.getuid()).pw_dir + "/.cache" != cache:
        pytest.skip("the environment is not in this user's own cache folder")
    told = run(REPOSITORY / "code/study", "status", cwd=other, check=False, **env)
    assert (told.returncode, told.stdout) == plain and not beside_the_note(told.stderr)
    assert digests(other) == before


def test_replaced_commits_and_grafts_are_not_followed_and_git_says_nothing_of_it(tmp_path):
    git(tmp_path, "init", "-q", "-b", "main", "x")
    for message in ("true", "forged"):
        git(
            tmp_path / "x",
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@y",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            message,
        )
    git(tmp_path / "x", "replace", "HEAD~1", "HEAD")
    (tmp_path / "x/.git/info/grafts").write_text(git(tmp_path / "x", "rev-parse", "HEAD") + "\n")
    told = run(REPOSITORY / "code/study", "exec", "git", "log", "--format=%s", cwd=tmp_path / "x")
    assert (told.stdout, told.stderr) == ("forged\ntrue\n", "")


def test_settings_of_git_that_a_user_gives_on_purpose_stay():
    given = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.name",
        "GIT_CONFIG_VALUE_0": "Somebody",
    }
    told = run(
        REPOSITORY / "code/study", "exec", "git", "config", "user.name", cwd=REPOSITORY, **given
    )
    assert told.stdout == "Somebody\n"


def test_a_missing_home_is_that_of_the_passwd_database(cache):
    env = {name: value for name, value in os.environ.items() if name != "HOME"} | {
        "XDG_CACHE_HOME": cache
    }
    argv = [REPOSITORY / "code/study", "exec", "sh", "-c", 'echo "$HOME"']
    assert (
        subprocess.check_output(argv, env=env, text=True).strip()
        == pwd.getpwuid(os.getuid()).pw_dir
    )


def test_the_launcher_finds_its_environment_from_a_repository_of_another_kind(tmp_path):
    git(tmp_path, "init", "-q", "--object-format=sha256", "other")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/.git").write_text("no repository")
    expected = run(REPOSITORY / "code/study", "env", cwd=REPOSITORY).stdout
    for name in ("other", "broken"):
        assert run(REPOSITORY / "code/study", "env", cwd=tmp_path / name).stdout == expected


def test_a_link_to_the_launcher_stands_for_it(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/absolute").symlink_to(REPOSITORY / "code/study")
    (tmp_path / "relative").symlink_to("bin/absolute")
    expected = run(REPOSITORY / "code/study", "env", cwd=REPOSITORY).stdout
    for path in ("bin/absolute", "relative"):
        assert run(tmp_path / path, "env", cwd="/").stdout == expected
        assert "Usage" in run(tmp_path / path, "--help", cwd="/").stdout


@pytest.mark.parametrize("given", ["", "/nowhere", "relative", "{folder}/file", "{folder}"])
def test_a_temporary_folder_that_is_none_does_not_reach_git_annex(tmp_path, given):
    (tmp_path / "file").write_text("")
    (tmp_path / "relative").mkdir()
    env = {"TMPDIR": given.format(folder=tmp_path)}
    told = run(
        REPOSITORY / "code/study", "exec", "sh", "-c", 'echo "${TMPDIR-none}"', cwd=tmp_path, **env
    ).stdout
    assert told == (f"{tmp_path}\n" if given == "{folder}" else "none\n")


@pytest.mark.skipif(not shutil.which("bwrap"), reason="needs a disk for reading only: bubblewrap")
def test_where_no_temporary_folder_can_be_written_that_is_the_error(tmp_path):
    walls = ("bwrap", "--ro-bind", "/", "/", "--dev", "/dev")
    failed = run(*walls, REPOSITORY / "code/study", "status", cwd=tmp_path, check=False)
    if "bwrap:" in failed.stderr:
        pytest.skip("bubblewrap cannot run here")
    assert failed.returncode == 3 and failed.stderr.startswith(
        "error: no folder for temporary files may be written"
    )
    nowhere = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")
    assert "no folder for temporary files" in str(machine_fault(nowhere, ["study", "status"]))


def test_a_cache_in_a_folder_with_a_colon_is_refused_where_it_is_named(tmp_path):
    for words in (("env",), ("status",)):
        failed = run(
            REPOSITORY / "code/study",
            *words,
            cwd=tmp_path,
            check=False,
            XDG_CACHE_HOME=str(tmp_path / "a:b"),
        )
        assert (
            failed.returncode == 3
            and "holds a colon" in failed.stderr
            and "hint: export XDG" in failed.stderr
        )
    failed = run(
        "python3",
        REPOSITORY / "code/environment.py",
        cwd=tmp_path,
        check=False,
        XDG_CACHE_HOME=str(tmp_path / "a:b"),
    )
    assert (
        failed.returncode == 3 and "Traceback" not in failed.stderr and not list(tmp_path.iterdir())
    )


def test_the_package_starts_in_a_folder_with_a_colon_and_its_processes_find_it(tmp_path):
    folder = tmp_path / "a:b"
    git(REPOSITORY, "clone", "-q", "--shared", REPOSITORY, folder)
    write_file(folder / "code/src/cordstudy/pipeline/raw/spawn.py", SPAWNING)
    assert run(folder / "code/study", "spawn", cwd=tmp_path).stdout == f"{folder}\n"
    git(folder, "checkout", "-q", ".")
    assert "Usage" in run(folder / "code/study", "--help", cwd=tmp_path).stdout
    asked = (folder / "code/study", "--study", "full", "status")
    status = run(*asked, cwd=tmp_path, check=False)
    assert status.returncode == 1 and "missing" in status.stdout
    assert not beside_the_note(status.stderr) and "a:b/code/study --study full" in status.stderr


SPAWNING = """\
import multiprocessing
from pathlib import Path

import click


def where(_):
    return str(Path(__file__).parents[5])


@click.command("spawn")
def command():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(*pool.map(where, [0]))
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """A clone of this repository in a folder of an odd name, which tells instead of running."""
    folder = tmp_path_factory.mktemp("odd") / ODD
    git(REPOSITORY, "clone", "-q", "--shared", REPOSITORY, folder)
    launcher = folder / "code/study-tools.sh"
    lines = launcher.read_text().splitlines()
    launcher.write_text("\n".join([*lines[:-1], 'printf \'%s\\n\' "$code" "$@"\n']))
    git(folder, "-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qam", "test: tell")
    return folder


@pytest.mark.parametrize("given", ["demo", "a b", "it's $HOME {y}", "absolute"])
def test_make_demo_takes_any_name_of_a_folder_in_any_place(odd, tmp_path, given):
    place = tmp_path / "x y" if given == "absolute" else odd / given
    told = run(
        "make",
        "-C",
        odd / "code",
        "demo",
        "JOBS=3",
        f"STUDY={place if given == 'absolute' else given}",
        cwd=tmp_path,
    )
    assert told.stdout.splitlines()[-5:-1] == [str(place / "code"), "reproduce", "--jobs", "3"]
    assert (place / ".git").exists()


def test_make_works_with_a_cache_in_a_folder_with_a_space(odd, cache, tmp_path):
    (tmp_path / "my cache").mkdir()
    (tmp_path / "my cache/cordstudy").symlink_to(f"{cache}/cordstudy")
    told = run(
        "make",
        "-C",
        odd / "code",
        "env",
        cwd=tmp_path,
        XDG_CACHE_HOME=str(tmp_path / "my cache"),
        PYTHONHOME="/nowhere",
        GIT_DIR="/nowhere",
    )
    assert f"environment: {tmp_path}/my cache/cordstudy/tools/" in told.stdout
    run(
        "make",
        "-C",
        odd / "code",
        "test",
        "ARGS=--version",
        cwd=tmp_path,
    )


RC = "font.size: 31\naxes.facecolor: red\nsvg.fonttype: none\nfigure.dpi: 33\nbackend: pdf\n"
HOSTILE = {
    "MPLBACKEND": "svg",
    "MATPLOTLIBRC": "{home}/rc",
    "MPLCONFIGDIR": "{home}/.config/matplotlib",
    "LC_ALL": "C",
    "LANG": "tr_TR.UTF-8",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "latin-1",
    "TZ": "Asia/Kathmandu",
    "COLUMNS": "20",
    "LINES": "3",
    "TERM": "dumb",
    "OMP_NUM_THREADS": "7",
    "MKL_CBWR": "AVX2",
    "nnUNet_def_n_proc": "x",
    "nnUNet_n_proc_DA": "5",
    "nnUNet_raw": "/nowhere",
    "nnUNet_compile": "t",
    "TORCH_LOGS": "nonsense",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    "IPYTHONDIR": "{home}/.ipython",
    "JUPYTER_CONFIG_DIR": "{home}/.jupyter",
    "JUPYTER_PATH": "{home}/jupyter",
    "PYTHONSTARTUP": "{home}/startup.py",
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory, cache) -> dict[str, str]:
    """The environment of a user with settings for everything."""
    home = tmp_path_factory.mktemp("home")
    for path in ("rc", ".config/matplotlib/matplotlibrc"):
        write_file(home / path, RC)
    write_file(home / "startup.py", "raise SystemExit('startup')\n")
    profile = home / ".ipython/profile_default"
    write_file(
        profile / "startup/50.py", "import pandas\npandas.set_option('display.precision', 9)\n"
    )
    write_file(profile / "ipython_kernel_config.py", "c.InlineBackend.figure_formats = ['svg']\n")
    write_file(home / ".jupyter/jupyter_config.json", '{"ExecutePreprocessor": {"timeout": 0}}')
    told = {name: value.format(home=home) for name, value in HOSTILE.items()}
    return told | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": cache,
    }


SUBJECTS = {
    "split": "Split the participants of 3 datasets, seed 3",
    "convert": "Convert inspired to nnU-Net raw",
    "plan": "Plan general",
    "predict": "Predict 3 test sets with general",
    "evaluate": "Judge every prediction",
    "report": "Write the report",
    "notebook": "Execute the notebook",
}


@pytest.mark.parametrize("step", SUBJECTS)
def test_a_step_gives_its_recorded_bytes_whatever_its_user_has_set_in_a_folder_of_any_name(
    tiny, tmp_path, hostile, step
):
    folder = copied(tiny, tmp_path / "a:b c" / "study")
    (folder / "matplotlibrc").write_text(RC)
    _, record = log_of(folder)[SUBJECTS[step]]
    outputs = [path for glob in record["outputs"] for path in folder.glob(glob)]
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in outputs}
    for path in outputs:
        path.unlink()
    run("sh", "-c", f"umask 077; {record['cmd']}", cwd=folder, **hostile)
    assert (
        outputs
        and {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in outputs} == before
    )
