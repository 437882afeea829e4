"""The anatomy of a synthetic neck, as analytic shapes in patient space.

Owns: what lies at a point of a subject (`tissue_at`), and how subjects vary.
Does not own: how a scanner sees it (`imaging`), nor files (`phantom`).

Coordinates are millimetres in RAS+ patient space: x to the right, y to anterior, z to
superior; the origin lies on the cord's centreline at mid-cervical level. Sizes follow
adult cervical anatomy (cord 12-15 mm wide and 7-9 mm deep, a vertebral level about 17 mm).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

TISSUES = (
    "air",
    "fat",
    "muscle",
    "bone",
    "marrow",
    "disc",
    "csf",
    "white",
    "grey",
    "vessel",
    "lesion",
    "brain",
    "mucosa",
    "clutter",
)
INDEX = {name: code for code, name in enumerate(TISSUES)}


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
    skull_z: float
    """Height of the foramen magnum: above it lie medulla, cerebellum and skull, mm."""
    vessels: tuple[tuple[float, float, float], ...]
    clutter: tuple[tuple[float, ...], ...]
    lattice: np.ndarray = field(repr=False, compare=False)
    compression: tuple[tuple[float, float], ...] = ()
    """Disc protrusions: height (mm) and how much of the cord's depth each takes."""
    lesions: tuple[tuple[float, ...], ...] = ()
    """Ellipsoids in the cord: centre u, v (fractions of the half axes), z, three radii (mm)."""
    atrophy: float = 1.0


def draw_anatomy(rng: np.random.Generator, *, pathology: str, cord_scale: float = 1.0) -> Anatomy:
    """Draw one subject. `pathology` is one of participants.tsv; an unknown one is drawn as healthy."""
    u = rng.uniform
    level_mm = u(14.5, 19)
    phase = u(0, level_mm)
    vessels = []
    for near, far, low, high, radius in (
        (13, 17, 1, 6, 1.9),
        (20, 30, 12, 26, 3.2),
        (26, 38, 10, 26, 4.5),
    ):
        y, x = u(low, high), u(near, far)
        for side in (-1, 1):
            vessels.append((side * x + u(-2, 2), y + u(-3, 3), radius * u(0.7, 1.3)))
    anatomy = dict(
        tilt=(u(-0.08, 0.08), u(-0.25, 0.25)),
        lordosis=u(-1 / 120, 1 / 300),
        sway=(u(0, 2.0), u(0, 6.28)),
        cord=(u(5.6, 7.2) * cord_scale, u(3.4, 4.5) * cord_scale),
        canal=(u(1.35, 1.9), u(1.35, 1.95), u(-0.8, 0.8)),
        level_mm=level_mm,
        level_phase=phase,
        body=(u(8.5, 12), u(6.5, 9), u(3, 5.5)),
        neck=(u(48, 78), u(46, 70), u(4, 18)),
        fat_mm=u(2.5, 13),
        airway=(u(5, 9), u(4, 8), u(24, 34), u(0, 6.28)),
        skull_z=u(52, 85),
        vessels=tuple(vessels),
        clutter=_draw_clutter(rng),
        lattice=rng.standard_normal((48, 48, 48)).astype(np.float32),
    )
    return Anatomy(**anatomy, **_draw_pathology(rng, pathology, level_mm, phase))


def _draw_clutter(rng: np.random.Generator) -> tuple[tuple[float, ...], ...]:
    """Glands, nodes, tendons, oesophagus: ellipsoids and rods away from the spine."""
    shapes = []
    for _ in range(18):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(24, 66)
        rod = rng.random() < 0.5
        radius = rng.uniform(2, 7) if rod else rng.uniform(3, 12)
        shapes.append(
            (
                reach * np.cos(angle),
                8 + reach * np.sin(angle),
                rng.uniform(-75, 75),
                radius,
                radius * rng.uniform(0.5, 1.5),
                rng.uniform(40, 120) if rod else radius * rng.uniform(0.7, 2),
                rng.uniform(-0.3, 0.3),
                rng.uniform(-0.3, 0.3),
                rng.uniform(0, 1),
            )
        )
    return tuple(shapes)


def _draw_pathology(
    rng: np.random.Generator, pathology: str, level_mm: float, phase: float
) -> dict:
    """Compression lies at discs (DCM); lesions are plaques (MS) or a cavity (SCI)."""
    discs = [phase + level_mm * k for k in range(-2, 2)]
    if pathology in ("DCM", "CSM", "MildCompression"):
        depth = (0.1, 0.2) if pathology == "MildCompression" else (0.25, 0.45)
        chosen = rng.choice(len(discs), size=int(rng.integers(1, 3)), replace=False)
        return {"compression": tuple((discs[k], rng.uniform(*depth)) for k in sorted(chosen))}
    if pathology == "MS":
        plaques = [
            (
                rng.uniform(-0.7, 0.7),
                rng.uniform(-0.6, 0.6),
                rng.uniform(-40, 40),
                rng.uniform(1.2, 2.6),
                rng.uniform(1.2, 2.4),
                rng.uniform(4, 12),
            )
            for _ in range(int(rng.integers(1, 5)))
        ]
        return {"lesions": tuple(plaques), "atrophy": rng.uniform(0.85, 1.0)}
    if pathology == "SCI":
        z = rng.uniform(-25, 25)
        cavity = (
            rng.uniform(-0.2, 0.2),
            rng.uniform(-0.2, 0.2),
            z,
            *rng.uniform((2, 1.5, 6), (4.5, 3, 16)),
        )
        return {"lesions": (cavity,), "atrophy": rng.uniform(0.75, 0.95)}
    return {}


@dataclass(frozen=True)
class Frame:
    """Points (mm) with the cord's own coordinates: offsets u, v from the centreline, and rho."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    u: np.ndarray
    v: np.ndarray
    half_u: np.ndarray
    half_v: np.ndarray
    rho: np.ndarray
    """1 on the cord's surface, less inside."""


def frame(anatomy: Anatomy, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Frame:
    """The cord's coordinates of points. Three float32 arrays of one shape, mm."""
    amplitude, phase = anatomy.sway
    u = x - (anatomy.tilt[0] * z + amplitude * np.sin(z / 35 + phase))
    v = y - (anatomy.tilt[1] * z + 0.5 * anatomy.lordosis * z * z)
    swell = 1 + 0.09 * np.exp(-(((z + 12) / 22) ** 2)) - 0.12 / (1 + np.exp((z + 52) / 6))
    medulla = 1 / (1 + np.exp(-(z - anatomy.skull_z + 4) / 5))
    half_u = anatomy.cord[0] * anatomy.atrophy * swell + 3 * medulla
    half_v = anatomy.cord[1] * anatomy.atrophy * (0.5 + 0.5 * swell) + 4 * medulla
    for height, share in anatomy.compression:
        squeeze = share * np.exp(-(((z - height) / 4) ** 2))
        half_v = half_v * (1 - squeeze)
        half_u = half_u * (1 + 0.3 * squeeze)
        v = v + squeeze * anatomy.cord[1]
    rho = np.sqrt((u / half_u) ** 2 + (v / half_v) ** 2)
    return Frame(x, y, z, u, v, half_u, half_v, rho)


def pattern(
    anatomy: Anatomy, x, y, z, *, scale: tuple[float, float, float], offset: int
) -> np.ndarray:
    """A smooth random field of unit-like variance, read from the subject's lattice (wraps)."""
    points = np.stack(
        [x / scale[0] + 7 * offset, y / scale[1] + 13 * offset, z / scale[2] + 3 * offset]
    )
    return ndimage.map_coordinates(anatomy.lattice, points, order=1, mode="grid-wrap")


def is_cord(anatomy: Anatomy, f: Frame) -> np.ndarray:
    """Where the cord is: inside its surface and below the foramen magnum."""
    return (f.rho < 1) & (f.z < anatomy.skull_z)


def tissue_at(anatomy: Anatomy, f: Frame) -> np.ndarray:
    """The tissue code (uint8, see `TISSUES`) of every point, painted from outside to inside."""
    tissue = np.full(f.x.shape, INDEX["air"], np.uint8)
    _paint_neck(anatomy, f, tissue)
    _paint_spine(anatomy, f, tissue)
    _paint_canal(anatomy, f, tissue)
    return tissue


def _ellipse(u: np.ndarray, v: np.ndarray, half_u, half_v) -> np.ndarray:
    return (u / half_u) ** 2 + (v / half_v) ** 2


def _paint_neck(anatomy: Anatomy, f: Frame, tissue: np.ndarray) -> None:
    """Outline, fat, muscle with fascia, vessels, airway, clutter, skull. Writes `tissue`."""
    half_u, half_v, shift = anatomy.neck
    shoulder = 1 + 0.8 / (1 + np.exp((f.z + 58) / 7))
    inside = _ellipse(f.u, f.v - shift, half_u * shoulder, half_v) < 1
    tissue[inside] = INDEX["fat"]
    deep = (
        _ellipse(f.u, f.v - shift, half_u * shoulder - anatomy.fat_mm, half_v - anatomy.fat_mm) < 1
    )
    tissue[deep] = _deep_tissue(anatomy, f.u[deep], f.v[deep], f.z[deep])
    _paint_head(anatomy, f, tissue, inside)


def _deep_tissue(anatomy: Anatomy, u: np.ndarray, v: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Codes below the subcutaneous fat, for flat arrays of points; muscles mirror left and right."""
    codes = np.full(u.shape, INDEX["muscle"], np.uint8)
    side = np.abs(u)
    fascia = np.abs(pattern(anatomy, side, v, z, scale=(7, 6, 30), offset=1)) < 0.13
    lobules = pattern(anatomy, side, v, z, scale=(9, 9, 16), offset=2) > 1.05
    codes[fascia | lobules] = INDEX["fat"]
    kinds = ("clutter", "mucosa", "vessel", "muscle", "fat", "marrow")
    for cx, cy, cz, rx, ry, rz, ax, ay, kind in anatomy.clutter:
        dz = z - np.float32(cz)
        blob = _ellipse(u - cx - ax * dz, v - cy - ay * dz, rx, ry) + (dz / rz) ** 2 < 1
        codes[blob] = INDEX[kinds[int(kind * len(kinds))]]
    for cx, cy, radius in anatomy.vessels:
        codes[_ellipse(u - cx, v - cy, radius, radius * 0.9) < 1] = INDEX["vessel"]
    wide, tall, ahead, phase = anatomy.airway
    lumen = _ellipse(u, v - ahead, wide * (1 + 0.25 * np.sin(z / 14 + phase)), tall)
    codes[lumen < 1.9] = INDEX["mucosa"]
    codes[lumen < 1] = INDEX["air"]
    return codes


def _paint_head(anatomy: Anatomy, f: Frame, tissue: np.ndarray, inside: np.ndarray) -> None:
    """The posterior fossa above the foramen magnum: skull, CSF, cerebellum, brainstem."""
    up = f.z - anatomy.skull_z
    dome = (f.u / 46) ** 2 + ((f.v + 12) / 40) ** 2 + ((up - 30) / 34) ** 2
    head = inside & (up > 0)
    tissue[head & (dome < 1.15)] = INDEX["bone"]
    tissue[head & (dome < 1.0)] = INDEX["csf"]
    brain = head & (dome < 0.86)
    folds = pattern(anatomy, f.x[brain], f.y[brain], f.z[brain], scale=(3, 3, 2.5), offset=5)
    tissue[brain] = np.where(folds < 0.9, INDEX["brain"], INDEX["csf"])


def _paint_spine(anatomy: Anatomy, f: Frame, tissue: np.ndarray) -> None:
    """Bodies, discs, arch, processes and facets, repeated a level. Writes `tissue`."""
    below = f.z < anatomy.skull_z
    wide, deep, disc_mm = anatomy.body
    front = anatomy.cord[1] * anatomy.canal[1] + anatomy.canal[2]
    within = np.mod(f.z - anatomy.level_phase + disc_mm / 2, anatomy.level_mm)
    disc = within < disc_mm
    vb = f.v - front - deep - 1
    body = _ellipse(f.u, vb, wide, deep)
    tissue[below & (body < 1.18)] = INDEX["bone"]
    tissue[below & (body < 1.0)] = INDEX["marrow"]
    tissue[below & (body < 1.1) & disc] = INDEX["disc"]
    side = np.abs(f.u)
    canal_u, canal_v = anatomy.cord[0] * anatomy.canal[0], anatomy.cord[1] * anatomy.canal[1]
    ring = _ellipse(f.u, f.v - anatomy.canal[2], canal_u + 4.5, canal_v + 4.5) < 1
    tissue[below & ring & (f.v < front)] = INDEX["fat"]
    bony = np.mod(within + 0.3 * f.v, anatomy.level_mm) > 0.42 * anatomy.level_mm
    tissue[below & ring & (f.v < front) & bony] = INDEX["bone"]
    facet = _ellipse(side - canal_u - 6, f.v - 0.3 * canal_v, 5, 6) < 1
    tissue[below & facet] = INDEX["bone"]
    tissue[below & (_ellipse(side - canal_u - 6, f.v - 0.3 * canal_v, 3.2, 4) < 1) & bony] = INDEX[
        "marrow"
    ]
    spinous = (
        (side < 3) & (f.v < -canal_v - 2) & (f.v > -canal_v - 2 - 1.1 * anatomy.level_mm) & bony
    )
    tissue[below & spinous] = INDEX["marrow"]
    for height, share in anatomy.compression:
        bulge = _ellipse(f.u, f.v - front, 9, 2 + 7 * share) + ((f.z - height) / 3.5) ** 2 < 1
        tissue[below & bulge] = INDEX["disc"]


def _paint_canal(anatomy: Anatomy, f: Frame, tissue: np.ndarray) -> None:
    """CSF, roots, cord with its grey matter, lesions. Writes `tissue`."""
    canal_u, canal_v = anatomy.cord[0] * anatomy.canal[0], anatomy.cord[1] * anatomy.canal[1]
    canal = (
        _ellipse(
            f.u,
            f.v - anatomy.canal[2],
            np.maximum(canal_u, f.half_u + 1),
            np.maximum(canal_v, f.half_v + 0.7),
        )
        < 1
    )
    sac = canal & (tissue != INDEX["disc"])
    tissue[sac] = INDEX["csf"]
    roots = np.abs(np.abs(f.v) - 1.8) < 0.7
    roots &= np.mod(f.z + 0.5 * np.abs(f.u), anatomy.level_mm) < 0.45 * anatomy.level_mm
    tissue[sac & roots & (np.abs(f.u) > f.half_u)] = INDEX["white"]
    cord = f.rho < 1
    tissue[cord] = INDEX["white"]
    p, q = np.abs(f.u) / f.half_u, f.v / f.half_v
    horns = (np.abs(p - 0.30 - 0.08 * q) < 0.13) & (q > -0.72) & (q < 0.55)
    commissure = (p < 0.35) & (np.abs(q) < 0.14)
    tissue[cord & (horns | commissure)] = INDEX["grey"]
    fissure = (p < 0.05) & (q > 0.35)
    tissue[cord & fissure] = INDEX["csf"]
    for cu, cv, cz, ru, rv, rz in anatomy.lesions:
        spot = (
            _ellipse(f.u - cu * f.half_u, f.v - cv * f.half_v, ru, rv) + ((f.z - cz) / rz) ** 2 < 1
        )
        tissue[cord & spot & (f.rho < 0.92)] = INDEX["lesion"]
