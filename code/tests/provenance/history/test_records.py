"""Records as they are written and read back, here and by DataLad."""

import shlex

import pytest

from cordstudy.provenance.history.records import join, parse_message, render_message

hypothesis = pytest.importorskip("hypothesis")
strategies = hypothesis.strategies
PATHS = strategies.lists(
    strategies.text("ab*/ .ä\"'\\{}", min_size=1, max_size=8).map(lambda path: f"x{path}"),
    max_size=3,
)
WORDS = strategies.lists(strategies.text(max_size=6).filter(lambda word: "\0" not in word))


@hypothesis.settings(deadline=None, derandomize=True)
@hypothesis.given(inputs=PATHS, outputs=PATHS, words=WORDS)
def test_datalad_reads_from_our_messages_what_we_do(inputs, outputs, words):
    from datalad.local.rerun import get_run_info  # a second to import

    cmd = join(["run", *words, "-"])
    outputs = [path for path in outputs if ".." not in path]
    message = render_message("Do it", cmd=cmd, dsid="1", inputs=inputs, outputs=outputs)
    record = parse_message(message)
    subject, values = get_run_info(None, message)
    assert (record.subject, record.cmd) == (subject, values["cmd"]) == ("Do it", cmd)
    assert list(record.inputs) == values["inputs"] == inputs
    assert list(record.outputs) == values["outputs"] == outputs
    assert (record.pwd, record.exit, record.dsid) == (values["pwd"], values["exit"], values["dsid"])
    filled_in = [word.replace("{{", "{").replace("}}", "}") for word in shlex.split(record.cmd)]
    assert filled_in == ["run", *words, "-"]
