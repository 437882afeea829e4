"""The methods paragraph: each number is that of a table, a plan or a record; a gap is marked."""

from __future__ import annotations

import csv
import json
import re
import shlex
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner

from cordstudy.base.errors import StudyError
from cordstudy.cli.methods import methods, written
from cordstudy.cli.paper import data, results, training
from cordstudy.cli.paper.committed import LOCK, Committed
from cordstudy.cli.paper.references import WORKS, References
from cordstudy.provenance.history.index import History
from cordstudy.study.layout import Layout
from cordstudy.study.loading import load_study
from cordstudy.study.models import models_of
from helpers import REPOSITORY, git

PHANTOM = load_study(REPOSITORY, "phantom")
LAYOUT = Layout(PHANTOM)


@pytest.fixture(scope="module")
def recorded() -> Committed:
    committed = Committed(PHANTOM, History(REPOSITORY))
    if "train:general:fold0" not in committed.records:
        pytest.skip("no recorded study: code/study run")
    return committed


@pytest.fixture(scope="module")
def text(recorded: Committed) -> str:
    """The paragraph about the recorded study, each paragraph in one line."""
    return " ".join(written(recorded).split())


@dataclass(frozen=True)
class Held(Committed):
    """A study of which some files are there, and no record."""

    texts: dict[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str:
        return self.texts.get(path, "")


def held(recorded: Committed, **tables: str) -> Held:
    paths = {f"{LAYOUT.evaluation}/{name}.tsv": table for name, table in tables.items()}
    return Held(PHANTOM, recorded.history, paths)


def table(row: dict[str, str]) -> str:
    """A TSV of one row."""
    return "\t".join(row) + "\n" + "\t".join(row.values()) + "\n"


def rows(path: str) -> list[dict[str, str]]:
    """A table of HEAD, read without the code that is tested."""
    content = git(REPOSITORY, "show", f"HEAD:{path}").splitlines()
    return list(csv.DictReader(content, delimiter="\t"))


def test_people_and_images_are_those_of_the_tables_of_cases(text):
    for name in PHANTOM.datasets:
        cases = rows(f"{LAYOUT.raw(name)}/cases.tsv")
        cells = []
        for part in ("train", "test"):
            of_part = [case for case in cases if case["part"] == part]
            cells.append(f"{len({case['person'] for case in of_part})}, {len(of_part)}")
        left_out = len(rows(f"{LAYOUT.raw(name)}/left_out.tsv"))
        assert f"| {name} (synthetic) | {cells[0]} | {cells[1]} | {left_out} |" in text


def test_what_a_model_learned_from_and_what_was_only_watched_are_counted(recorded, text):
    for model in models_of(PHANTOM).values():
        path = f"{LAYOUT.training_set(model)}/cases.tsv"
        if path not in recorded.history.tree:
            continue  # it is to be recorded
        cases = rows(path)
        cases = [case for case in cases if case["part"] == "train"]
        watched = [case for case in cases if case["fold"] == "0"]
        people = [len({(c["dataset"], c["person"]) for c in some}) for some in (cases, watched)]
        assert f"| {people[0]}, {len(cases)} | {people[1]}, {len(watched)} |" in text


def test_results_are_those_of_the_tables(text):
    general = next(iter(models_of(PHANTOM)))
    for row in rows(LAYOUT.summary_table):
        if row["model"] == general:
            counts = f"{row['participants']} | {row['cases']}"
            assert f"| {row['testset']} | {counts} | {float(row['dice']):.3f} |" in text
    for row in rows(f"{LAYOUT.evaluation}/comparisons.tsv"):
        if row.get("role") == "primary":
            difference = f"{float(row['difference']):+.3f}".replace("-", "−")
            assert f"On {row['testset']} (n = {row['subjects']}) the mean Dice" in text
            assert f"{float(row['specific_mean']):.3f}: a difference of {difference} (" in text


def test_versions_are_those_that_the_lock_of_the_records_pins(text):
    record = git(REPOSITORY, "log", "-1", "--format=%H", "--grep", "RUNCMD. Train general,")
    lock = git(REPOSITORY, "show", f"{record}:{LOCK}")
    for package in (*training.LEARNING, *training.JUDGING):
        version = re.search(rf"^{package}==([^ \n]+)", lock, re.MULTILINE)
        assert version and f"{package} {version[1]}" in text


def test_training_is_told_from_commands_and_plans(recorded, text):
    message = git(REPOSITORY, "log", "-1", "--format=%B", "--grep", "RUNCMD. Train general,")
    words = shlex.split(json.JSONDecoder().raw_decode(message[message.index("{") :])[0]["cmd"])
    epochs, batches = (words[words.index(name) + 1] for name in ("--epochs", "--iterations"))
    steps = f"{int(epochs) * int(batches):,}"
    assert f"for {epochs} epochs of {batches} batches ({steps} steps)" in text
    general = models_of(PHANTOM)["general"]
    plans = json.loads(git(REPOSITORY, "show", f"HEAD:{LAYOUT.model(general)}/plans.json"))
    patch = plans["configurations"][PHANTOM.plan.configuration]["patch_size"]
    assert f"patches of {' × '.join(map(str, patch))} voxels" in text


def test_sources_and_commit_are_pinned(recorded, text):
    assert (
        f"at commit {git(REPOSITORY, 'rev-parse', 'HEAD')}: {len(recorded.records)} steps" in text
    )
    for dataset in PHANTOM.datasets.values():
        pin = git(REPOSITORY, "rev-parse", f"HEAD:{dataset.path}")
        assert f"{dataset.path} at {pin[:12]}" in text


def test_the_same_commit_gives_the_same_text_and_all_that_is_cited_is_listed(recorded):
    told = written(recorded)
    assert told == written(recorded)
    cited = {int(n) for mark in re.findall(r"\[([\d, \n]+)\]", told) for n in mark.split(",")}
    listed = [int(n) for n in re.findall(r"^(\d+)\. ", told.split("## References")[1], re.M)]
    assert sorted(cited) == listed == list(range(1, len(listed) + 1))


def test_what_is_not_there_is_marked_and_no_error(recorded):
    for name in ("public", "full"):
        told = written(Committed(load_study(REPOSITORY, name), recorded.history))
        assert "**[not told: how many people" in told and "None" not in told
    assert "[not told: which command" not in told


def test_numbers_that_are_none_are_no_numbers():
    assert results.number("nan").startswith("**[not told") and results.signed("-0.1") == "−0.100"
    assert results.number(None).startswith("**[not told")


def test_both_intervals_and_failures_are_told_where_the_tables_have_them(recorded):
    row = {
        "family": "general",
        "role": "primary",
        "model": "general",
        "testset": "epi",
        "specific": "inspired",
        "subjects": "12",
        "difference": "0.05",
        "level": "0.975000",
        "low": "-0.2",
        "high": "0.3",
        "low_seen": "0.01",
        "high_seen": "0.09",
        "p_adjusted": "0.0002",
    }
    summary = {
        "model": "general",
        "testset": "epi",
        "participants": "12",
        "cases": "24",
        "dice": "0.9",
        "dice_median": "0.91",
        "dice_q1": "0.88",
        "dice_q3": "nan",
        "failed": "1",
        "failure_low": "0.002",
        "failure_high": "0.385",
    }
    committed = held(recorded, comparisons=table(row), summary=table(summary))
    (only,) = results.comparisons(committed, "primary")
    assert only.interval == (
        "97.5 % interval +0.010 to +0.090; allowing for failures that were not seen, −0.200 to "
        "+0.300"
    )
    assert only.p == "adjusted p < 0.001"
    assert not results.comparisons(committed, "secondary")
    few = row | {"low_seen": "nan", "high_seen": "nan", "p_adjusted": "nan"}
    (only,) = results.comparisons(held(recorded, comparisons=table(few)), "primary")
    assert only.told == results.TOO_FEW
    (told,) = results.summaries(committed, "general")
    assert (told.failed, told.rate) == ("1", "0 to 38 %")
    assert told.median == "0.910 (0.880 to **[not told: a number]**)"
    assert "flipping the signs" in results.tests(committed, References())


def test_what_is_kept_of_masks_is_as_each_model_chose(recorded):
    texts = {}
    for model, choice in (("general", "all components"), ("inspired", "largest")):
        folder = LAYOUT.replicate(models_of(PHANTOM)[model], 1)
        texts[f"{folder}/{training.POSTPROCESSING}"] = json.dumps({"keep": choice})
    told = training.kept(Held(PHANTOM, recorded.history, texts))
    assert told == [("all components", ["general"]), ("largest", ["inspired"])]


def test_people_are_told_of_by_source_and_part_where_a_table_counts_them(recorded):
    lines = [
        "dataset\tpart\tcharacteristic\tvalue\tpersons\timages",
        "epi\ttest\tall\tall\t8\t9",
        "epi\ttest\tage median\t41.0\t7\t8",
        "epi\ttest\tage lowest\t20.0\t7\t8",
        "epi\ttest\tage highest\t63.0\t7\t8",
        "epi\ttest\tsex\tF\t5\t6",
        "epi\ttest\tsex\tn/a\t3\t3",
        *(f"epi\ttest\tsite\t{name}\t1\t1" for name in "abcde"),
    ]
    (group,) = data.groups(held(recorded, cohort="\n".join(lines)))
    assert (group.people, group.age) == ("8", "41.0 (20.0 to 63.0)")
    told = dict(zip(data.TOLD_OF, group.told, strict=True))
    assert told["sex"] == "F: 5, n/a: 3" and told["site"] == "5 values"
    assert told["vendor"] == data.NOT_KNOWN
    assert not data.groups(held(recorded))


def test_limits_of_agreement_are_told_where_there_are_enough_people(recorded):
    row = {
        "model": "general",
        "testset": "epi",
        "subjects": "8",
        "not_found": "1",
        "bias": "-1.26",
        "lower": "-9.0",
        "upper": "6.4",
    }
    (told,) = results.agreements(held(recorded, agreement=table(row)), "general")
    assert (told.bias, told.limits, told.not_found) == ("−1.3", "−9.0 to +6.4", "1")
    few = row | {"bias": "nan", "lower": "nan", "upper": "nan"}
    (told,) = results.agreements(held(recorded, agreement=table(few)), "general")
    assert (told.bias, told.limits) == ("not known", "too few people")


def test_leakage_is_told(recorded):
    header = "model\tfold\tagainst\tcompared\tn_train\tn_against\tn_hits\thits"
    clean = "general\tn/a\ttest: epi\tsubject\t9\t8\t0\tnone"
    assert "found nothing on both sides" in results.hits(
        held(recorded, leakage=f"{header}\n{clean}")
    )
    leaking = clean.replace("\t0\tnone", "\t1\tsub-1")
    told = results.hits(held(recorded, leakage=f"{header}\n{leaking}"))
    assert told == "**the same was on both sides**: general (test: epi, by subject)"
    assert results.hits(held(recorded)).startswith("**[not told")


def test_what_others_wrote_into_a_table_steers_nothing(recorded):
    path = f"{LAYOUT.raw('epi')}/left_out.tsv"
    committed = Held(PHANTOM, recorded.history, {path: "reason\n\x1b[31mred\u202e\n"})
    ((reason, count),) = data.reasons(committed)
    assert count == 1 and not {"\x1b", "\u202e"} & set(reason)


def test_a_broken_parameter_file_is_named(recorded):
    committed = Held(PHANTOM, recorded.history, {LAYOUT.judging: '{"study": 1}'})
    with pytest.raises(StudyError, match=re.escape(LAYOUT.judging)):
        results.settings(committed)


def test_works_are_numbered_as_they_are_cited():
    references = References()
    assert references.cite("nsd") == "[1]" and references.cite("dice", "nsd") == "[2, 1]"
    assert [line[:3] for line in references.listed()] == ["1. ", "2. "]
    assert all(work.endswith((".", *"0123456789")) or "doi:" in work for work in WORKS.values())


def test_help_has_an_example():
    assert "code/study methods > methods.md" in CliRunner().invoke(methods, ["--help"]).output
