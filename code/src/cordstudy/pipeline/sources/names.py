"""How a source's files are called.

Owns: the endings of images, a name without its ending, what a rule's images are called, and which
known name is nearest to one that is not.
Does not own: which files there are (`images`), or the names of converted ones (`raw.names`).
"""

from __future__ import annotations

import re

from cordstudy.pipeline.sources.rules import SourceRules

ENDING = ".nii.gz"
"""How an image's name ends that a source lacks."""
_ENDING = re.compile(r"\.nii(\.gz)?\Z", re.IGNORECASE)


def ending_of(path: str) -> str:
    """How an image's name ends, as it is written; empty where it is no image's."""
    found = _ENDING.search(path)
    return found[0] if found else ""


def without_ending(path: str) -> str:
    """The path of an image without its ending."""
    return path.removesuffix(ending_of(path))


def stem_of(path: str) -> str:
    """The name of an image's file, without its ending."""
    return without_ending(path).rpartition("/")[2]


def is_hidden(name: str) -> bool:
    """Whether a file is one of those that are not listed: `._…` of macOS among them."""
    return name.startswith(".")


def subject_of(participant: str, session: str | None) -> str:
    """How the names of a participant's files begin: with the session where there is one."""
    return f"{participant}_{session}" if session else participant


def folder_of(subject: str, datatype: str) -> str:
    """The folder of a subject's images of one datatype, relative to the source."""
    return f"{subject.replace('_', '/')}/{datatype}"


def datatype_of(rule: str) -> str:
    """The folder that a rule's images lie in."""
    return rule.partition("/")[0]


def contrast_of(rule: str) -> str:
    """What a rule says of an image but its datatype: entities and suffix."""
    return rule.partition("/")[2]


def suffix_of(contrast: str) -> str:
    """The last part of a rule, contrast or stem: what kind of image it is."""
    return contrast.rpartition("/")[2].rpartition("_")[2]


def place_of(rules: SourceRules, participant: str, rule: str) -> str:
    """Where a rule's image of a participant lies: relative to the source, without ending."""
    subject = subject_of(participant, rules.session)
    return f"{folder_of(subject, datatype_of(rule))}/{subject}_{contrast_of(rule)}"
