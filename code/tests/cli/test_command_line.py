"""What every command tells a person: its help, near names, hints that work as they stand."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cordstudy.base.errors import StudyError
from cordstudy.cli import groups, here, inputs, main, readiness, recompute
from cordstudy.study.closure import commands
from helpers import REPOSITORY, git, run, study

SITE = "cordstudy.cli.here.SITE"
SUMMARY = "derivatives/phantom/evaluation/summary.tsv"


@pytest.fixture(autouse=True)
def no_site(monkeypatch, tmp_path) -> Path:
    """A site.toml of this test's own; there is none at first."""
    path = tmp_path / "site.toml"
    monkeypatch.setattr(here, "SITE", path)
    return path


def asked(*words: str) -> Result:
    """The command line in this process."""
    return CliRunner().invoke(main.cli, list(words), prog_name="code/study")


def refused(*words: str) -> StudyError:
    """Its error."""
    error = asked(*words).exception
    assert isinstance(error, StudyError), (words, error)
    return error


def tree(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it, with the words that call it."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            if not below.hidden:
                yield from tree(below, *words, name)


def step_help(module: str) -> str:
    """What a step command says of itself, without importing it: that takes long."""
    path = REPOSITORY.joinpath("code/src", *module.split(".")).with_suffix(".py")
    nodes = ast.parse(path.read_text()).body
    told = [ast.get_docstring(one) for one in nodes if getattr(one, "name", "") == "command"]
    return told[0] or ""


def test_every_command_has_an_example_that_it_understands():
    known = dict(tree(main.cli))
    for name, module in commands().items():
        assert "Example:" in step_help(module), name
    for words, command in known.items():
        told = command.help or ""
        lines = (told + (command.epilog or "")).splitlines()
        examples = [line.strip() for line in lines if line.strip().startswith("code/study ")]
        assert examples or words == (), f"code/study {' '.join(words)} has no example"
        for example in examples:
            understood(example, known)


def understood(example: str, known: dict[tuple[str, ...], click.Command]) -> None:
    """Fail where a line of help has a command or an option that there is none of."""
    line = example.partition("   ")[0].partition(" | ")[0].partition(" > ")[0]
    words = shlex.split(line.rstrip("\\"))[1:]
    if words[0] == "--study":
        words = words[2:]
    name: tuple[str, ...] = (words[0],)
    if tuple(words[:2]) in known:
        name = tuple(words[:2])
    assert name in known, example
    options = {one for parameter in known[name].params for one in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("-")} <= options, example


def test_no_summary_is_cut():
    for words, command in tree(main.cli):
        if isinstance(command, click.Group):
            listed = asked(*words, "--help").output.partition("\nCommands:")[2]
            assert listed and "..." not in listed.partition("\n  Examples")[0]
    assert "safetensors, a card" in " ".join(asked("--help").output.split()), "of `package`"


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("--study", "publik", "status"), "'public'"),
        (("run", "predict:genral"), "'predict:general'"),
        (("cases", "--dataset", "inspird"), "'inspired'"),
        (("inputs", "get", "EPI"), "'epi'"),
        (("segment", "README.md", "--model", "genral", "--out", "x"), "'general'"),
        (("bids-derivative", "--model", "genral", "--testset", "epi", "--out", "x"), "'general'"),
    ],
)
def test_a_name_that_is_near_is_told(monkeypatch, words, near):
    monkeypatch.chdir(REPOSITORY)
    assert refused(*words).hint.startswith(f"did you mean {near}?")
    assert not Path("x").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stauts",), "Did you mean one of: 'results', 'status'?"),
        (("train:general:fold0",), "is a step: code/study run train:general:fold0"),
        (("status", "--jsn"), "Did you mean '--json'?"),
    ],
)
def test_a_command_or_option_that_is_near_is_told(words, said):
    done = asked(*words)
    assert done.exit_code == 2 and said in done.output


def test_a_study_is_no_path_and_may_be_named_behind_the_command_too(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    for name in ("../phantom", "/etc/passwd", "", "phantom.toml"):
        assert "there is no study" in str(refused("--study", name, "space"))
        assert "there is no study" in str(refused("audit", "--all", "--study", name))
    for words in (("--study", "public", "results"), ("results", "--study", "public")):
        told = refused(*words)
        assert "derivatives/public/" in str(told) and told.hint == "code/study --study public run"


def test_the_default_study_is_what_site_toml_says(monkeypatch, no_site):
    monkeypatch.chdir(REPOSITORY)
    assert here.called("phantom", "status") == "code/study status"
    no_site.write_text('study = "public"\n')
    assert "derivatives/public/" in str(refused("results"))
    assert here.called("phantom", "status") == "code/study --study phantom status"
    assert here.called("public", "status") == "code/study --study public status"
    no_site.write_text('study = "../public"\n')
    assert "site.toml: study: there is no study" in str(refused("results"))


@pytest.mark.parametrize(
    ("device", "said"),
    [("gpu", 'a GPU is "cuda"'), ("cuda:x", 'compute on "cpu", "cuda"'), ("mps", '"cpu"')],
)
def test_a_device_that_is_none_is_refused_where_it_is_read(no_site, device, said):
    no_site.write_text(f'device = "{device}"\n')
    error = refused("run", "--dry-run", "split")
    assert f"device: '{device}': steps" in str(error) and said in str(error)


def test_a_hint_works_as_it_stands(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    hint = "code/study run train:a; or code/study recompute on; not my/code/study run"
    told = "code/study --study full run train:a; or code/study recompute on; not my/code/study run"
    assert here.typed(hint, "full") == told
    assert here.typed(told, "full") == told and here.typed(hint, "phantom") == hint
    monkeypatch.chdir(REPOSITORY / "code")
    assert here.typed("code/study run", "full") == "./study --study full run"
    monkeypatch.chdir(REPOSITORY / "code/docs")
    assert here.typed("code/study run", "phantom") == "../study run"


def test_a_path_is_one_from_where_one_stands(monkeypatch, tmp_path):
    folder = REPOSITORY / SUMMARY
    for place, told in (
        (REPOSITORY, SUMMARY),
        (REPOSITORY, f"./{SUMMARY}"),
        (folder.parent, folder.name),
        (folder.parent, SUMMARY),  # as the report has it
        (tmp_path, str(folder)),
    ):
        monkeypatch.chdir(place)
        assert here.path_in(REPOSITORY, told) == SUMMARY
    monkeypatch.chdir(folder.parent)
    assert here.path_in(REPOSITORY, "../evaluation/") == str(Path(SUMMARY).parent)
    assert SUMMARY in asked("audit", "summary.tsv", "--depth", "0").output


def test_a_folder_is_answered_for_and_a_file_of_people_is_told_as_such(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    told = asked("audit", str(Path(SUMMARY).parent), "--depth", "0")
    assert told.exit_code == 0 and "Compare the models …" in told.output
    assert "Judge every prediction …" in told.output and "the chain is whole" in told.output
    by_hand = asked("audit", "LICENSE").output
    assert "no run made it: committed by hand as" in by_hand and "chain" not in by_hand
    assert "they are committed by hand" in asked("audit", "inputs").output
    assert "it is of the source inputs/ds005143" in str(refused("audit", "inputs/ds005143/README"))
    assert "no file of" in str(refused("audit", "nowhere"))


def test_the_version_is_told_with_the_commit():
    told = asked("--version").output
    assert told.startswith("code/study ") and git(REPOSITORY, "rev-parse", "HEAD")[:12] in told


def test_a_download_without_history_is_told_as_such(tmp_path):
    run("sh", "-c", f"git archive HEAD code CITATION.cff | tar -x -C {tmp_path}", cwd=REPOSITORY)
    for words in (("status",), ("run", "--jobs", "2"), ("setup",)):
        told = study(tmp_path, *words, check=False)
        error, hint = told.stderr.splitlines()
        assert told.returncode == 1 and "is no git repository" in error and "git clone" in hint
    assert study(tmp_path, "--version").stdout.startswith("code/study ")


def test_who_commits_is_told_where_nobody_told_git(monkeypatch, tmp_path, capsys):
    git(tmp_path, "init", "-q")
    monkeypatch.setattr(readiness, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setenv("USER", "ann")
    for told in ("by ann ann@localhost: git config user.name NAME", ""):
        readiness.settle_who_commits()
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == bool(told) and told in "".join(lines)


def test_sources_that_are_all_out_of_reach_leave_no_others():
    faults = [(name, StudyError("no", hint="ask")) for name in ("a", "b")]
    with pytest.raises(StudyError, match="2 of 3") as some:
        inputs.raise_for_faults(faults, of=3)
    assert some.value.hint == "the other sources are here"
    with pytest.raises(StudyError, match="2 of 2") as all_of_them:
        inputs.raise_for_faults(faults, of=2)
    assert "none" in all_of_them.value.hint
    with pytest.raises(StudyError, match=r"^a: no$") as one:
        inputs.raise_for_faults(faults[:1], of=1)
    assert one.value.hint == "ask"


def test_commands_that_may_run_are_told_by_kind():
    told = ["code/study convert a", "code/study convert b", "sh -c x", "code/study split c"]
    assert recompute._by_kind(told) == [
        ("2", "code/study convert …"),
        ("1", "sh …"),
        ("1", "code/study split …"),
    ]


def test_a_mask_that_is_there_is_replaced_only_by_force(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    image, mask = Path("a.nii.gz"), Path("out/a_seg.nii.gz")
    image.touch()
    assert "no such file" in str(refused("segment", "b.nii.gz", "--out", "out"))
    mask.parent.mkdir()
    mask.write_text("theirs")
    error = refused("segment", "a.nii.gz", "--out", "out")
    assert str(error) == f"{mask} is there already" and "--force" in error.hint
    forced = refused("segment", "a.nii.gz", "--out", "out", "--force", "--model", "nothing")
    assert "no model" in str(forced) and mask.read_text() == "theirs"


def test_names_are_completed():
    script = run(REPOSITORY / "code/study", cwd=REPOSITORY, _CORDSTUDY_COMPLETE="bash_source")
    line = "code/study run predict:spine-gen"
    typed = f"""{script.stdout}
COMP_WORDS=({line}) COMP_CWORD=2
_codestudy_completion code/study
printf '%s\\n' "${{COMPREPLY[@]}}"
complete -p study"""
    done = run("bash", "--norc", "-c", typed, cwd=REPOSITORY).stdout.splitlines()
    assert done[:1] == ["predict:spine-generic"] and done[-1].endswith(" study")
    context = click.Context(main.cli)
    found = groups.complete_study(context, main.cli.params[0], "p")
    assert [item.value for item in found] == ["phantom", "public"]
