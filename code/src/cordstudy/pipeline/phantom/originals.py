"""What each of the six phantom sources looks like: participants, images, labels, troubles.

Owns: the table of sources, each an imitation of one original's layout at small size.
Does not own: how a source is drawn and written (`phantom`).

Participant ids, vendors and pathologies are after the published lists of the originals;
every image is synthetic.
"""

from __future__ import annotations

from dataclasses import dataclass

from cordstudy.pipeline.phantom.scanner import Acquisition

NO_IMAGES, NO_MASK, SOFT_MASK, LEAVE_OUT = "no images", "no mask", "soft mask", "leave out"
"""Troubles that the originals have too. LEAVE_OUT is an image spoilt by motion."""


@dataclass(frozen=True)
class Person:
    """One row of participants.tsv; `trouble` is one of the four above or empty."""

    name: str
    vendor: str
    pathology: str
    trouble: str = ""


@dataclass(frozen=True)
class Image:
    """One image of every participant: BIDS datatype, what follows `sub-<id>_[ses-<id>_]`,
    who made the mask (`origin`: manual, corrected or model), and how it is acquired."""

    datatype: str
    entities: str
    origin: str
    acquisition: Acquisition


@dataclass(frozen=True)
class Original:
    """One source data set, as small as its stand-in is to be."""

    url: str
    session: str
    labels: str
    """Folder of the masks below the root."""
    mask_suffix: str
    """What follows the image's stem; for a name that starts with `_task` the whole of it
    replaces what follows the subject."""
    images: tuple[Image, ...]
    participants: tuple[Person, ...]
    cord_scale: float = 1.0
    swap_sex_and_age: bool = False
    """ds005143 has the two columns of participants.tsv exchanged."""
    ignored: tuple[str, ...] = ()
    """Patterns of .bidsignore: names that the original has and BIDS does not."""


def _people(rows: str) -> tuple[Person, ...]:
    """A row of text each: name, vendor, pathology, and a trouble or nothing."""
    return tuple(Person(*row.split(maxsplit=3)) for row in rows.strip().splitlines())


def _axial(
    contrast: str,
    in_plane_mm: float,
    thick_mm: float,
    size: int,
    slices: int,
    *,
    orientation: str = "LAS",
    noise: float = Acquisition.noise,
    distortion_mm: float = Acquisition.distortion_mm,
    ghost: float = Acquisition.ghost,
) -> Acquisition:
    """A stack of thick axial slices, `size` voxels wide and high."""
    return Acquisition(
        contrast,
        (size, size, slices),
        (in_plane_mm, in_plane_mm, thick_mm),
        orientation,
        noise=noise,
        distortion_mm=distortion_mm,
        ghost=ghost,
    )


ORIGINALS = {
    "data-multi-subject": Original(
        url="https://github.com/spine-generic/data-multi-subject",
        session="",
        labels="derivatives/labels",
        mask_suffix="_label-SC_seg",
        ignored=("*_T2star.*", "T2star.json"),
        images=(
            Image(
                "anat", "T1w", "corrected", Acquisition("T1w", (50, 84, 56), (1.2, 1.2, 1.2), "RAS")
            ),
            Image(
                "anat", "T2w", "corrected", Acquisition("T2w", (46, 86, 60), (1.1, 1.1, 1.1), "PSR")
            ),
            Image("anat", "T2star", "corrected", _axial("T2star", 0.9, 5.0, 104, 10)),
            Image(
                "anat",
                "flip-1_mt-on_MTS",
                "model",
                _axial("MTon", 1.0, 5.0, 96, 10, orientation="RAS"),
            ),
            Image(
                "anat",
                "flip-2_mt-off_MTS",
                "model",
                _axial("MToff", 1.0, 5.0, 96, 10, orientation="RAS"),
            ),
            Image(
                "dwi",
                "rec-average_dwi",
                "manual",
                _axial("DWI", 1.0, 5.0, 88, 10, distortion_mm=1.2, ghost=0.03, noise=0.05),
            ),
        ),
        participants=_people("""
            amu01           Siemens HC
            balgrist04      Siemens HC
            barcelona02     Siemens MildCompression
            beijingPrisma02 Siemens MildCompression
            brnoUhb03       GE      HC
            cardiff02       Siemens HC
            cmrra05         Siemens HC
            fslAchieva01    Philips HC
            fslAchieva03    Philips HC
            geneva03        Siemens HC
            hamburg04       Siemens HC
            juntendo750w03  GE      MildCompression
            mgh01           Siemens HC
            milan05         Siemens HC
            mniS05          Siemens MildCompression
            mpicbs05        Siemens HC
            nottwil04       Philips HC
            oxfordFmrib04   Siemens HC              leave out
            perform02       GE      HC
            queensland02    Siemens MildCompression
            stanford04      GE      HC              no images
            strasbourg03    Siemens HC
            tokyo750w02     GE      MildCompression
            ucdavis03       Siemens HC              soft mask
            ucl01           Philips HC
            unf06           Siemens HC              no mask
            vuiisIngenia01  Philips HC
        """),
    ),
    "inspired": Original(
        url="git@data.neuro.polymtl.ca:datasets/inspired",
        session="",
        labels="derivatives/manual_labels",
        mask_suffix="_label-SC_seg",
        cord_scale=0.97,
        images=(
            Image(
                "anat",
                "acq-cspineAxial_T2w",
                "manual",
                _axial("T2w", 0.8, 4.0, 112, 12, orientation="LPS", noise=0.04),
            ),
        ),
        participants=_people("""
            torontoDCM001 GE      DCM
            torontoDCM006 GE      DCM
            torontoDCM008 GE      DCM soft mask
            torontoDCM010 GE      DCM
            torontoDCM017 GE      DCM
            torontoDCM019 GE      DCM
            torontoHC002  GE      HC
            torontoHC005  GE      HC
            torontoHC007  GE      HC
            torontoHC010  GE      HC
            torontoSCI012 GE      SCI
            zurichDCM003  Siemens DCM
            zurichDCM005  Siemens DCM
            zurichDCM010  Siemens DCM
            zurichDCM014  Siemens DCM
            zurichDCM016  Siemens DCM
            zurichDCM019  Siemens DCM
            zurichDCM021  Siemens DCM no mask
            zurichHC001   Siemens HC
            zurichHC003   Siemens HC  leave out
            zurichHC005   Siemens HC
            zurichHC008   Siemens HC
            zurichHC009   Siemens HC
            zurichSCI003  Siemens SCI
            zurichSCI007  Siemens SCI no images
            zurichSCI010  Siemens SCI
            zurichSCI013  Siemens SCI
        """),
    ),
    "sci-colorado": Original(
        url="git@data.neuro.polymtl.ca:datasets/sci-colorado",
        session="",
        labels="derivatives/labels",
        mask_suffix="_seg-manual",
        images=(
            Image(
                "anat",
                "T2w",
                "manual",
                Acquisition("T2w", (18, 100, 72), (3.0, 0.95, 0.95), "PIR", noise=0.05, bias=0.5),
            ),
        ),
        participants=_people("""
            5416 Siemens SCI
            5425 Siemens SCI
            5445 Siemens SCI
            5493 Siemens SCI
            5512 Siemens SCI
            5543 Siemens SCI
            5554 Siemens SCI
            5584 Siemens SCI
            5585 Siemens SCI
            5601 Siemens SCI
            5636 Siemens SCI soft mask
            5653 Siemens SCI
            5660 Siemens SCI
            5724 Siemens SCI
            5740 Siemens SCI
            5755 Siemens SCI
            5854 Siemens SCI
            5910 Siemens SCI
            6002 Siemens SCI no mask
            6026 Siemens SCI
            6036 Siemens SCI
            6092 Siemens SCI
            6143 Siemens SCI leave out
            6155 Siemens SCI
            6257 Siemens SCI
            6299 Siemens SCI
            6442 Siemens SCI no images
        """),
    ),
    "canproco": Original(
        url="git@data.neuro.polymtl.ca:datasets/canproco",
        session="M0",
        labels="derivatives/labels",
        mask_suffix="_seg-manual",
        images=(
            Image(
                "anat", "T2w", "manual", Acquisition("T2w", (46, 86, 60), (1.1, 1.1, 1.1), "RSA")
            ),
        ),
        participants=_people("""
            cal056 GE      MS
            cal072 GE      MS
            cal083 GE      MS
            cal090 GE      MS
            cal107 GE      HC
            cal127 GE      MS
            cal156 GE      MS
            edm005 Siemens MS
            edm031 Siemens MS
            edm088 Siemens MS
            edm128 Siemens MS
            edm138 Siemens HC
            mon003 GE      MS leave out
            mon007 GE      MS
            mon041 GE      MS
            mon118 GE      HC
            tor007 Siemens MS
            tor061 Siemens MS
            tor073 Siemens MS
            tor115 Siemens HC soft mask
            van111 Philips MS
            van124 Philips HC
            van135 Philips MS
            van152 Philips MS
            van161 Philips MS
            van171 Philips HC no mask
            van196 Philips MS no images
        """),
    ),
    "basel-mp2rage": Original(
        url="git@data.neuro.polymtl.ca:datasets/basel-mp2rage",
        session="",
        labels="derivatives/labels",
        mask_suffix="_label-SC_seg",
        images=(
            Image(
                "anat",
                "UNIT1",
                "corrected",
                Acquisition("UNIT1", (50, 84, 56), (1.2, 1.2, 1.2), "LPI", noise=0.05),
            ),
        ),
        participants=_people("""
            C002 Siemens HC
            C005 Siemens HC
            C010 Siemens HC soft mask
            C018 Siemens HC
            C026 Siemens HC
            C032 Siemens HC
            C047 Siemens HC
            C063 Siemens HC
            C088 Siemens HC
            C102 Siemens HC no mask
            P011 Siemens MS
            P022 Siemens MS
            P035 Siemens MS
            P049 Siemens MS
            P062 Siemens MS
            P078 Siemens MS
            P094 Siemens MS
            P110 Siemens MS
            P118 Siemens MS leave out
            P132 Siemens MS
            P157 Siemens MS
            P172 Siemens MS
            P179 Siemens MS no images
        """),
    ),
    "ds005143": Original(
        url="https://github.com/OpenNeuroDatasets/ds005143",
        session="",
        labels="derivatives/label",
        mask_suffix="_task-rest_desc-spinalcordmask",
        swap_sex_and_age=True,
        ignored=("*_rec-MoCoMean_bold.*",),
        images=(
            Image(
                "func",
                "task-rest_rec-MoCoMean_bold",
                "manual",
                _axial("EPI", 1.0, 5.0, 96, 10, distortion_mm=1.5, ghost=0.05, noise=0.03),
            ),
        ),
        participants=_people("""
            ZurichCervC01  Siemens HC
            ZurichCervC02  Siemens HC
            ZurichCervC05  Siemens HC
            genevaR101     Siemens HC  no images
            genevaR105     Siemens HC
            genevaR112     Siemens HC
            hamburgP01     Siemens HC
            hamburgP02     Siemens HC  soft mask
            hamburgP11     Siemens HC
            leipzigP01     Siemens HC  no mask
            leipzigP03     Siemens HC
            leipzigR07     Siemens HC
            nwM01          Siemens HC  leave out
            nwM05          Siemens HC
            nwT04          Siemens HC
            ouhscCSMS01    GE      CSM
            ouhscCSMS06    GE      CSM
            ouhscHCS18     GE      HC
            stanfordR01    GE      HC
            stanfordR06    GE      HC
            stanfordRMFM01 GE      FM
            stanfordRMFM04 GE      FM
            unfMSL08       Siemens HC
        """),
    ),
}
