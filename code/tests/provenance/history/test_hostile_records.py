"""Records that were made to mislead: a malformed one is a fault, and makes nothing."""

import gzip
import json

import pytest

from cordstudy.cli.here import PROFILE
from cordstudy.provenance.audit.gate import check
from cordstudy.provenance.audit.status import states
from cordstudy.provenance.history import sidecars
from cordstudy.provenance.history.records import (
    END,
    RESOURCES,
    START,
    TAG,
    MalformedRecord,
    parse_message,
    read_records,
)
from places import DEEP, INFO, OUT, PlaceStep, ask_everything, block, told

MALFORMED = {
    "no JSON": block("{"),
    "empty": block(""),
    "deep": block(DEEP + "]" * 100_000),
    "deep value": block(json.dumps(INFO)[:-1] + ', "x": ' + DEEP + "]" * 100_000 + "}"),
    "a list": block("[]"),
    "a number": block("1"),
    "null": block("null"),
    "NaN": block("NaN"),
    "no cmd": block("{}"),
    "two blocks": told() + "\n" + told(),
    "two blocks below one tag": told(rest=f"{START}\n{{}}\n{END}\n"),
    "a tag without a block": f"{TAG} Make a\n",
    "a tag alone": TAG,
    "a block without its tag": told()[4:],
    "a prefix": "JIRA-1 " + told(),
    "CRLF": told().replace("\n", "\r\n"),
    "no end": told().replace(END, ""),
    "the end first": f"{TAG} x\n{END}\n{START}\n{{}}\n",
    "a key twice": block('{"cmd": "a", "dsid": "d1", "cmd": "b"}'),
    **{
        f"cmd {value!r}": told(cmd=value)
        for value in (None, 1, [], [1], {}, "a\0b", ["a\0"], "\ud800")
    },
    **{
        f"inputs {value!r}": told(inputs=value)
        for value in ("code", [1], [None], {"a": 1}, [["a"]], 1, ["a\0"])
    },
    **{
        f"outputs {value!r}": told(outputs=value)
        for value in (OUT, [1], {}, True, ["/etc"], ["../x"], ["a/../../x"])
    },
    **{f"extra_inputs {value!r}": told(extra_inputs=value) for value in ("x", [1], 0.5)},
    **{
        f"exit {value!r}": told(exit=value)
        for value in ("0", "x", 0.5, True, [], 2**40, -(2**40), float("inf"))
    },
    "exit huge": block(json.dumps(INFO).replace('"exit": 0', '"exit": 1' + "0" * 5000)),
    **{
        f"pwd {value!r}": told(pwd=value)
        for value in ("/home/me", "..", "../x", "a/../..", "a\0b", 1, ["."])
    },
    **{f"chain {value!r}": told(chain=value) for value in ("abc", [1], {})},
    **{f"dsid {value!r}": told(dsid=value) for value in (1, ["d1"], {})},
    "a path too long": told(inputs=["a/" * 10**6]),
    **{
        f"sidecar {name!r}": block(json.dumps(name))
        for name in ("../../code/a.py", "none", "", ".", "/etc", "a\nb")
    },
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_record_is_a_finding_and_makes_nothing(place, tmp_path, name):
    made = place.commit(MALFORMED[name], {OUT: "1.0\n"})
    found = [
        fault for fault in check(place.history, profile=PROFILE) if fault.kind == "malformed record"
    ]
    assert [fault.commit for fault in found] == [made] and found[0].what
    assert ("changed by hand", OUT) in place.findings, "it is nobody's record"
    assert states(place.folder, [PlaceStep()])["a"].word == "stale"
    assert made not in {record.commit for record in read_records(place.folder)}
    with pytest.raises(MalformedRecord):
        parse_message(
            place.history.by_id[made].subject and MALFORMED[name].partition("\0")[0],
            repo=place.folder,
        )
    ask_everything(place, tmp_path)


@pytest.mark.parametrize(
    ("content", "fine"),
    [
        (json.dumps(INFO).encode(), True),
        (gzip.compress(json.dumps(INFO).encode(), mtime=0), True),
        (b"", False),
        (b"no JSON", False),
        (gzip.compress(b"{}", mtime=0)[:-6], False),
        (b"\x1f\x8brest", False),
        (b"\xfd7zXZ\0rest", False),
        (b'"another"', False),
        (gzip.compress(b" " * 2**20, mtime=0), False),
    ],
)
def test_a_sidecar_is_read_or_its_record_is_malformed(place, tmp_path, monkeypatch, content, fine):
    monkeypatch.setattr(sidecars, "LARGEST", 2**19)
    blob = place.plumb("hash-object", "-w", "--stdin", stdin=content)
    place.plumb("update-index", "--add", "--cacheinfo", f"100644,{blob},.datalad/runinfo/s1")
    place.commit(block('"s1"'), {OUT: "1.0\n"})
    kinds = {kind for kind, _ in place.findings}
    assert kinds == ({"undeclared output"} if fine else {"malformed record", "changed by hand"})
    ask_everything(place, tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "{}",
        "[]",
        "NaN",
        '{"wall_s": NaN, "cpu_s": 1, "peak_mib": 1}',
        DEEP,
        '{"wall_s": 1, "cpu_s": 1, "peak_mib": 1, "more": 1}',
        '{"wall_s": "1", "cpu_s": 1, "peak_mib": 1}',
        '{"wall_s": 1' + "0" * 400 + ', "cpu_s": 1, "peak_mib": 1}',
        '{"wall_s": -1, "cpu_s": 1, "peak_mib": 1}',
    ],
)
def test_resources_that_are_none_leave_a_record_and_are_a_finding(place, tmp_path, line):
    place.commit(told(rest=f"\n{RESOURCES}{line}\n"), {OUT: "1.0\n"})
    assert [kind for kind, _ in place.findings] == ["malformed record"]
    assert (
        next(place.history.records).record.resources is None
        and states(place.folder, [PlaceStep()])["a"].word == "done"
    )
    ask_everything(place, tmp_path)
