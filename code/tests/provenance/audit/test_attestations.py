"""Verdicts that were committed: claims, and what counts for none."""

import json

import pytest

from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.attestations import Claim, attested, unbound
from places import DEEP, OUT, Place, ask_everything, told


def attestation(place: Place, word: object = "identical") -> str:
    maker = place.history.producer(OUT).id
    return json.dumps(
        {
            "commit": maker,
            "environment": "e",
            "machine": {},
            "verdicts": [
                {"name": "a", "record": maker, "identical": "n/a", "word": word, "differs": []}
            ],
        }
    )


PATH = ".datalad/attestations/1.json"
ATTEST = told("Attest", cmd="code/study --study x verify --attest", inputs=[], outputs=[PATH])


def test_an_attestation_is_a_claim_of_who_committed_it(place):
    maker = place.history.producer(OUT).id
    made = place.commit(ATTEST, {PATH: attestation(place)})
    assert (
        attested(place.history, PROFILE) == {maker: [Claim("identical", "Tester", made)]}
        and place.findings == []
    )
    place.commit("chore: better", {PATH: attestation(place, "equivalent")})
    assert attested(place.history, PROFILE) == {} and ("empty attestation", PATH) in place.findings


@pytest.mark.parametrize(
    "message",
    [
        "docs: verified",
        told("Attest", cmd="make x", outputs=[PATH]),
        ATTEST.replace("exit", '"'),
        told("Attest", cmd="code/study verify", outputs=["x"]),
    ],
)
def test_an_attestation_that_no_readable_record_made_counts_for_nothing(place, message):
    place.commit(message, {PATH: attestation(place)})
    assert attested(place.history, PROFILE) == {} and ("empty attestation", PATH) in place.findings


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", DEEP, '{"commit": 1, "verdicts": []}', "\x00", "verified", None]
)
def test_a_malformed_attestation_is_a_finding(place, tmp_path, content):
    text = (
        attestation(place, "verified")
        if content == "verified"
        else attestation(place, 1)
        if content is None
        else content
    )
    place.commit(ATTEST, {PATH: text})
    assert attested(place.history, PROFILE) == {} and ("empty attestation", PATH) in place.findings
    ask_everything(place, tmp_path)


def test_an_attestation_that_is_a_subdataset_raises_nothing(place):
    place.commit(ATTEST, {PATH: "1" * 40}, mode="160000")
    assert [path for path, _ in unbound(place.history, PROFILE)] == [PATH]
