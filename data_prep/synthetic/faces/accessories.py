"""Hair, headwear and glasses: what frames a face without being part of its expression."""

from __future__ import annotations

import numpy as np

from data_prep.synthetic.faces import contours
from data_prep.synthetic.faces.contours import EYE_Y
from data_prep.synthetic.faces.face import HAIR_STYLES, MIRRORS, Face, HairStyle, Identity, Rgb
from data_prep.synthetic.faces.materials import Materials
from data_prep.synthetic.faces.raster import (
    Canvas,
    Points,
    ellipse,
    mirrored,
    moved,
    ribbon,
    ring,
    shaded,
    spline,
)

_LENS = np.array(
    [(-0.21, -0.11), (0.0, -0.145), (0.22, -0.11), (0.22, 0.10), (0.0, 0.175), (-0.20, 0.10)]
)


def paint_behind(canvas: Canvas, face: Face, materials: Materials) -> None:
    """Paint what lies behind the head and the neck."""
    who = face.identity
    style = _visible_hair(who)
    if style is not None:
        _hair_behind(canvas, who, materials, style)
    elif who.headwear == "headscarf":
        canvas.fill(_headscarf_silhouette(), shaded(who.headwear_colour, 0.4))


def paint_in_front(canvas: Canvas, face: Face, materials: Materials) -> None:
    """Paint what lies over the forehead, the temples and the eyes."""
    who = face.identity
    style = _visible_hair(who)
    if style is not None:
        _hair_in_front(canvas, who, materials, style)
    elif who.headwear == "headscarf":
        _headscarf(canvas, face, materials)
    elif who.headwear == "beanie":
        _beanie(canvas, who, materials)
    if who.glasses is not None:
        _glasses(canvas, who, who.glasses)


def _visible_hair(who: Identity) -> HairStyle | None:
    """Return the style of the hair; None for a bald or a covered head."""
    return HAIR_STYLES.get(who.hair_style) if who.headwear == "none" else None


def _silhouette(who: Identity, style: HairStyle, lowest: float) -> Points:
    """Return the outer edge of the hair from the left to the right, over the crown."""
    edge = who.head_width + style.side
    half = [(0.0, -1.0 - style.top), (0.62 * edge, -0.90 - 0.85 * style.top)]
    half += [(0.97 * edge, -0.52 - 0.3 * style.top), (1.02 * edge, -0.15)]
    if lowest > 0.0:
        half += [(edge, 0.5 * lowest), (0.99 * edge, lowest - 0.1), (0.88 * edge, lowest)]
    right = np.array(half)
    outline = spline(np.concatenate([mirrored(right[:0:-1], -1), right]), steps=12)
    if style.curls:
        angle = np.arctan2(outline[:, 0], -outline[:, 1])
        outline = outline * (1 + 0.035 * np.abs(np.sin(style.curls / 2 * angle)))[:, None]
    return outline


def _hair_behind(canvas: Canvas, who: Identity, materials: Materials, style: HairStyle) -> None:
    outline = _silhouette(who, style, style.back_to)
    canvas.fill(outline, materials.hair)
    canvas.fill(outline, shaded(who.hair_colour, 0.5), 0.45)
    if style.bun:
        canvas.fill(ellipse(0, -1.18, 0.27, 0.22), materials.hair, 1.0, 0.01)


def _hair_in_front(canvas: Canvas, who: Identity, materials: Materials, style: HairStyle) -> None:
    edge = who.head_width
    outer = _silhouette(who, style, style.front_to)
    half = [(0.30 * edge, style.hairline), (0.66 * edge, style.hairline + 0.06)]
    half += [(0.84 * edge, -0.42), (0.93 * edge, min(-0.22, style.front_to))]
    if style.front_to > 0.0:
        half += [(0.97 * edge, 0.5 * style.front_to), (0.90 * edge, style.front_to)]
    right = np.array(half)
    inner = spline(np.concatenate([right[::-1], mirrored(right, -1)]))
    shade = moved(inner, 0.0, 0.035)
    canvas.fill(np.concatenate([outer, shade]), materials.shadow, 0.35, 0.03)
    canvas.fill(np.concatenate([outer, inner]), materials.hair, 0.97, 0.008)


def _headscarf(canvas: Canvas, face: Face, materials: Materials) -> None:
    who = face.identity
    cloth = materials.cloth(who.headwear_colour)
    dark = shaded(who.headwear_colour, 0.55)
    edge, sunk = who.head_width, contours.jaw_drop(face.action_units)
    inner = np.array([(0.0, -0.66), (0.58 * edge, -0.58), (0.88 * edge, -0.2), (0.90 * edge, 0.3)])
    chin = np.array([(0.76 * edge, 0.66 + sunk), (0.34, 0.97 + sunk), (0.0, 1.02 + sunk)])
    inner_half = spline(np.concatenate([inner, chin]))
    # The outline runs around the cloth and back along the face, which stays bare.
    hem = np.array([[0.0, 1.9]])
    opening = [hem, inner_half[::-1], mirrored(inner_half, -1), hem]
    canvas.fill(np.concatenate([_headscarf_silhouette(), *opening]), cloth)
    face_edge = np.concatenate([mirrored(inner_half[::-1], -1), inner_half])
    canvas.fill(ribbon(face_edge, 0.05), dark, 0.6, 0.012)
    for mirror in MIRRORS:
        fold = spline(np.array([(0.62, -0.85), (0.80, -0.2), (0.72, 0.6), (0.35, 1.2)]))
        canvas.stroke(mirrored(fold, mirror), 0.05, dark, 0.5, 0.02)


def _headscarf_silhouette() -> Points:
    """Return the outer edge of a headscarf from the left to the right, over the crown."""
    half = [(0, -1.16), (0.66, -1.0), (0.94, -0.5), (0.96, 0.3), (1.0, 1.0), (1.25, 1.9)]
    right = spline(np.array(half))
    return np.concatenate([mirrored(right[::-1], -1), right])


def _beanie(canvas: Canvas, who: Identity, materials: Materials) -> None:
    cloth = materials.cloth(who.headwear_colour)
    dark = shaded(who.headwear_colour, 0.6)
    edge = who.head_width + 0.04
    dome = np.array(
        [(-edge, -0.46), (-0.92 * edge, -0.9), (0.0, -1.24), (0.92 * edge, -0.9), (edge, -0.46)]
    )
    brim = spline(
        np.array([(edge, -0.46), (0.5, -0.60), (0.0, -0.65), (-0.5, -0.60), (-edge, -0.46)])
    )
    canvas.fill(moved(brim, 0.0, 0.06), materials.shadow, 0.4, 0.03)
    canvas.fill(np.concatenate([spline(dome), brim]), cloth)
    cuff = np.concatenate([brim, moved(brim[::-1], 0.0, -0.16)])
    canvas.fill(cuff * (0.985, 1), dark, 0.55, 0.006)


def _glasses(canvas: Canvas, who: Identity, colour: Rgb) -> None:
    spacing = who.eye_spacing
    for mirror in MIRRORS:
        rim = mirrored(moved(spline(_LENS, closed=True), spacing, EYE_Y), mirror)
        canvas.fill(rim, (255, 255, 255), 0.07)
        canvas.fill(ring(rim, 0.026), colour, 0.92)
        arm = np.array([(spacing + 0.22, EYE_Y - 0.04), (who.head_width + 0.02, EYE_Y - 0.06)])
        canvas.fill(mirrored(ribbon(arm, 0.03), mirror), colour, 0.9)
    bridge = [(0.2 - spacing, EYE_Y), (0.0, EYE_Y - 0.035), (spacing - 0.2, EYE_Y)]
    canvas.fill(ribbon(spline(np.array(bridge)), 0.026), colour, 0.92)
