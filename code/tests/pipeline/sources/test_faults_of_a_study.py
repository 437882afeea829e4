"""What a study's TOML must not ask of a source: one clear error each, with its key, and nothing
written."""

import pytest

from damages import twice
from small_source import FOLLOW, SOURCE, TOML, add, refused

PARTS = "participant_id\tsplit\nsub-a1\ttrain\nsub-a2\tval\nsub-b1\ttest\n"
FAULTS = {
    "no such image": (
        lambda t: t.replace("anat/T2w", "anat/T3w"),
        "no participant has an image anat/T3w.nii.gz",
    ),
    "no such session": (
        add('session = "ses-2"'),
        "no participant has an image anat/T2w.nii.gz in ses-2",
    ),
    "unknown participant": (
        add('exclude = [{ participants = ["sub-z9"], reason = "x", source = "y" }]'),
        "small.exclude: sub-z9 is not in inputs/source/participants.tsv",
    ),
    "unknown image": (
        add('exclude = [{ images = ["sub-a1_T1w"], reason = "x", source = "y" }]'),
        "there is no image sub-a1_T1w in inputs/source",
    ),
    "exclusion without a reason": (
        add('exclude = [{ participants = ["sub-a1"], source = "y" }]'),
        "exclude.#1.reason: this key or section is missing",
    ),
    "no such list": (
        add("exclude_file = { path = 'none.yml', keys = { motion = 'all' } }"),
        "there is no ",
    ),
    "no such key": (add(FOLLOW % "blur"), "no list under the key 'blur'"),
    "list about other images": (
        add("exclude_file = { keys = { motion = ['anat/T1w'] } }"),
        "exclude_file.keys.motion: anat/T1w is not among images",
    ),
    "unknown label origin": (
        add('label_origins = ["guessed"]'),
        'label_origins: "manual", "corrected"',
    ),
    "unknown field of a mask": (
        lambda t: t.replace("{stem}", "{image}"),
        "may have the fields {stem} and {subject}",
    ),
    "unknown stratum": (
        lambda t: t.replace("folds = 2", 'folds = 2\nstratify = ["height"]'),
        'split.stratify: "vendor"',
    ),
    "too many folds": (
        lambda t: t.replace("folds = 2", "folds = 9"),
        "has no participant: 3 to train on are too few",
    ),
    "no access told": (
        lambda t: t.replace('licence = "CC0"\n', ""),
        "needs one of licence (public), ask (private)",
    ),
    "a rule of persons that is none": (
        add("person = 'a('"),
        "datasets.small.person: 'a(' is no regul",
    ),
    "a rule of persons about nobody": (
        add("person = 'sub-([0-9]+)'"),
        "matches no participant's id, such as sub-a1",
    ),
    "no such column of persons": (
        add("columns = { person = 'who' }"),
        "inputs/source/participants.tsv: no column 'who'",
    ),
    "no published split": (add('split = "code/none.tsv"'), "there is no code/none.tsv"),
    "participant not in the published split": (
        add('split = "code/short.tsv"'),
        "no row for sub-b2 (1 of 4",
    ),
    "unknown part in the published split": (
        add('split = "code/odd.tsv"'),
        "line 2: sub-a1 has the split 'training'",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_study_is_one_error_with_key_and_changes_nothing(converted, name):
    change, said = FAULTS[name]
    (converted / "code/short.tsv").write_text(PARTS)
    (converted / "code/odd.tsv").write_text(PARTS.replace("train", "training"))
    toml = change(TOML)
    assert toml != TOML
    assert said in str(refused(converted, toml))


def test_a_rule_with_its_entities_in_another_order_than_the_files_is_an_error(converted):
    twice(converted / SOURCE)
    (converted / SOURCE / "sub-a1/anat/sub-a1_run-1_acq-x_T2w.nii.gz").unlink()
    toml = TOML.replace("anat/T2w", "anat/run-1_acq-x_T2w")
    assert "in another order" in str(refused(converted, toml))
