"""How the mask of a source's image is called in a BIDS derivative.

Owns: that name.
Does not own: how images are called (`names`), or what is in a mask.

BIDS gives a mask the entities of its image, of which not all may stand in a mask's name, and
`mask` in place of the suffix. So what would be lost says, as `space`, to which of a person's
images the mask belongs: `sub-1_flip-1_MTS` has the mask `sub-1_space-flip1MTS_label-SC_mask`.
"""

from __future__ import annotations

import re

from bidsschematools.schema import load_schema

from cordstudy.base.errors import StudyError
from cordstudy.pipeline.sources.names import ENDING, without_ending

OWN = ("space", "label")
"""The entities that a mask has of its own."""
PAIR = re.compile(r"([0-9A-Za-z]+)-([0-9A-Za-z+]+)")


def mask_name(image: str, label: str) -> str:
    """Where the mask of an image goes; both relative to their datasets. `label` is of what is
    masked, `SC` of the spinal cord.

    Raises StudyError for an image whose name is no BIDS name, or that has an entity which the mask
    needs for itself, and for one of a datatype that BIDS has no masks of.
    """
    folder, _, file = image.rpartition("/")
    datatype = folder.rpartition("/")[2]
    *pairs, suffix = without_ending(file).split("_")
    entities = [_entity(pair, image) for pair in pairs]
    kept = _entities_of_masks(datatype, image)
    lost = "".join(key + value for key, value in entities if key not in kept)
    values = {key: value for key, value in entities if key in kept}
    values |= {"space": lost.replace("+", "") + suffix, "label": label}
    in_order = [f"{key}-{values[key]}" for key in _order() if key in values]
    return f"{folder}/{'_'.join([*in_order, 'mask'])}{ENDING}"


def _entity(pair: str, image: str) -> tuple[str, str]:
    """The key and the value of an entity."""
    found = PAIR.fullmatch(pair)
    if not found:
        raise StudyError(f"{image}: {pair!r} is no entity of BIDS", hint="name it as BIDS has it")
    key, value = found.groups()
    if key in OWN:
        raise StudyError(
            f"{image}: it has {pair}, an entity that its mask needs for itself",
            hint="a derivative is of the images of a raw dataset",
        )
    return key, value


def _entities_of_masks(datatype: str, image: str) -> set[str]:
    """The entities, by their keys, that the name of a mask of a datatype may have."""
    rule = load_schema().rules.files.deriv.imaging.get(f"{datatype}_mask")
    if rule is None:
        raise StudyError(
            f"{image}: BIDS has no masks of the datatype {datatype!r}",
            hint="choose another test set",
        )
    return {_key(entity) for entity in rule.entities}


def _order() -> list[str]:
    """The keys of all entities, as they stand in a name."""
    return [_key(entity) for entity in load_schema().rules.entities]


def _key(entity: str) -> str:
    return str(load_schema().objects.entities[entity].name)
