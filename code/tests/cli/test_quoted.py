"""Ids of records in quoted output are those of the newest records."""

from cordstudy.cli.quoted import with_ids

RECORDS = {
    "Judge every prediction": "1" * 40,
    "Predict 6 test sets with general": "2" * 40,
    "Train general, fold 0, for 720 steps": "3" * 40,
}
FILES = {"derivatives/a/cases.tsv": "4" * 40}


def test_an_id_beside_a_subject_is_that_of_its_newest_record():
    text = (
        "derivatives/a/cases.tsv 93e70123\n"
        "└── 928ceb47 Judge every prediction, by … on 2026-11-26\n"
        "        └── 74625c6e Predict 6 test sets with general …\n"
        "  running 1c4800da 'Train general, fold 0, for 720 steps'\n"
    )
    assert with_ids(text, records=RECORDS, files=FILES) == (
        "derivatives/a/cases.tsv 44444444\n"
        "└── 11111111 Judge every prediction, by … on 2026-11-26\n"
        "        └── 22222222 Predict 6 test sets with general …\n"
        "  running 33333333 'Train general, fold 0, for 720 steps'\n"
    )


def test_what_no_record_is_called_and_other_numbers_stay():
    text = "[INFO] running 16f79854 'Something else'\n928ceb47 Judge every prediction\nx 93e70123\n"
    assert with_ids(text, records=RECORDS, files=FILES) == text
