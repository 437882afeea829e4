"""The cache of preprocessed arrays, as trainings beside each other use it."""

from __future__ import annotations

import os

from cordstudy.pipeline.learning import preprocessor


def test_arrays_that_a_training_beside_reads_are_not_replaced(monkeypatch, tmp_path):
    """Two trainings of one plan start together, and both preprocess: the first's arrays stay."""
    monkeypatch.setattr(preprocessor, "cache_folder", lambda: tmp_path / "cache")
    model, dataset = tmp_path / "model", tmp_path / "Dataset502_inspired"
    (dataset / "imagesTr").mkdir(parents=True)
    model.mkdir()
    for name in ("plans.json", "dataset.json"):
        (model / name).write_text("{}")
    first = []

    def preprocess(dataset, model, configuration, out):
        out.mkdir(parents=True)
        (out / "case.b2nd").write_text("arrays")
        if not first:  # the training beside is done while this one still writes
            first.append(None)
            with monkeypatch.context() as other:
                other.setattr(os, "getpid", lambda: -1)
                place = preprocessor.preprocessed(dataset, model, configuration=configuration)
            first[0] = place.stat().st_ino

    monkeypatch.setattr(preprocessor, "_preprocess", preprocess)
    place = preprocessor.preprocessed(dataset, model, configuration="3d_fullres")
    assert place.stat().st_ino == first[0]
    assert [path.name for path in place.parent.iterdir()] == [place.name]
