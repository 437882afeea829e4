"""The rules of one source: how its images and masks are named, and what is left out.

Owns: what a rule may say, and reading a dataset's rules file, which `code/study run` renders
from the study's TOML. A study's TOML extends these tables (`study.schema`).
Does not own: what the rules find (`finding`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cordstudy.base.errors import StudyError
from cordstudy.base.texts import faults, read_json

HINT = "`code/study run` writes it from the study's TOML"
GROUPS = {"person": "sub-([0-9]+)Ses", "site": "sub-([a-z]+)"}
"""Regular expressions on a participant's id, as examples, by the key that takes one."""
PERSON = "person"
"""The column of persons where a study names no other: many a source has none."""
STEM, SUBJECT = "{stem}", "{subject}"
"""What a mask's name may have in it, as it stands here and in no other way."""
LONGEST_NAME = 200
"""The bytes of a name in a path: a disk takes 255, and outputs add to it."""
LONGEST_PATH = 1000
AXES = {"R": 0, "L": 0, "A": 1, "P": 1, "I": 2, "S": 2}
"""The axis that a side is at an end of."""
INDEX = re.compile(r"(?<=_)(run|echo|flip|inv|split|chunk)-0+(?=[0-9])")
"""Zeros before a number, which BIDS does not count: `run-01` is `run-1`."""

Values = TypeVar("Values", bound=Sequence[object])


class Table(BaseModel):
    """A table of values: unknown keys are errors, values never change, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _without_repeats(values: Values) -> Values:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise ValueError(f"{value!r} stands there twice")
    return values


def _leads_below(path: str) -> str:
    """A path that stays below the folder that it is relative to, on any disk."""
    names = path.split("/")
    if not path.isprintable() or set(path) & set("\\*?[]"):
        raise ValueError(f"{path!r} has signs that no path here may have")
    if len(path) > LONGEST_PATH or any(len(name.encode()) > LONGEST_NAME for name in names):
        raise ValueError("it is too long to be a path")
    if any(name.strip() in ("", ".", "..") for name in names):
        raise ValueError(f"{path!r} is no path below a folder, of names with one / between them")
    return path


Distinct = AfterValidator(_without_repeats)
"""A list without repeats."""
BELOW = AfterValidator(_leads_below)
Below = Annotated[str, BELOW]
"""A path below a folder."""
Said = Annotated[str, Field(pattern=r"\S")]
"""Text that says something."""
Image = Annotated[
    str, Field(pattern=r"^[a-z]+/[A-Za-z0-9_-]*[A-Za-z0-9]$", max_length=LONGEST_NAME)
]
"""An image of a source: `<datatype>/<entities>_<suffix>`, without subject and session."""
Stratum = Literal["vendor", "pathology", "site", "sex"]
"""What participants may be divided by, alike in each group."""
LabelOrigin = Literal["manual", "corrected", "model", "unknown"]


def _names_three_axes(orientation: str) -> str:
    """Three letters, one of each axis."""
    if sorted(AXES.get(letter, -1) for letter in orientation) != [0, 1, 2]:
        raise ValueError(
            f"{orientation!r} is no orientation: a letter for each voxel axis, the side that "
            "it comes from, one of R and L, of A and P, of I and S, such as RPI"
        )
    return orientation


Orientation = Annotated[str, AfterValidator(_names_three_axes)]
"""The sides that voxel axes come from, a letter each, as the Spinal Cord Toolbox has them."""
Side = Literal["right", "left", "posterior", "anterior", "inferior", "superior"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
"""Of a study, dataset or model: names of files and folders are made from it."""


class Exclusion(Table):
    """Participants and images (file names without extension) to leave out; why, and who says so."""

    participants: list[str] = []
    """Ids, `sub-…`."""
    images: list[str] = []
    """Names of files without ending."""
    reason: Said
    """Why."""
    source: Said
    """Who says so."""

    @model_validator(mode="after")
    def _names_something(self) -> Exclusion:
        if not self.participants and not self.images:
            raise ValueError("names neither participants nor images")
        return self


class ExcludeFile(Table):
    """A source's own list: a YAML file with lists of participants and sites by key, and the
    images that each key which the study follows is about."""

    path: Below = "exclude.yml"
    """The list, relative to the source."""
    keys: Annotated[
        dict[str, Annotated[list[Image], Field(min_length=1), Distinct] | Literal["all"]],
        Field(min_length=1),
    ]
    """For each key of the list that the study follows, the images that it is about, or `"all"`. An
    entry is a participant, a site, or an image (name or path), else an error."""


class Columns(Table):
    """The columns of participants.tsv, by what this study calls them. Where it names none, other
    usual names are looked for too (`participants.USUAL`)."""

    sex: str = "sex"
    """As it stands there; one that is a number where the age is none is an error."""
    age: str = "age"
    """As it stands there."""
    vendor: str = "manufacturer"
    """Of the scanner."""
    pathology: str = "pathology"
    """As it stands there."""
    site: str = "institution_id"
    """Where a participant was scanned; else `site`, `center`, `institution` and the like."""
    field_strength: str = "magnetic_field_strength"
    """Tesla; where no column says it, the images' sidecars do."""
    person: str = PERSON
    """Whom a participant is, where a person has several ids."""


class Imaged(Table):
    """What is segmented, in which images: of a study's task what its cases are converted by."""

    structure: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]*([ -][A-Za-z0-9]+)*$")] = (
        "spinal cord"
    )
    """In words, as it stands in a sentence; nnU-Net's label is it with `_` for what is no letter or
    number."""
    channel: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")] = "MRI"
    """nnU-Net's name of what images show, which its normalization goes by: `CT` has one of its
    own."""
    orientation: Orientation = "RPI"
    """Of converted images: where their voxel axes come from."""
    largest_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Of an image that the structure may fill: one that is cropped to a cord has some margin."""
    leaves: Annotated[list[Side], Distinct] = ["inferior", "superior"]
    """Sides at which the structure leaves most images; a mask that touches another is told."""

    @property
    def label_name(self) -> str:
        """What nnU-Net calls it."""
        return re.sub("[ -]", "_", self.structure)


class SourceRules(Table):
    """A BIDS source: where it lies, how its images and masks are named, what is left out.

    `path` is relative to the study's root. `mask` is the mask's name without extension, from
    `{stem}` (the image's) and `{subject}` (with the session where there is one), below `labels`
    in the folder that the image has below the source.
    """

    path: Annotated[str, Field(pattern=r"^inputs/[^/]+$"), BELOW]
    """The subdataset, `inputs/…`."""
    role: Literal["train", "test"]
    """`train`: divided, to learn from and to test with; `test`: tested as a whole, seen by no
    model."""
    images: Annotated[list[Image], Field(min_length=1), Distinct]
    """Each `<datatype>/<entities>_<suffix>`, such as `anat/T2w`: exactly these entities, as in the
    names of files, without subject and session; `.nii.gz` or `.nii`."""
    labels: Below
    """The folder of masks, relative to the source; in it they lie as their images do."""
    mask: Below
    """A mask's name without ending, from `{stem}` (its image's) or `{subject}` (with the session
    where there is one), as they stand here: `{stem}_label-SC_seg`."""
    session: Annotated[str, Field(pattern=r"^ses-[A-Za-z0-9]+$")] | None = None
    """The one session whose images are used, such as `ses-M0`; none where images lie in none."""
    columns: Columns = Columns()
    """Columns of participants.tsv that are called otherwise than in the table below, in whatever
    case; one that is named must be there."""
    person: str | None = None
    """For persons with several participant ids: a regular expression on the id whose first group
    names the person, `'sub-([0-9]+)Ses'`; who is not matched is a person of their own. Names
    that differ only in case, blanks, `sub-` or zeros before a number are an error."""
    site: str | None = None
    """Where the site stands in participants' ids: a regular expression whose first group names it,
    `'^sub-([a-z]+)'`; it goes before the column, which stands for who is not matched."""
    exclude: list[Exclusion] = []
    """Participants and images to leave out: a list of tables as below."""
    exclude_file: ExcludeFile | None = None
    """The source's own list of what to leave out."""
    label_origins: Annotated[list[LabelOrigin], Field(min_length=1), Distinct] = [
        "manual",
        "corrected",
        "model",
        "unknown",
    ]
    """Which masks are used, by their origin, which their sidecars tell by a table of tools
    (`../docs/inputs.md`); others are left out."""
    broken_sidecars: LabelOrigin | None = None
    """The origin of a mask whose sidecar is not JSON; an error where this is not said."""
    resample_masks: bool = False
    """Whether a mask on another grid is brought to the image's by nearest neighbour; else it is an
    error."""

    @field_validator("images")
    @classmethod
    def _are_different_images(cls, images: list[str]) -> list[str]:
        same: dict[tuple[str, frozenset[str], str], str] = {}
        for image in images:
            datatype, contrast = image.split("/")
            *entities, suffix = INDEX.sub(r"\1-", f"_{contrast}").split("_")
            other = same.setdefault((datatype, frozenset(entities), suffix), image)
            if other != image:
                raise ValueError(f"{image!r} and {other!r} have the same entities")
            keys = [entity.partition("-")[0] for entity in entities if "-" in entity]
            if len(set(keys)) < len(keys):
                raise ValueError(f"{image!r} has an entity twice")
        return images

    @field_validator("mask")
    @classmethod
    def _is_a_name_with_known_fields(cls, mask: str) -> str:
        rest = mask.replace(STEM, "").replace(SUBJECT, "")
        if rest == mask or set(rest) & set("{}"):
            raise ValueError(
                f"{mask!r} may have the fields {STEM} and {SUBJECT} only, at least one of them"
            )
        if "/" in mask or ".." in mask:
            raise ValueError(f"{mask!r} is a mask's name, without its folder (labels)")
        if re.search(r"\.(nii|gz)$", mask, re.IGNORECASE):
            raise ValueError(f"{mask!r} is a mask's name without its ending")
        return mask

    @field_validator("person", "site")
    @classmethod
    def _has_a_group(cls, told: str | None, info: ValidationInfo) -> str | None:
        if told is None:
            return None
        try:
            groups = re.compile(told).groups
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{told!r} is no regular expression: {error}") from error
        if not groups:
            raise ValueError(
                f"{told!r} has no group: put what names the {info.field_name} into parentheses, "
                f"such as {GROUPS[str(info.field_name)]}"
            )
        return told

    @model_validator(mode="after")
    def _each_image_has_its_own_mask(self) -> SourceRules:
        datatypes = [image.partition("/")[0] for image in self.images]
        if STEM not in self.mask and len(set(datatypes)) < len(datatypes):
            raise ValueError(f"mask: without {STEM} it is one mask for several of the images")
        return self

    @model_validator(mode="after")
    def _keys_name_its_images(self) -> SourceRules:
        keys = self.exclude_file.keys if self.exclude_file else {}
        for key, images in keys.items():
            if images == "all":
                continue
            unknown = sorted(set(images) - set(self.images))
            if unknown:
                raise ValueError(f"exclude_file.keys.{key}: {unknown[0]} is not among images")
        return self


class Rules(SourceRules):
    """The rules of the source that a study calls `name`."""

    name: Name
    task: Imaged = Imaged()


def read_rules(path: Path) -> Rules:
    """Read the rules file of one dataset. Raises StudyError if it is not one."""
    try:
        return Rules.model_validate(read_json(path, hint=HINT))
    except ValidationError as error:
        message = f"{path}: not a dataset's rules: {faults(error)}"
        raise StudyError(message, hint=HINT) from error
