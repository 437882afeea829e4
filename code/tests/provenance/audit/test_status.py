"""The state of steps: by the history, and by notes of what runs or failed here."""

import pytest

from cordstudy.provenance.audit.status import states
from cordstudy.provenance.running.notes import note
from places import PlaceStep


@pytest.mark.parametrize(
    "text",
    [b"", b"no JSON", b"[]", b'{"word": 1}', b'{"word": "running", "process": "x"}', b"\xff"],
)
def test_a_note_that_cannot_be_read_is_no_note(place, tmp_path, text):
    note(tmp_path, "a", "failed", "x")
    assert states(place.folder, [PlaceStep()], logs=tmp_path)["a"].word == "done"
    (tmp_path / "a.state").write_bytes(text)
    assert states(place.folder, [PlaceStep()], logs=tmp_path)["a"].word == "done"
