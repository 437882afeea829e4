"""The history of a dataset's results for other tools: RO-Crate, BIDS-Prov, W3C PROV.

Owns: which exports there are, and writing their files.
Does not own: what is told (`facts`), or the forms (`export_rocrate`, `export_bids`, `export_prov`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cordstudy.base.errors import StudyError
from cordstudy.provenance.audit.export_bids import bids
from cordstudy.provenance.audit.export_prov import prov
from cordstudy.provenance.audit.export_rocrate import rocrate
from cordstudy.provenance.audit.facts import Told, facts
from cordstudy.provenance.history.index import History
from cordstudy.provenance.profile import Profile

FORMS: Mapping[str, Callable[[Told], dict[str, str]]] = {
    "rocrate": rocrate,
    "bids": bids,
    "prov": prov,
}
"""Each gives the texts of its files, by their names."""


def export(history: History, form: str, out: Path, *, profile: Profile) -> list[Path]:
    """Write one export into a folder; the files. Raises StudyError where one is there."""
    texts = FORMS[form](facts(history, profile))
    for name in texts:
        if (out / name).exists():
            hint = "choose another folder with --out"
            raise StudyError(f"{out / name} is there already", hint=hint)
    for name, text in texts.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [out / name for name in texts]
