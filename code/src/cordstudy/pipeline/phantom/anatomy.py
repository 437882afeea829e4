"""The anatomy of a synthetic neck: the sizes, places and diseases that one subject has.

Owns: how subjects vary, every random choice of one drawn in a fixed order, and the generators that
these come from.
Does not own: what lies at a point of a subject (`tissues`), how a scanner sees it (`scanner`), nor
files (`phantom`).

Coordinates are millimetres in RAS+ patient space: x to the right, y to anterior, z to
superior; the origin lies on the cord's centreline at mid-cervical level. Sizes follow
adult cervical anatomy (cord 12-15 mm wide and 7-9 mm deep, a vertebral level about 17 mm), but for
the neck's girth: a slim one leaves air about it in a small image, as a real one does in a large.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

VESSELS = ((13, 17, 1, 6, 1.9), (20, 30, 12, 26, 3.2), (26, 38, 10, 26, 4.5))
"""Of each pair: range of the distance from the midplane, range to anterior, radius; mm."""
CLUTTER = 18
LATTICE = (48, 48, 48)


@dataclass(frozen=True)
class Vessel:
    """A vessel along the cord: its centre's offset from the centreline, and its radius, mm."""

    u: float
    v: float
    radius: float


@dataclass(frozen=True)
class Blob:
    """A gland, node, tendon or the oesophagus: a leaning ellipsoid or rod, mm."""

    u: float
    v: float
    z: float
    radius_u: float
    radius_v: float
    radius_z: float
    lean_u: float
    lean_v: float
    """How far its axis moves sideways, mm a mm of z."""
    kind: float
    """Which tissue it is of, as a share (0 to 1) of the list of those."""


@dataclass(frozen=True)
class Protrusion:
    """A disc that presses on the cord: its height (mm), and how much of the cord's depth it
    takes."""

    height: float
    share: float


@dataclass(frozen=True)
class Lesion:
    """An ellipsoid in the cord: centre (u, v as fractions of the half axes, z in mm), radii, mm."""

    u: float
    v: float
    z: float
    radius_u: float
    radius_v: float
    radius_z: float


@dataclass(frozen=True)
class Anatomy:
    """One subject's neck: every random choice, drawn once from the subject's seed."""

    tilt: tuple[float, float]
    """Slope of the centreline, mm of (x, y) a mm of z."""
    lordosis: float
    """Curvature of the centreline in the sagittal plane, 1/mm."""
    sway: tuple[float, float]
    """Amplitude (mm) and phase of the sideways wave of the centreline."""
    cord: tuple[float, float]
    """Lateral and antero-posterior half axes of the cord at mid-cervical level, mm."""
    canal: tuple[float, float, float]
    """Canal over cord, lateral and antero-posterior, and the canal's shift, mm."""
    level_mm: float
    level_phase: float
    body: tuple[float, float, float]
    """Vertebral body: half width, half depth, height of the disc, mm."""
    neck: tuple[float, float, float]
    """Neck: half width, half depth, shift of its centre from the cord to anterior, mm."""
    fat_mm: float
    airway: tuple[float, float, float, float]
    """Airway: half width, half depth, how far to anterior (mm), phase of its waist."""
    skull_z: float
    """Height of the foramen magnum: above it lie medulla, cerebellum and skull, mm."""
    vessels: tuple[Vessel, ...]
    clutter: tuple[Blob, ...]
    lattice: NDArray[np.float32] = field(repr=False, compare=False)
    """Random numbers from which every texture is read, of shape `LATTICE`."""
    compression: tuple[Protrusion, ...] = ()
    lesions: tuple[Lesion, ...] = ()
    atrophy: float = 1.0
    """What is left of the cord's half axes."""


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for each participant and image: adding one changes no other."""
    digest = hashlib.sha256("/".join((str(seed), *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def draw_anatomy(rng: np.random.Generator, *, pathology: str, cord_scale: float = 1.0) -> Anatomy:
    """Draw one subject. `pathology` is one of participants.tsv; an unknown one is drawn as healthy.

    The order of the draws is that of the lines: another order is another subject.
    """
    u = rng.uniform
    level_mm = u(14.5, 19)
    level_phase = u(0, level_mm)
    girth = u(0.55, 1)
    vessels = _draw_vessels(rng)
    healthy = Anatomy(
        tilt=(u(-0.08, 0.08), u(-0.25, 0.25)),
        lordosis=u(-1 / 120, 1 / 300),
        sway=(u(0, 2.0), u(0, 6.28)),
        cord=(u(5.6, 7.2) * cord_scale, u(3.4, 4.5) * cord_scale),
        canal=(u(1.35, 1.9), u(1.35, 1.95), u(-0.8, 0.8)),
        level_mm=level_mm,
        level_phase=level_phase,
        body=(u(8.5, 12), u(6.5, 9), u(3, 5.5)),
        neck=(u(48, 78) * girth, u(46, 70) * girth, u(4, 18)),
        fat_mm=u(2.5, 13) * girth,
        airway=(u(5, 9), u(4, 8), u(24, 34), u(0, 6.28)),
        skull_z=u(52, 85),
        vessels=vessels,
        clutter=tuple(_draw_blob(rng) for _ in range(CLUTTER)),
        lattice=rng.standard_normal(LATTICE).astype(np.float32),
    )
    return _with_pathology(healthy, rng, pathology)


def _draw_vessels(rng: np.random.Generator) -> tuple[Vessel, ...]:
    """Three pairs, nearly alike on both sides."""
    vessels = []
    for near, far, low, high, radius in VESSELS:
        v = rng.uniform(low, high)
        u = rng.uniform(near, far)
        for side in (-1, 1):
            vessel = Vessel(
                u=side * u + rng.uniform(-2, 2),
                v=v + rng.uniform(-3, 3),
                radius=radius * rng.uniform(0.7, 1.3),
            )
            vessels.append(vessel)
    return tuple(vessels)


def _draw_blob(rng: np.random.Generator) -> Blob:
    """One ellipsoid or rod away from the spine."""
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(24, 66)
    is_rod = rng.random() < 0.5
    radius = rng.uniform(2, 7) if is_rod else rng.uniform(3, 12)
    return Blob(
        u=reach * np.cos(angle),
        v=8 + reach * np.sin(angle),
        z=rng.uniform(-75, 75),
        radius_u=radius,
        radius_v=radius * rng.uniform(0.5, 1.5),
        radius_z=rng.uniform(40, 120) if is_rod else radius * rng.uniform(0.7, 2),
        lean_u=rng.uniform(-0.3, 0.3),
        lean_v=rng.uniform(-0.3, 0.3),
        kind=rng.uniform(0, 1),
    )


def _with_pathology(healthy: Anatomy, rng: np.random.Generator, pathology: str) -> Anatomy:
    """Compression lies at discs (DCM); lesions are plaques (MS) or a cavity (SCI)."""
    if pathology == "MildCompression":
        return replace(healthy, compression=_draw_compression(rng, healthy, 0.1, 0.2))
    if pathology in ("DCM", "CSM"):
        return replace(healthy, compression=_draw_compression(rng, healthy, 0.25, 0.45))
    if pathology == "MS":
        count = int(rng.integers(1, 5))
        plaques = tuple(_draw_plaque(rng) for _ in range(count))
        return replace(healthy, lesions=plaques, atrophy=rng.uniform(0.85, 1.0))
    if pathology == "SCI":
        cavity = _draw_cavity(rng)
        return replace(healthy, lesions=(cavity,), atrophy=rng.uniform(0.75, 0.95))
    return healthy


def _draw_compression(
    rng: np.random.Generator, healthy: Anatomy, least: float, most: float
) -> tuple[Protrusion, ...]:
    """One or two discs of the four levels about the middle, each by a share of its own."""
    discs = [healthy.level_phase + healthy.level_mm * level for level in range(-2, 2)]
    count = int(rng.integers(1, 3))
    chosen = sorted(rng.choice(len(discs), size=count, replace=False))
    return tuple(Protrusion(discs[disc], rng.uniform(least, most)) for disc in chosen)


def _draw_plaque(rng: np.random.Generator) -> Lesion:
    return Lesion(
        u=rng.uniform(-0.7, 0.7),
        v=rng.uniform(-0.6, 0.6),
        z=rng.uniform(-40, 40),
        radius_u=rng.uniform(1.2, 2.6),
        radius_v=rng.uniform(1.2, 2.4),
        radius_z=rng.uniform(4, 12),
    )


def _draw_cavity(rng: np.random.Generator) -> Lesion:
    z = rng.uniform(-25, 25)
    u = rng.uniform(-0.2, 0.2)
    v = rng.uniform(-0.2, 0.2)
    radius_u, radius_v, radius_z = rng.uniform((2, 1.5, 6), (4.5, 3, 16))
    return Lesion(u, v, z, radius_u, radius_v, radius_z)
