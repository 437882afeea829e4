"""What lies at a point of a synthetic neck, as analytic shapes.

Owns: the list of tissues, the cord's own coordinates, and which tissue each point has.
Does not own: the sizes of a subject (`anatomy`), how a scanner sees a tissue (`scanner`).

Arrays of points are float32 or float64, of any one shape; coordinates are those of `anatomy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cordstudy.pipeline.phantom.anatomy import Anatomy

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
CLUTTER_KINDS = ("clutter", "mucosa", "vessel", "muscle", "fat", "marrow")

Values = NDArray[np.floating[Any]]
Codes = NDArray[np.uint8]
Where = NDArray[np.bool_]


@dataclass(frozen=True)
class Frame:
    """Points (mm) with the cord's own coordinates: offsets u, v from the centreline, and rho."""

    x: Values
    y: Values
    z: Values
    u: Values
    v: Values
    half_u: Values
    half_v: Values
    rho: Values
    """1 on the cord's surface, less inside."""


def frame(anatomy: Anatomy, x: Values, y: Values, z: Values) -> Frame:
    """The cord's coordinates of points. Three float32 arrays of one shape, mm."""
    amplitude, phase = anatomy.sway
    u = x - (anatomy.tilt[0] * z + amplitude * np.sin(z / 35 + phase))
    v = y - (anatomy.tilt[1] * z + 0.5 * anatomy.lordosis * z * z)
    swell = 1 + 0.09 * np.exp(-(((z + 12) / 22) ** 2)) - 0.12 / (1 + np.exp((z + 52) / 6))
    medulla = 1 / (1 + np.exp(-(z - anatomy.skull_z + 4) / 5))
    half_u = anatomy.cord[0] * anatomy.atrophy * swell + 3 * medulla
    half_v = anatomy.cord[1] * anatomy.atrophy * (0.5 + 0.5 * swell) + 4 * medulla
    for protrusion in anatomy.compression:
        squeeze = protrusion.share * np.exp(-(((z - protrusion.height) / 4) ** 2))
        half_v = half_v * (1 - squeeze)
        half_u = half_u * (1 + 0.3 * squeeze)
        v = v + squeeze * anatomy.cord[1]
    rho = np.sqrt((u / half_u) ** 2 + (v / half_v) ** 2)
    return Frame(x, y, z, u, v, half_u, half_v, rho)


def is_cord(anatomy: Anatomy, points: Frame) -> Where:
    """Where the cord is: inside its surface and below the foramen magnum."""
    return (points.rho < 1) & (points.z < anatomy.skull_z)


def tissue_at(anatomy: Anatomy, points: Frame) -> Codes:
    """The tissue code (see `TISSUES`) of every point, painted from outside to inside."""
    tissue = np.full(points.x.shape, INDEX["air"], np.uint8)
    _paint_neck(anatomy, points, tissue)
    _paint_spine(anatomy, points, tissue)
    _paint_canal(anatomy, points, tissue)
    _paint_cord(anatomy, points, tissue)
    return tissue


def _pattern(
    anatomy: Anatomy,
    x: Values,
    y: Values,
    z: Values,
    *,
    scale: tuple[float, float, float],
    offset: int,
) -> Values:
    """A smooth random field of unit-like variance, read from the subject's lattice (wraps)."""
    lattice_x = x / scale[0] + 7 * offset
    lattice_y = y / scale[1] + 13 * offset
    lattice_z = z / scale[2] + 3 * offset
    places = np.stack([lattice_x, lattice_y, lattice_z])
    field: Values = ndimage.map_coordinates(anatomy.lattice, places, order=1, mode="grid-wrap")
    return field


def _ellipse(u: Values, v: Values, half_u: Values | float, half_v: Values | float) -> Values:
    """1 on the ellipse's line, less inside."""
    return (u / half_u) ** 2 + (v / half_v) ** 2


def _paint_neck(anatomy: Anatomy, points: Frame, tissue: Codes) -> None:
    """Outline, fat, muscle with fascia, vessels, airway, clutter, skull. Writes `tissue`."""
    half_u, half_v, shift = anatomy.neck
    fat_mm = anatomy.fat_mm
    shoulder = 1 + 0.8 / (1 + np.exp((points.z + 58) / 7))
    wide = half_u * shoulder
    inside = _ellipse(points.u, points.v - shift, wide, half_v) < 1
    tissue[inside] = INDEX["fat"]
    deep = _ellipse(points.u, points.v - shift, wide - fat_mm, half_v - fat_mm) < 1
    tissue[deep] = _deep_tissue(anatomy, points.u[deep], points.v[deep], points.z[deep])
    _paint_head(anatomy, points, tissue, inside)


def _deep_tissue(anatomy: Anatomy, u: Values, v: Values, z: Values) -> Codes:
    """Codes below the subcutaneous fat, for flat arrays of points; left and right are alike."""
    codes = np.full(u.shape, INDEX["muscle"], np.uint8)
    side = np.abs(u)
    fascia = np.abs(_pattern(anatomy, side, v, z, scale=(7, 6, 30), offset=1)) < 0.13
    lobules = _pattern(anatomy, side, v, z, scale=(9, 9, 16), offset=2) > 1.05
    codes[fascia | lobules] = INDEX["fat"]
    for blob in anatomy.clutter:
        above = z - np.float32(blob.z)
        across_u = u - blob.u - blob.lean_u * above
        across_v = v - blob.v - blob.lean_v * above
        outward = _ellipse(across_u, across_v, blob.radius_u, blob.radius_v)
        kind = CLUTTER_KINDS[int(blob.kind * len(CLUTTER_KINDS))]
        codes[outward + (above / blob.radius_z) ** 2 < 1] = INDEX[kind]
    for vessel in anatomy.vessels:
        outward = _ellipse(u - vessel.u, v - vessel.v, vessel.radius, vessel.radius * 0.9)
        codes[outward < 1] = INDEX["vessel"]
    wide, tall, ahead, phase = anatomy.airway
    lumen = _ellipse(u, v - ahead, wide * (1 + 0.25 * np.sin(z / 14 + phase)), tall)
    codes[lumen < 1.9] = INDEX["mucosa"]
    codes[lumen < 1] = INDEX["air"]
    return codes


def _paint_head(anatomy: Anatomy, points: Frame, tissue: Codes, inside: Where) -> None:
    """The posterior fossa above the foramen magnum: skull, CSF, cerebellum, brainstem."""
    up = points.z - anatomy.skull_z
    dome = (points.u / 46) ** 2 + ((points.v + 12) / 40) ** 2 + ((up - 30) / 34) ** 2
    head = inside & (up > 0)
    tissue[head & (dome < 1.15)] = INDEX["bone"]
    tissue[head & (dome < 1.0)] = INDEX["csf"]
    brain = head & (dome < 0.86)
    x, y, z = points.x[brain], points.y[brain], points.z[brain]
    folds = _pattern(anatomy, x, y, z, scale=(3, 3, 2.5), offset=5)
    tissue[brain] = np.where(folds < 0.9, INDEX["brain"], INDEX["csf"])


def _paint_spine(anatomy: Anatomy, points: Frame, tissue: Codes) -> None:
    """Bodies, discs, arch, processes and facets, repeated a level. Writes `tissue`."""
    below = points.z < anatomy.skull_z
    disc_mm = anatomy.body[2]
    within = np.mod(points.z - anatomy.level_phase + disc_mm / 2, anatomy.level_mm)
    _paint_bodies(anatomy, points, tissue, below, is_disc=within < disc_mm)
    _paint_arch(anatomy, points, tissue, below, within)
    front = _front_of_canal(anatomy)
    for protrusion in anatomy.compression:
        bulge = _ellipse(points.u, points.v - front, 9, 2 + 7 * protrusion.share)
        bulge = bulge + ((points.z - protrusion.height) / 3.5) ** 2
        tissue[below & (bulge < 1)] = INDEX["disc"]


def _front_of_canal(anatomy: Anatomy) -> float:
    """Where the canal ends to anterior, mm."""
    return anatomy.cord[1] * anatomy.canal[1] + anatomy.canal[2]


def _half_axes_of_canal(anatomy: Anatomy) -> tuple[float, float]:
    """Of the canal, lateral and antero-posterior, mm."""
    return anatomy.cord[0] * anatomy.canal[0], anatomy.cord[1] * anatomy.canal[1]


def _paint_bodies(
    anatomy: Anatomy, points: Frame, tissue: Codes, below: Where, *, is_disc: Where
) -> None:
    """Vertebral bodies and the discs between them. Writes `tissue`."""
    wide, deep, _ = anatomy.body
    from_middle = points.v - _front_of_canal(anatomy) - deep - 1
    body = _ellipse(points.u, from_middle, wide, deep)
    tissue[below & (body < 1.18)] = INDEX["bone"]
    tissue[below & (body < 1.0)] = INDEX["marrow"]
    tissue[below & (body < 1.1) & is_disc] = INDEX["disc"]


def _paint_arch(
    anatomy: Anatomy, points: Frame, tissue: Codes, below: Where, within: Values
) -> None:
    """What is behind the bodies; `within` is the height in a level, mm. Writes `tissue`."""
    canal_u, canal_v = _half_axes_of_canal(anatomy)
    level_mm = anatomy.level_mm
    u, v, side = points.u, points.v, np.abs(points.u)
    ring = _ellipse(u, v - anatomy.canal[2], canal_u + 4.5, canal_v + 4.5) < 1
    behind = below & ring & (v < _front_of_canal(anatomy))
    tissue[behind] = INDEX["fat"]
    bony = np.mod(within + 0.3 * v, level_mm) > 0.42 * level_mm
    tissue[behind & bony] = INDEX["bone"]
    facet_u, facet_v = side - canal_u - 6, v - 0.3 * canal_v
    tissue[below & (_ellipse(facet_u, facet_v, 5, 6) < 1)] = INDEX["bone"]
    tissue[below & (_ellipse(facet_u, facet_v, 3.2, 4) < 1) & bony] = INDEX["marrow"]
    behind_canal = (v < -canal_v - 2) & (v > -canal_v - 2 - 1.1 * level_mm)
    spinous = (side < 3) & behind_canal & bony
    tissue[below & spinous] = INDEX["marrow"]


def _paint_canal(anatomy: Anatomy, points: Frame, tissue: Codes) -> None:
    """CSF and roots. Writes `tissue`."""
    canal_u, canal_v = _half_axes_of_canal(anatomy)
    wide = np.maximum(canal_u, points.half_u + 1)
    deep = np.maximum(canal_v, points.half_v + 0.7)
    canal = _ellipse(points.u, points.v - anatomy.canal[2], wide, deep) < 1
    sac = canal & (tissue != INDEX["disc"])
    tissue[sac] = INDEX["csf"]
    side = np.abs(points.u)
    roots = np.abs(np.abs(points.v) - 1.8) < 0.7
    roots &= np.mod(points.z + 0.5 * side, anatomy.level_mm) < 0.45 * anatomy.level_mm
    tissue[sac & roots & (side > points.half_u)] = INDEX["white"]


def _paint_cord(anatomy: Anatomy, points: Frame, tissue: Codes) -> None:
    """The cord with its grey matter, and lesions. Writes `tissue`."""
    cord = points.rho < 1
    tissue[cord] = INDEX["white"]
    p, q = np.abs(points.u) / points.half_u, points.v / points.half_v
    horns = (np.abs(p - 0.30 - 0.08 * q) < 0.13) & (q > -0.72) & (q < 0.55)
    commissure = (p < 0.35) & (np.abs(q) < 0.14)
    tissue[cord & (horns | commissure)] = INDEX["grey"]
    fissure = (p < 0.05) & (q > 0.35)
    tissue[cord & fissure] = INDEX["csf"]
    for lesion in anatomy.lesions:
        across_u = points.u - lesion.u * points.half_u
        across_v = points.v - lesion.v * points.half_v
        spot = _ellipse(across_u, across_v, lesion.radius_u, lesion.radius_v)
        spot = spot + ((points.z - lesion.z) / lesion.radius_z) ** 2
        tissue[cord & (spot < 1) & (points.rho < 0.92)] = INDEX["lesion"]
