"""`new`: a first TOML of a study, from the BIDS sources that it is to be about.

Owns: its options, which sources may be had so, numbers and names that no other study has, and what
is told of them.
Does not own: what is found in a source (`sources.guess`), or the text (`study.draft`).
"""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from cordstudy.base.errors import StudyError, inline
from cordstudy.base.texts import read_json, read_text
from cordstudy.cli.columns import print_columns
from cordstudy.cli.here import ROOT
from cordstudy.cli.saying import say
from cordstudy.pipeline.sources.guess import Guess, Masks, guess
from cordstudy.pipeline.sources.guess_people import People, guess_people
from cordstudy.pipeline.sources.rules import Name
from cordstudy.provenance.calling.gitannex import git, gitlinks
from cordstudy.study.draft import DraftedDataset, DraftedModels, draft_text, judging_text
from cordstudy.study.loading import FOLDER, load_study, parse_study, studies
from cordstudy.study.parameters import rules_of
from cordstudy.study.releases import Unpack
from cordstudy.study.schema import Split, Study
from cordstudy.study.task import Task

FEWEST_FOLDS = 2
SHOWN = 4
"""Other masks and images that a comment names."""
ACCESS = ("licence", "ask", "phantom", "phantom_participants")
"""Keys of a source that are the same in every study."""
HEADER = ("dataset", "number", "role", "images", "masks", "cases", "columns")


@dataclass(frozen=True)
class Known:
    """What other studies say of the sources that they have."""

    by_path: dict[str, tuple[str, dict[str, Any]]]
    """Name and table by path."""
    numbers: set[int]
    """Of all datasets and models."""
    names: set[str]


@dataclass(frozen=True)
class Found:
    """A source with what was found in it."""

    path: str
    role: str
    guessed: Guess
    people: People
    licence: str


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "trained_on",
    multiple=True,
    metavar="inputs/SOURCE",
    help="A BIDS source to train on and test with; repeatable.",
)
@click.option(
    "--test",
    "tested_on",
    multiple=True,
    metavar="inputs/SOURCE",
    help="A BIDS source for testing only, that no model sees; repeatable.",
)
@click.option(
    "--models",
    "judged",
    metavar="STUDY|RELEASE",
    help="Train nothing: judge the models of a study here, or of a release (its .zip, its folder).",
)
@click.option(
    "--small",
    is_flag=True,
    help="Of a size that a processor trains in minutes: to see that all runs.",
)
def new(
    name: str,
    trained_on: tuple[str, ...],
    tested_on: tuple[str, ...],
    judged: str | None,
    small: bool,
) -> None:
    """Write code/studies/NAME.toml for BIDS sources: what is found in them, and the defaults.

    A source is a subdataset in inputs/, with masks in a folder such as derivatives/labels. Names
    of files are all that is read: no image need be here. Where masks may be had in several ways,
    most masks win, and the others stand in a comment. On a terminal you are asked for the role of
    each source, unless --test says one.

    \b
    Examples:
      code/study new mine --from inputs/site-a --from inputs/site-b
      code/study new mine --from inputs/site-a --test inputs/site-b --small
      code/study new mine --test inputs/site-a --models models/theirs/general.zip
    """
    path = _free_path(name)
    places = {_place(told): "train" for told in trained_on}
    places |= {_place(told): "test" for told in tested_on}
    if not places:
        raise click.UsageError("name the sources: --from inputs/SOURCE")
    if judged and small:
        raise click.UsageError("--small is of a training, and with --models there is none")
    known = _known()
    models = _judged(judged) if judged else None
    found = [_look(place, "test" if models else role) for place, role in places.items()]
    if models:
        path.write_text(judging_text(name, list(_drafted(found, known)), models), encoding="utf-8")
        _tell(_loaded(path), found)
        return
    if sys.stdin.isatty() and not tested_on:
        found = [_asked(one) for one in found]
    if all(one.role == "test" for one in found):
        raise StudyError("no source is to be trained on", hint="give one as --from inputs/SOURCE")
    drafted = list(_drafted(found, known))
    number = next(n for n in range(601, 700) if n not in known.numbers)
    text = draft_text(name, drafted, number=number, folds=_folds(found), small=small)
    study = parse_study(tomllib.loads(text), name=name, path=path)
    path.write_text(text, encoding="utf-8")
    _tell(study, found)


def _judged(told: str) -> DraftedModels:
    """What is judged, by a study's name or the path of a release, which is looked through. Raises
    StudyError for what is neither."""
    if told in studies(ROOT):
        return DraftedModels(told)
    path = _absolute(told)
    if not path.is_relative_to(ROOT):
        raise StudyError(
            f"{inline(told)} is not in this repository: a study reads what is saved in it",
            hint=f"mkdir -p models/theirs && cp -RL {shlex.quote(str(path))} models/theirs/",
        )
    from cordstudy.pipeline.raw.dataset_json import read_segmented
    from cordstudy.pipeline.release.opening import opened  # torch: 3 s

    with opened(path) as release:
        segmented = read_segmented(release.folder)
        unpack = {"folds": list(release.folds), "tile_step": release.tile_step}
        task = {"structure": segmented.structure, "orientation": segmented.orientation}
    place = path.relative_to(ROOT).as_posix()
    return DraftedModels(place, _unusual(unpack, Unpack()), _unusual(task, Task()))


def _unusual(values: Mapping[str, object], usual: Unpack | Task) -> dict[str, object]:
    """Those that are not the default."""
    return {key: value for key, value in values.items() if value != getattr(usual, key)}


def _loaded(path: Path) -> Study:
    """The study that was written; where it is none, its file goes again."""
    try:
        return load_study(ROOT, path.stem)
    except StudyError:
        path.unlink()
        raise


def _free_path(name: str) -> Path:
    """Where the TOML goes. Raises StudyError for what is no name, and one that is taken."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise StudyError(
            f"{inline(name)} is no name of a study",
            hint="lower-case letters, digits and -, at most 60",
        ) from error
    path = ROOT / FOLDER / f"{name}.toml"
    if path.exists():
        raise StudyError(f"{FOLDER}/{name}.toml is there", hint="edit it, or choose another name")
    return path


def _place(told: str) -> str:
    """The path of a source, relative to the study. Raises StudyError where it is no subdataset
    whose commit is pinned, with what to type."""
    absolute = _absolute(told)
    inside = absolute.is_relative_to(ROOT / "inputs") and absolute != ROOT / "inputs"
    place = absolute.relative_to(ROOT).as_posix() if absolute.is_relative_to(ROOT) else ""
    pin = gitlinks(ROOT, "HEAD").get(place, "") if inside else ""
    if not absolute.is_dir() or (pin and not (absolute / ".git").exists()):
        hint = f"datalad get -n {shlex.quote(place)}" if pin else "give its folder below inputs/"
        raise StudyError(f"{inline(told)}: there is no such folder here", hint=hint)
    if not inside or place.count("/") > 1:
        raise _elsewhere(told, absolute)
    if not (absolute / ".git").exists():
        raise StudyError(
            f"{place} is a folder, and no dataset of its own",
            hint=f"datalad create -f -c text2git -d . {shlex.quote(place)} && datalad save -d . -r "
            f"-m {shlex.quote(f'Add {place}')}",
        )
    if not pin or git(absolute, "status", "--porcelain").strip() or _moved(absolute, pin):
        raise StudyError(
            f"{place} is not saved as it is: a study reads the commit that is pinned",
            hint=f"datalad save -d . -r -m {shlex.quote(f'Add {place}')} {shlex.quote(place)}",
        )
    return place


def _absolute(told: str) -> Path:
    """The path that a person means, from where they are or from the root of the study."""
    folder = Path(told).expanduser()
    absolute = Path(os.path.normpath(folder if folder.is_absolute() else Path.cwd() / folder))
    if not absolute.exists() and not folder.is_absolute():
        absolute = Path(os.path.normpath(ROOT / folder))
    return absolute


def _moved(source: Path, pin: str) -> bool:
    return git(source, "rev-parse", "HEAD").strip() != pin


def _elsewhere(told: str, folder: Path) -> StudyError:
    """What to type so that a folder elsewhere becomes a source."""
    place = f"inputs/{_plain(folder.name)}"
    quoted = shlex.quote(str(folder))
    typed = f"datalad clone -d . {quoted} {place}"
    if not (folder / ".git").exists():
        typed = (
            f"datalad create -c text2git -d . {place} && cp -RL {quoted}/. {place}/ "
            f"&& datalad save -d . -r -m 'Add {place}'"
        )
    return StudyError(
        f"{inline(told)} is not in inputs/: a source is a subdataset there, at a commit that is "
        "pinned",
        hint=f"{typed}; then --from {place}",
    )


def _known() -> Known:
    """What the studies here say of their sources."""
    known = Known({}, set(), set())
    for path in sorted((ROOT / FOLDER).glob("*.toml")):
        try:
            content = tomllib.loads(read_text(path))
        except ValueError:
            continue  # whoever runs that study is told
        for name, table in _tables(content, "datasets"):
            known.by_path.setdefault(str(table.get("path")), (name, table))
            known.names.add(name)
        for key in ("datasets", "models"):
            known.numbers.update(
                number for _, table in _tables(content, key) if (number := table.get("number"))
            )
    return known


def _tables(content: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    tables = content.get(key)
    for name, table in tables.items() if isinstance(tables, dict) else ():
        if isinstance(table, dict):
            yield name, table


def _look(place: str, role: str) -> Found:
    """What is found in a source. Raises StudyError, with paths as people type them here."""
    source = ROOT / place
    try:
        guessed, people = guess(source), guess_people(source)
        _check_own_masks(source, guessed.best.labels)
        return Found(place, role, guessed, people, _licence(source))
    except StudyError as error:
        message, hint = (text.replace(f"{ROOT}/", "") for text in (str(error), error.hint))
        raise StudyError(message, hint=hint) from error


def _check_own_masks(source: Path, labels: str) -> None:
    """Raise StudyError for masks that lie in a dataset of their own within the source: a step has
    the files of the source alone."""
    folder = source / labels
    for place in (folder, *folder.parents):
        if place == source:
            return
        if (place / ".git").exists():
            raise StudyError(
                f"{place} is a dataset of its own, and a source holds its masks itself",
                hint=f"make a source of both: a folder in inputs/ with the images, and {labels}",
            )


def _licence(source: Path) -> str:
    """The licence that a source tells of itself; empty for none."""
    path = source / "dataset_description.json"
    if not path.exists():
        return ""
    content = read_json(path)
    told = content.get("License") if isinstance(content, dict) else None
    return told.strip() if isinstance(told, str) else ""


def _asked(found: Found) -> Found:
    """The role of a source, as the person at the terminal says."""
    masks = found.guessed.best
    told = f"{found.path}: {masks.count} masks of {', '.join(masks.images)}. Train or test only"
    role = click.prompt(told, type=click.Choice(["train", "test"]), default=found.role)
    return Found(found.path, role, found.guessed, found.people, found.licence)


def _drafted(found: Sequence[Found], known: Known) -> Iterator[DraftedDataset]:
    """The datasets, with the names and numbers that other studies give the same sources, or free
    ones."""
    numbers, names = set(known.numbers), set(known.names)
    for one in found:
        access: dict[str, Any] = {"licence": one.licence} if one.licence else {}
        if one.path in known.by_path:
            name, table = known.by_path[one.path]
            number = int(table["number"])
            access = {key: table[key] for key in ACCESS if key in table} or access
        else:
            name = _free_name(_plain(one.path.rpartition("/")[2]), names)
            number = next(n for n in range(501, 600) if n not in numbers)
        numbers.add(number)
        names.add(name)
        best = one.guessed.best
        yield DraftedDataset(
            name=name,
            number=number,
            path=one.path,
            role="test" if one.role == "test" else "train",
            images=best.images,
            labels=best.labels,
            mask=best.mask,
            access=access,
            session=best.session,
            columns=one.people.said,
            site=one.people.site,
            person=one.people.person,
            notes=list(_notes(one)),
        )


def _plain(folder: str) -> str:
    """The name of a folder as a dataset may be called."""
    return re.sub("[^a-z0-9]+", "-", folder.casefold()).strip("-")[:50] or "source"


def _free_name(name: str, taken: set[str]) -> str:
    tried = [name, *(f"{name}-{count}" for count in range(2, 1000))]
    return next(one for one in tried if one not in taken)


def _notes(found: Found) -> Iterator[str]:
    """What else was seen in a source."""
    for other in found.guessed.others[:SHOWN]:
        yield f"Or {other.count} masks: {_told(other)}"
    if found.guessed.without:
        images = [f"{image} {count}" for image, count in found.guessed.without.items()]
        more = ", …" if len(images) > SHOWN else ""
        yield f"Images without such masks: {', '.join(images[:SHOWN])}{more}"
    if found.people.site:
        yield "The site was guessed from the ids of participants."
    if (ROOT / found.path / "exclude.yml").exists():
        yield "exclude.yml is there: exclude_file in code/studies/README.md has it followed."


def _told(masks: Masks) -> str:
    """Masks in one line of TOML."""
    session = f'session = "{masks.session}", ' if masks.session else ""
    images = json.dumps(list(masks.images))
    return f'{session}labels = "{masks.labels}", mask = "{masks.mask}", images = {images}'


def _folds(found: Sequence[Found]) -> int:
    """As many folds as the default has, or as the smallest source to train on has persons."""
    usual = Split()
    fewest = usual.folds
    for one in found:
        if one.role == "train":
            people = _persons(one.people)
            tested = math.ceil(people * Fraction(str(usual.test_fraction)))
            fewest = min(fewest, people - tested)
    return max(FEWEST_FOLDS, fewest)


def _persons(people: People) -> int:
    if not people.person:
        return len(people.ids)
    return len({match[1] if (match := re.search(people.person, x)) else x for x in people.ids})


def _tell(study: Study, found: Sequence[Found]) -> None:
    """Show what stands in the TOML, and what to type next."""
    from cordstudy.pipeline.sources.finding import find_cases  # bids2table: half a second

    rows, faults = [], []
    for (name, dataset), one in zip(study.datasets.items(), found, strict=True):
        try:
            cases = str(len(find_cases(ROOT, rules_of(study, name))[0]))
        except StudyError as error:
            cases = "none yet"
            faults.append((name, error))
        columns = ", ".join(f"{key}: {column}" for key, column in one.people.columns.items())
        masks = f"{dataset.labels}/…/{dataset.mask}"
        images = ", ".join(dataset.images)
        number = str(dataset.number)
        rows.append((name, number, dataset.role, images, masks, cases, columns or "none"))
    say(f"{FOLDER}/{study.name}.toml is written:")
    print_columns([[inline(cell) for cell in row] for row in rows], header=HEADER)
    for name, fault in faults:
        say(f"warning: {name}: {inline(fault)}\n  hint: {inline(fault.hint)}", err=True)
    call = f"code/study --study {study.name}"
    say("next:")
    say(f"  read and change {FOLDER}/{study.name}.toml; {call} cases tells what it finds")
    say(f'  datalad save -m "Add the study {study.name}" {FOLDER}/{study.name}.toml')
    say(f"  {call} run")
    say(f"then read derivatives/{study.name}/report/index.html")
