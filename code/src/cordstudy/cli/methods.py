"""`methods`: the methods and results of a study as a paper could take them.

Owns: the command, and the facts and words that its template may use.
Does not own: the facts (`paper`), or the sentences (`paper/methods.md.j2`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click
import jinja2

from cordstudy.base.errors import StudyError
from cordstudy.cli import paper
from cordstudy.cli.here import ROOT
from cordstudy.cli.paper import data, results, training
from cordstudy.cli.paper.committed import Committed, missing
from cordstudy.cli.paper.references import References
from cordstudy.cli.parts import wrapped
from cordstudy.cli.recorded import in_words, listed, read_answer
from cordstudy.cli.saying import say
from cordstudy.provenance.history.index import History
from cordstudy.study.loading import load_study
from cordstudy.study.models import shared_planner, untrained_models
from cordstudy.study.schema import Study

TEMPLATE = "methods.md.j2"
OTHER_KINDS = {
    "size-matched": "a general model of as many images as the largest specific one has",
    "size-matched-people": "a general model of as many people as the largest specific one has",
    "leave-one-out": "general models that have not seen one of the datasets",
    "baseline": "no more than baselines, shown beside and never compared",
}
"""What models of other kinds are there for."""


@click.command()
@click.pass_obj
def methods(name: str) -> None:
    """Print the methods and results of the study, in Markdown that a paper could take.

    Numbers come from the tables and plans that HEAD holds, versions and commands from the records
    that made them; what the study does not tell is marked. The same commit gives the same text.

    \b
    Example:
      code/study methods > methods.md
      code/study --study public methods | pandoc -o methods.docx
    """
    say(written(Committed(load_study(ROOT, name), History(ROOT))), nl=False)


def written(committed: Committed) -> str:
    """The text, in lines that are not too long."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(paper.__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["capital"] = lambda words: words[:1].upper() + words[1:]
    text = environment.get_template(TEMPLATE).render(facts(committed))
    return _in_lines(text)


def facts(committed: Committed) -> dict[str, object]:
    """All that the template may use."""
    study, judged, references = committed.study, results.settings(committed), References()
    sources, learned = data.sources(committed), data.learned(committed)
    models = [*(one.model for one in learned), *untrained_models(study)]
    unseen = [name for name in study.datasets if name in judged.unseen]
    trainings = [step for step in committed.records if step.startswith("train:")]
    tile_step, mirrored = training.prediction(committed)
    return {
        "study": study,
        "head": committed.history.id,
        "dsid": committed.history.dataset_id or missing("its id"),
        "judged": judged,
        "references": references,
        "cite": references.cite,
        "OTHER_KINDS": OTHER_KINDS,
        "general": next(one for one in learned if one.model.kind == "general"),
        "names": lambda kind: [model.name for model in models if model.kind == kind],
        "synthetic": all(source.phantom for source in sources),
        "sources": sources,
        "learned": learned,
        "groups": data.groups(committed),
        "told_of": list(data.TOLD_OF.values()),
        "unseen": unseen,
        "seen": [name for name in study.datasets if name not in unseen],
        "trained": data.total(source.train for source in sources),
        "tested": data.total(source.test for source in sources),
        "left_out": _left_out(sources),
        "reasons": [f"{why}: {count}" for why, count in data.reasons(committed)],
        "published_splits": [name for name, one in study.datasets.items() if one.split],
        "train_origins": _counts(data.origins(committed, data.TRAIN)),
        "test_origins": _counts(data.origins(committed, data.TEST)),
        "makers": data.makers(committed),
        "shared": shared_planner(study) if study.fairness.plans == "shared" else "",
        "untrained": [_untrained(study, model.name) for model in untrained_models(study)],
        "plans": training.plans(committed),
        "trainings": training.trainings(committed),
        "tile_step": tile_step,
        "mirrored": mirrored,
        "kept": [f"{what} by {listed(who)}" for what, who in training.kept(committed)],
        "learning": training.versions(committed, trainings, training.LEARNING),
        "judging": training.versions(committed, ["evaluate", "compare"], training.JUDGING),
        "measures": lambda: results.measures(committed, references),
        "tests": lambda: results.tests(committed, references),
        "failure_dice": judged.failure_dice,
        "answer": _answer(study),
        "primary": results.comparisons(committed, "primary"),
        "secondary": results.comparisons(committed, "secondary"),
        "summaries": results.summaries(committed, judged.general),
        "agreements": results.agreements(committed, judged.general),
        "hits": results.hits(committed),
        "recorded": len(committed.records),
        "unrecorded": committed.unrecorded,
        "unmade": committed.unmade(_tables(committed)),
        "pins": [f"{source.path} at {source.pin[:12]}" for source in sources],
        "listed": listed,
        "nothing": missing,
        "count": _count,
        "pair": _pair,
        "told": _told,
        "percent": lambda share: f"{100 * share:g} %",
    }


def _tables(committed: Committed) -> list[str]:
    """The tables that the text is about."""
    layout = committed.layout
    return [layout.cases_table, *layout.comparison_tables, layout.leakage_table]


def _answer(study: Study) -> str:
    """The answer of the report's page."""
    try:
        return in_words(read_answer(study))
    except StudyError:
        return missing("an answer, as no comparisons are there that could be read")


def _untrained(study: Study, name: str) -> str:
    """A baseline that is no network of the study, in words."""
    baseline = study.baselines[name]
    if baseline.shape:
        return f"{name} ({baseline.shape} shape of the training masks)"
    seen = f", whose training saw {listed(baseline.trained_on)}" if baseline.trained_on else ""
    return f"{name} (the program `{baseline.command}`{seen})"


def _left_out(sources: Sequence[data.Source]) -> str:
    counts = [source.left_out for source in sources]
    if None in counts:
        return missing("how many images")
    return _images(sum(count for count in counts if count is not None))


def _count(count: data.Count | None) -> str:
    if count is None:
        return missing("how many people and images")
    return f"{_images(count.images)} of {count.people:,} people"


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _pair(count: data.Count | None) -> str:
    return missing("no table") if count is None else f"{count.people:,}, {count.images:,}"


def _told(value: object) -> str:
    return missing("no table") if value is None else str(value)


def _counts(counts: Sequence[tuple[str, int]]) -> list[str]:
    return [f"{words} ({count:,})" for words, count in counts]


def _in_lines(text: str) -> str:
    """The text with its paragraphs broken into lines; headings and tables stay as they are."""
    blocks = []
    for block in re.split(r"\n{2,}", text.strip()):
        rows = block.splitlines()
        if rows[0].startswith(("#", "|")):
            blocks.append(block)
        elif rows[0].startswith("1. "):
            blocks.append("\n".join(wrapped(row).replace("\n", "\n   ") for row in rows))
        else:
            blocks.append(wrapped(" ".join(row.strip() for row in rows)))
    return "\n\n".join(blocks) + "\n"
