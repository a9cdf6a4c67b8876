"""The layers of a synthetic face, painted from what is farthest back to what is nearest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_prep.synthetic.faces import accessories, contours
from data_prep.synthetic.faces.contours import EYE_Y, Eye
from data_prep.synthetic.faces.face import MIRRORS, Face, Rgb
from data_prep.synthetic.faces.materials import Materials
from data_prep.synthetic.faces.raster import (
    Canvas,
    Layer,
    ellipse,
    mirrored,
    mixed,
    moved,
    ribbon,
    shaded,
    spline,
)

_DARK: Rgb = (24, 14, 14)
_GLEAM: Rgb = (255, 244, 238)
_MOUTH_CAVITY: Rgb = (50, 17, 19)
_PUPIL: Rgb = (10, 8, 10)
_SCLERA: Rgb = (240, 236, 232)
_TEAR_DUCT: Rgb = (196, 120, 112)
_TEETH: Rgb = (236, 230, 218)
_TONGUE: Rgb = (176, 84, 84)
_WHITE: Rgb = (255, 255, 255)


class FacePainter:
    """Paints one face onto a canvas, from what is farthest back to what is nearest."""

    def __init__(self, face: Face, canvas: Canvas) -> None:
        """Set up the picture on a canvas that holds the background."""
        self.face = face
        self.who = face.identity
        self.units = face.action_units
        self.canvas = canvas
        self.mouth = contours.mouth(face)
        self.eyes = {mirror: contours.eye(face, mirror) for mirror in MIRRORS}
        self.materials = Materials(face, canvas.view, self.mouth)

    def paint(self) -> None:
        """Paint all layers."""
        accessories.paint_behind(self.canvas, self.face, self.materials)
        self._neck_and_clothes()
        self._head()
        self._freckles()
        self._wrinkles()
        self._nose()
        self._beard()
        self._mouth()
        for mirror in MIRRORS:
            self._eye(self.eyes[mirror], mirror)
            self._brow(mirror)
        accessories.paint_in_front(self.canvas, self.face, self.materials)

    # Head ------------------------------------------------------------------------------

    def _neck_and_clothes(self) -> None:
        clothes = np.array([(-1.7, 2.4), (-1.6, 1.6), (-1.1, 1.33), (-0.5, 1.18), (0.0, 1.32)])
        right_half = mirrored(clothes[:-1][::-1], -1)
        neck = np.array([(-0.50, 0.3), (-0.45, 1.0), (-0.58, 1.3), (0.0, 1.6)])
        neck = np.concatenate([neck, mirrored(neck[:-1][::-1], -1)])
        self.canvas.fill(spline(neck), self.materials.skin)
        self.canvas.fill(spline(neck), self.materials.shadow, 0.45)
        chin_shadow = ellipse(0, 1.0 + contours.jaw_drop(self.units), 0.48, 0.24)
        self.canvas.fill(chin_shadow, self.materials.line, 0.5, 0.06)
        outline = np.concatenate([spline(clothes), spline(right_half)])
        self.canvas.fill(outline, self.who.clothing)
        collar = spline(np.array([(-0.52, 1.19), (0.0, 1.37), (0.52, 1.19)]))
        self.canvas.stroke(collar, 0.07, shaded(self.who.clothing, 0.7), 0.8, 0.01)

    def _head(self) -> None:
        for mirror in MIRRORS:
            ear = contours.ear(self.who, mirror)
            self.canvas.fill(ear, self.materials.skin)
            inner = (ear - ear.mean(axis=0)) * (0.45, 0.6) + ear.mean(axis=0)
            self.canvas.fill(inner, self.materials.shadow, 0.5, 0.015)
        head = contours.head(self.face)
        self.canvas.fill(head, self.materials.line, 0.35, 0.03)
        self.canvas.fill(head, self.materials.skin)

    def _freckles(self) -> None:
        rng = np.random.default_rng(self.who.texture_seed)
        colour = mixed(self.who.skin, (120, 60, 30), 0.5)
        spots = rng.normal((0.0, 0.16), (0.28, 0.09), (self.who.freckles, 2))
        for (x, y), radius in zip(spots, rng.uniform(0.006, 0.013, len(spots)), strict=True):
            self.canvas.fill(ellipse(x, y, radius, radius), colour, 0.6)

    def _crease(
        self, controls: Sequence[Sequence[float]], width: float, depth: float, mirror: int = 1
    ) -> None:
        """Paint a fold of the skin: a soft shadow and, within it, a line.

        Args:
            controls: Points of the fold on the half at positive x, face units.
            width: Its greatest width, face units.
            depth: 0 (smooth skin) to 1 (deep); the faintest folds are left out.
            mirror: -1 to paint it on the other half.
        """
        if depth < 0.07:
            return
        line = mirrored(spline(np.array(controls)), mirror)
        self.canvas.stroke(line, 2.6 * width, self.materials.shadow, 0.75 * min(depth, 1), 0.018)
        self.canvas.stroke(line, width, self.materials.line, 0.75 * min(depth, 1), 0.004)

    def _wrinkles(self) -> None:
        units, age = self.units, self.who.age
        self._forehead_lines()
        for mirror in MIRRORS:
            furrow = [(0.055, -0.40), (0.045, -0.32), (0.058, -0.22)]
            self._crease(furrow, 0.020, 0.9 * units[4] + 0.25 * units[9], mirror)
            for y in (-0.13, -0.065, 0.0):
                wrinkle = [(0.015, y - 0.012), (0.06, y), (0.115, y + 0.045)]
                self._crease(wrinkle, 0.019, 0.95 * units[9], mirror)
            outer = self.who.eye_spacing + 0.17 * self.who.eye_size
            for rise in (-0.05, 0.0, 0.05):
                crow_foot = [(outer + 0.01, EYE_Y + 0.5 * rise), (outer + 0.1, EYE_Y + 1.6 * rise)]
                self._crease(crow_foot, 0.013, 0.55 * units[6] + 0.15 * age, mirror)
            self._lower_lid_bag(mirror)
            self._nasolabial_fold(mirror)
            self._mouth_corner_creases(mirror)
        self._chin_creases()

    def _forehead_lines(self) -> None:
        units, age = self.units, self.who.age
        for level in (0, 1, 2):
            y = -0.50 - 0.075 * level
            fade = 1 - 0.2 * level
            middle = [(-0.22, y + 0.01), (-0.1, y - 0.01), (0.1, y - 0.01), (0.22, y + 0.01)]
            self._crease(middle, 0.016, fade * (0.75 * units[1] + 0.2 * age))
            for mirror in MIRRORS:
                side = [(0.20, y + 0.01), (0.33, y - 0.015), (0.46, y + 0.03)]
                self._crease(side, 0.016, fade * (0.75 * units[2] + 0.1 * age), mirror)

    def _nasolabial_fold(self, mirror: int) -> None:
        units = self.units
        base, wing = contours.nose_base(self.face), contours.nose_half_width(self.face)
        x, y = mirrored(self.mouth.corner(mirror), mirror).tolist()
        depth = 0.10 + 0.3 * self.who.age + 0.55 * units.on(12, mirror) + 0.60 * units[9]
        depth += 0.65 * units[10] + 0.2 * units.on(14, mirror) + 0.15 * units[15]
        top, bottom = (wing + 0.02, base - 0.06), (x + 0.09, y + 0.03)
        bow = 0.035 + 0.03 * units[10] + 0.02 * units.on(12, mirror)
        half_way = (0.5 * (top[0] + bottom[0]) + bow, 0.5 * (top[1] + bottom[1]) - bow)
        fold = [top, half_way, bottom]
        self._crease(fold, 0.020, depth, mirror)

    def _lower_lid_bag(self, mirror: int) -> None:
        units, eye = self.units, self.eyes[mirror]
        depth = 0.12 + 0.2 * self.who.age + 0.45 * units[6] + 0.45 * units[7] + 0.2 * units[9]
        bag = moved(eye.lower[3:-3:3], 0.0, 0.042)
        self._crease(bag.tolist(), 0.016, depth)

    def _mouth_corner_creases(self, mirror: int) -> None:
        units = self.units
        x, y = mirrored(self.mouth.corner(mirror), mirror).tolist()
        dimple = [(x + 0.030, y - 0.045), (x + 0.048, y), (x + 0.030, y + 0.045)]
        self._crease(dimple, 0.018, 0.8 * units.on(14, mirror) + 0.5 * units[20], mirror)
        droop = [(x + 0.010, y), (x + 0.045, y + 0.06), (x + 0.050, y + 0.13)]
        self._crease(droop, 0.020, 0.8 * units[15] + 0.1 * self.who.age, mirror)

    def _chin_creases(self) -> None:
        units = self.units
        y = float(self.mouth.lower_outer[:, 1].max()) + 0.05
        arch = [(-0.16, y + 0.05), (-0.07, y), (0.07, y), (0.16, y + 0.05)]
        self._crease(arch, 0.022, 0.9 * units[17] + 0.25 * units[23] + 0.2 * units[16])
        for x, drop in ((-0.07, 0.10), (0.0, 0.13), (0.07, 0.10), (-0.03, 0.17), (0.04, 0.17)):
            self.canvas.fill(
                ellipse(x, y + drop, 0.02, 0.015), self.materials.line, 0.4 * units[17], 0.012
            )

    def _nose(self) -> None:
        base, wing = contours.nose_base(self.face), contours.nose_half_width(self.face)
        self.canvas.fill(
            ellipse(0, base + 0.02, 0.9 * wing, 0.03), self.materials.shadow, 0.55, 0.025
        )
        for mirror in MIRRORS:
            nostril = ellipse(mirror * 0.47 * wing, base - 0.002, 0.27 * wing, 0.020)
            self.canvas.fill(nostril, mixed(self.materials.line, _DARK, 0.6), 0.85, 0.008)
            wing_line = [(0.72 * wing, base), (wing, base - 0.03), (wing, base - 0.085)]
            wing_line.append((0.82 * wing, base - 0.12))
            self._crease(wing_line, 0.017, 0.55, mirror)
        self.canvas.fill(ellipse(0.012, base - 0.085, 0.022, 0.020), _GLEAM, 0.30, 0.018)

    def _beard(self) -> None:
        beard = self.who.beard
        if not beard:
            return
        sunk = contours.jaw_drop(self.units)
        edge, jaw = self.who.head_width, self.who.head_width * self.who.jaw_width
        jawline = [(0.97 * edge, -0.12), (0.98 * edge, 0.35), (jaw, 0.66 + sunk)]
        jawline += [(self.who.chin_width, 0.96 + sunk), (0.0, 1.04 + sunk)]
        cheek = [(0.94 * edge, -0.12), (0.80 * edge, 0.36), (0.40, 0.62 + 0.5 * sunk)]
        cheek += [(0.16, 0.76 + sunk), (0.0, 0.80 + sunk)]
        outer, inner = spline(np.array(jawline)), spline(np.array(cheek))
        beard_outline = [outer, mirrored(outer[::-1], -1), mirrored(inner, -1), inner[::-1]]
        self.canvas.fill(np.concatenate(beard_outline), self.materials.hair, 0.9 * beard, 0.03)
        lip = self.mouth.upper_outer
        half_way = 0.5 * (lip[:, 1] + contours.nose_base(self.face))
        top = np.stack([1.12 * lip[:, 0], half_way], axis=1)
        moustache = np.concatenate([top, moved(lip[::-1], 0.0, -0.005)])
        self.canvas.fill(moustache, self.materials.hair, 0.85 * beard, 0.018)

    # Features --------------------------------------------------------------------------

    def _mouth(self) -> None:
        mouth, units = self.mouth, self.units
        red = mixed(self.who.skin, (178, 62, 70), 0.30 + 0.45 * self.who.lip_redness)
        if mouth.gap > 0.004:
            self.canvas.fill_within(mouth.opening, self._mouth_interior())
        self.canvas.fill(mouth.upper_lip, shaded(red, 0.76), 0.92, 0.004)
        self.canvas.fill(mouth.lower_lip, shaded(red, 0.95), 0.92, 0.004)
        middle = len(mouth.lower_inner) // 2
        x, top = mouth.lower_inner[middle].tolist()
        plump = float(mouth.lower_outer[middle, 1]) - top
        gleam = ellipse(x, top + 0.4 * plump, 0.09, 0.2 * plump)
        self.canvas.fill(gleam, _GLEAM, 0.28, 0.014)
        seam = shaded(red, 0.35)
        self.canvas.stroke(mouth.upper_inner, 0.022 + 0.010 * units[23], seam, 0.9, 0.003)
        if mouth.gap > 0.02:
            self.canvas.stroke(mouth.lower_inner, 0.014, seam, 0.7, 0.004)
        for mirror in MIRRORS:
            x, y = mouth.corner(mirror).tolist()
            self.canvas.fill(ellipse(x, y, 0.022, 0.018), self.materials.line, 0.7, 0.012)

    def _mouth_interior(self) -> list[Layer]:
        units, mouth = self.units, self.mouth
        gap, middle = mouth.gap, len(mouth.upper_inner) // 2
        centre_x, bottom = mouth.lower_inner[middle].tolist()
        layers: list[Layer] = [(mouth.opening, _MOUTH_CAVITY, 1.0, 0.0)]
        if units[26] > 0.3:
            layers.append((ellipse(centre_x, bottom, 0.13, 0.32 * gap), _TONGUE, 0.8, 0.02))
        bared = 0.035 + 0.055 * contours.smile(units) + 0.02 * (units[10] + units[20])
        edge = mouth.upper_inner
        outline = np.concatenate(
            [moved(edge, 0, -0.03), moved(edge[::-1], 0, min(bared, 0.85 * gap))]
        )
        layers.append((outline, _TEETH, 1.0, 0.004))
        lower_teeth = min(0.35 * gap, 0.05 * max(units[16], units[20]))
        if lower_teeth > 0.005:
            edge = mouth.lower_inner
            outline = np.concatenate([moved(edge, 0, 0.03), moved(edge[::-1], 0, -lower_teeth)])
            layers.append((outline, shaded(_TEETH, 0.88), 1.0, 0.004))
        for mirror in MIRRORS:
            x, y = mouth.corner(mirror).tolist()
            layers.append((ellipse(x, y, 0.07, 0.09), _MOUTH_CAVITY, 0.75, 0.025))
        return layers

    def _eye(self, eye: Eye, mirror: int) -> None:
        x, y = eye.centre.tolist()
        radius = eye.iris
        iris = self.who.eye_colour
        glint = (x - 0.35 * radius + 0.012, y - 0.38 * radius)
        layers: list[Layer] = [
            (eye.opening, _SCLERA, 1.0, 0.0),
            (ellipse(x, y, radius, radius), shaded(iris, 0.55), 1.0, 0.004),
            (ellipse(x, y + 0.01, 0.82 * radius, 0.80 * radius), shaded(iris, 1.15), 1.0, 0.008),
            (ellipse(x, y, 0.46 * radius, 0.46 * radius), _PUPIL, 1.0, 0.003),
            (ribbon(eye.upper, 0.05), _DARK, 0.55, 0.016),
            (ellipse(*glint, 0.018, 0.018), _WHITE, 0.95, 0.003),
        ]
        self.canvas.fill_within(eye.opening, layers)
        crease = moved(eye.upper, 0.0, -0.042)
        self.canvas.stroke(crease[2:-1], 0.016, self.materials.line, 0.6, 0.006)
        lash = np.interp(np.linspace(0, 1, len(eye.upper)), (0, 0.6, 1), (0.012, 0.034, 0.026))
        self.canvas.fill(
            ribbon(eye.upper, lash), mixed(self.materials.line, _DARK, 0.85), 0.92, 0.002
        )
        self.canvas.stroke(eye.lower, 0.014, self.materials.line, 0.75, 0.004)
        duct_x, duct_y = eye.upper[0].tolist()
        duct = ellipse(duct_x + mirror * 0.012, duct_y, 0.012, 0.009)
        self.canvas.fill(duct, _TEAR_DUCT, 0.8, 0.004)

    def _brow(self, mirror: int) -> None:
        line, width = contours.brow(self.face, mirror)
        # Brows are darker than fair or grey hair, and must stand out against dark skin.
        colour = shaded(mixed(self.who.hair_colour, self.materials.line, 0.5), 0.75)
        self.canvas.fill(ribbon(line, 1.25 * width), colour, 0.40, 0.014)
        self.canvas.fill(ribbon(line, width), colour, 0.88, 0.006)
