"""Where sources come from, as it is told to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from cordstudy.cli.origins import source_url
from cordstudy.provenance.audit.lineage import _urls
from helpers import commit, git


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://me:geheim@host/x", "https://host/x"),
        ("https://host:8080/x", "https://host:8080/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("git@host:x", "ssh://git@host/x"),
        ("/home/me/x", "swh:1:rev:{pin}"),
    ],
)
def test_a_source_is_told_of_by_a_uri_without_password_or_place_on_a_machine(
    tmp_path: Path, url: str, told: str
):
    git(tmp_path, "init", "-q", ".")
    for key, value in (("user.name", "T"), ("user.email", "t@example.org")):
        git(tmp_path, "config", key, value)
    (tmp_path / ".gitmodules").write_text(f'[submodule "in/x"]\n\tpath = in/x\n\turl = {url}\n')
    commit(tmp_path, "a source", ".gitmodules")
    pin = "1" * 40
    assert source_url(tmp_path, "in/x", pin) == told.format(pin=pin)
    assert "geheim" not in _urls(tmp_path, "HEAD:.gitmodules")["in/x"]
