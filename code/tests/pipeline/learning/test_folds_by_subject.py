"""The folds of a model: those of its participants."""

import json

from cordstudy.pipeline.learning.plan import subject_folds


def test_all_images_of_a_subject_lie_in_one_fold(tmp_path):
    names = [f"sub-{number:03d}" for number in range(6)]
    lines = ["case_id\tparticipant_id\tpart\tfold"]
    for number, name in enumerate(names):
        for contrast in ("T1w", "T2w"):
            lines.append(f"{name}_{contrast}\t{name}\ttrain\t{number % 2}")
    (tmp_path / "cases.tsv").write_text("\n".join(lines) + "\n")
    folds = subject_folds(tmp_path / "cases.tsv", 2)
    assert len(folds) == 2
    for fold in folds:
        train = {case.split("_")[0] for case in fold["train"]}
        held_out = {case.split("_")[0] for case in fold["val"]}
        assert not train & held_out
        assert train | held_out == set(names)


def test_the_folds_that_nnunet_is_given_share_no_subject(tiny):
    tables = list((tiny / "models/tiny").rglob("splits_final.json"))
    assert tables
    for path in tables:
        for fold in json.loads(path.read_text()):
            train = {case.split("_")[1] for case in fold["train"]}
            held_out = {case.split("_")[1] for case in fold["val"]}
            assert train and held_out and not train & held_out
