"""Draws people with and without face masks: the pictures of the demo dataset.

One to five people of varied looks stand in front of a softly blurred scene. Three choices make the pictures learnable
by a small head on *randomly initialised* convolutions, which is all that a machine without network has: faces are
large, backgrounds are muted and out of focus, and masks come in few cool, vivid colours that neither skin nor clothes
use. A few people mislead (a scarf or a hand over the mouth, a mask pulled down to the chin, a mask in the colour of
skin), so that a trained model has honest errors to browse.
"""

from __future__ import annotations

import cmath
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

Choice = TypeVar("Choice")
Colour = tuple[int, ...]  # red, green, blue and, if translucent, opacity
Curve = NDArray[np.float64]  # one point (x, y) per row
Point = tuple[float, float]
Points = Sequence[Point] | Curve
Range = tuple[float, float]
Size = tuple[int, int]

NOBODY, EVERYBODY, SOME = 0, 1, 2
SUPERSAMPLING = 2  # Pillow does not smooth edges: photos are drawn larger, then reduced

# fmt: off
SKINS: list[Colour] = [(255, 224, 196), (246, 205, 172), (234, 185, 146), (214, 160, 118), (184, 128, 88),
                       (146, 96, 64), (110, 70, 48)]
HAIRS: list[Colour] = [(38, 30, 30), (62, 42, 32), (98, 62, 40), (140, 84, 48), (176, 88, 44), (222, 182, 110),
                       (168, 164, 162)]
EYES: list[Colour] = [(70, 44, 30), (92, 60, 36), (74, 104, 128), (84, 112, 78)]
CLOTHES: list[Colour] = [(196, 92, 72), (222, 164, 76), (138, 146, 92), (164, 78, 96), (150, 116, 92),
                         (222, 204, 176), (112, 104, 100), (206, 128, 118)]
MASKS: dict[str, list[Colour]] = {
    "surgical": [(92, 186, 240), (84, 214, 206)], "ffp2": [(246, 250, 255)], "dark": [(24, 28, 58)],
    "dotted": [(34, 92, 220), (112, 60, 200), (0, 150, 168)], "striped": [(34, 92, 220), (112, 60, 200), (0, 150, 168)],
    "skin": [(224, 176, 140)],
}
WHITE, FRAME, SHADOW, BLUSH = (255, 255, 255), (52, 36, 40), (40, 20, 30, 60), (230, 80, 80, 44)

# Outlines in head coordinates: the face reaches from y = -1 to y = 1 (the chin), x = 0 is its middle. Of what is
# symmetric only the right half is listed, from top to bottom.
SHOULDERS: list[Point] = [(0, 1.3), (0.5, 1.34), (1.2, 1.62), (1.62, 2.2), (1.74, 3.4), (1.7, 6), (0, 6.2)]
CROWN: list[Point] = [(-0.86, 0), (-0.93, -0.5), (-0.62, -1.06), (0, -1.24), (0.62, -1.06), (0.93, -0.5), (0.86, 0)]
HAIRLINES: dict[str, list[Point]] = {
    "short": [(0.76, -0.3), (0.6, -0.62), (0, -0.72), (-0.6, -0.62), (-0.76, -0.3)],
    "parted": [(0.78, -0.2), (0.7, -0.5), (0.36, -0.84), (-0.1, -0.6), (-0.66, -0.42), (-0.78, -0.1)],
    "bob": [(0.78, -0.1), (0.68, -0.44), (0.3, -0.5), (-0.3, -0.5), (-0.68, -0.44), (-0.78, -0.1)],
    "swept": [(0.78, 0), (0.66, -0.42), (0, -0.86), (-0.66, -0.42), (-0.78, 0)],
}
BACK_HAIR: dict[str, list[Point]] = {
    "long": [(0, -1.2), (0.8, -0.95), (1.02, -0.2), (1, 0.6), (1.16, 1.5), (0.7, 1.9), (0, 1.7)],
    "bob": [(0, -1.22), (0.82, -0.96), (1.06, -0.2), (1.12, 0.5), (0.86, 0.86), (0, 0.8)],
    "bun": [(0, -1.74), (0.36, -1.6), (0.4, -1.25), (0.3, -0.9), (0, -0.8)],
    "pigtails": [(0, -0.9), (0.8, -0.7), (1.24, -0.45), (1.4, 0.2), (1.2, 0.8), (1.02, 0.3), (0.8, -0.1), (0, -0.2)],
    "veil": [(0, -1.24), (0.8, -1), (1.06, -0.2), (0.98, 0.7), (1.3, 1.7), (0.7, 2), (0, 2.1)],
}
# fmt: on


@dataclass(frozen=True)
class Person:
    """The look of one person; `cover` is what hides the mouth: "mask", nothing, or something easily taken for one."""

    skin: Colour
    hair: Colour
    eyes: Colour
    clothes: Colour
    accent: Colour
    width: float
    jaw: float
    tilt: float
    style: str
    hat: str
    glasses: str
    beard: str
    mouth: str
    collar: str
    cover: str
    mask: str
    mask_colour: Colour


@dataclass(frozen=True)
class Props:
    """Things scattered in a scene: where their middles and how large their half axes are, as shares of the height."""

    colours: Sequence[Colour]
    count: int
    y: Range
    width: Range
    height: Range
    round: bool = False


@dataclass(frozen=True)
class Scene:
    """A background: the colours of the sky at the top and the bottom, and what stands in front of it."""

    top: Colour
    bottom: Colour
    props: Sequence[Props] = ()


# fmt: off
SCENES = {
    "park": Scene((206, 226, 226), (236, 238, 214), [
        Props([(126, 162, 104), (148, 178, 112), (108, 146, 100)], 12, (0.2, 0.5), (0.12, 0.24), (0.12, 0.24), True),
        Props([(164, 188, 118)], 1, (1, 1), (2, 2), (0.4, 0.4))]),
    "street": Scene((228, 224, 218), (240, 232, 220), [
        Props([(204, 164, 136), (218, 192, 156), (188, 172, 160)], 9, (0.6, 0.8), (0.14, 0.24), (0.5, 0.7)),
        Props([(240, 228, 198)], 40, (0.15, 0.65), (0.025, 0.03), (0.04, 0.05)),
        Props([(176, 168, 162)], 1, (1, 1), (2, 2), (0.22, 0.22))]),
    "office": Scene((236, 228, 218), (220, 206, 192), [
        Props([(160, 126, 98)], 1, (0.24, 0.24), (2, 2), (0.012, 0.012)),
        Props([(190, 120, 96), (206, 172, 118), (150, 152, 128)], 30, (0.17, 0.17), (0.015, 0.03), (0.04, 0.07)),
        Props([(122, 150, 106)], 8, (0.45, 0.75), (0.03, 0.05), (0.1, 0.14), True)]),
    "beach": Scene((250, 222, 190), (252, 240, 216), [
        Props([(255, 246, 214)], 1, (0.15, 0.3), (0.09, 0.09), (0.09, 0.09), True),
        Props([(166, 196, 194)], 1, (0.8, 0.8), (2, 2), (0.4, 0.4)),
        Props([(234, 208, 164)], 1, (1, 1), (2, 2), (0.42, 0.46))]),
    "night": Scene((62, 46, 66), (104, 74, 78), [
        Props([(214, 160, 96), (196, 112, 92), (230, 200, 140)], 26, (0, 0.8), (0.02, 0.05), (0.03, 0.04), True)]),
    "warm studio": Scene((236, 208, 186), (190, 150, 126)),
    "grey studio": Scene((226, 220, 212), (168, 160, 152)),
}
# fmt: on


def pick(rng: random.Random, weights: Mapping[Choice, int]) -> Choice:
    """One of the keys, in proportion to its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def random_person(rng: random.Random, masked: bool) -> Person:
    """A person of random look who does or does not wear a mask."""
    style = rng.choice(["short", "parted", "swept", "bald", "curly", "afro", "long", "bob", "bun", "pigtails", "veil"])
    bearded = style in ("short", "parted", "swept", "bald") and rng.random() < 0.45
    mask = pick(rng, {"surgical": 50, "dotted": 15, "striped": 15, "ffp2": 16, "dark": 8, "skin": 2})
    return Person(
        skin=rng.choice(SKINS),
        hair=rng.choice(HAIRS),
        eyes=rng.choice(EYES),
        clothes=rng.choice(CLOTHES),
        accent=rng.choice(CLOTHES),
        width=rng.uniform(0.76, 0.88),
        jaw=rng.uniform(0.06, 0.26),
        tilt=rng.uniform(-0.13, 0.13),
        style=style,
        hat="" if style in ("veil", "curly", "afro", "bun") else pick(rng, {"": 12, "beanie": 2, "cap": 2, "straw": 2}),
        glasses=pick(rng, {"": 12, "round": 3, "square": 3, "sun": 1}),
        beard=pick(rng, {"full": 2, "stubble": 1, "moustache": 1}) if bearded else "",
        mouth=pick(rng, {"laugh": 6, "smile": 3, "calm": 1}),
        collar=rng.choice(["crew", "vee", "shirt", "stripes"]),
        cover="mask" if masked else pick(rng, {"": 46, "chin": 2, "hand": 1, "scarf": 1}),
        mask=mask,
        mask_colour=rng.choice(MASKS[mask]),
    )


def random_group(label: int, rng: random.Random) -> list[Person]:
    """One to five people, masked as the label says: for only some of them to be, there must be two at least."""
    count = pick(rng, {2: 8, 3: 5, 4: 2, 5: 1} if label == SOME else {1: 7, 2: 5, 3: 3, 4: 1, 5: 1})
    masked = {NOBODY: 0, EVERYBODY: count, SOME: rng.choice([count // 2, count - count // 2])}[label]
    group = [random_person(rng, masked=index < masked) for index in range(count)]
    rng.shuffle(group)
    return group


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """The colour with a share of another one."""
    return tuple(round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))


def darker(colour: Colour, share: float = 0.2) -> Colour:
    """A warm shade of the colour."""
    return mix(colour, (40, 16, 24), share)


def lighter(colour: Colour, share: float = 0.25) -> Colour:
    """A tint of the colour."""
    return mix(colour, WHITE, share)


def mirrored(half: Sequence[Point]) -> list[Point]:
    """The outline of a symmetric shape from its right half, given from top to bottom."""
    return [*half, *((-x, y) for x, y in reversed(half) if x)]


def oval(x: float, y: float, width: float, height: float, bumps: float = 0) -> Curve:
    """An ellipse with the given half axes, curly if it has bumps."""
    angle = np.linspace(0, 2 * np.pi, 120 if bumps else 40, endpoint=False)
    radius = 1 + bumps * np.abs(np.sin(6 * angle))
    return np.column_stack([x + radius * width * np.cos(angle), y + radius * height * np.sin(angle)])


def spline(steps: int) -> Curve:
    """How much each of four successive points counts (Catmull-Rom) for some steps between the middle two."""
    t = np.arange(steps)[:, None] / steps
    return np.hstack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2


SPLINE = spline(steps=6)


def smooth(points: Points) -> Curve:
    """A closed curve through the points."""
    ring = np.asarray(points, dtype=float)
    neighbours = ring[(np.arange(len(ring))[:, None] + (-1, 0, 1, 2)) % len(ring)]
    return np.asarray((SPLINE @ neighbours).reshape(-1, 2))


@dataclass(frozen=True)
class Pen:
    """Draws in the coordinates of a head, which may be tilted, or squeezed towards the chin."""

    draw: ImageDraw.ImageDraw
    centre: Point
    unit: float
    tilt: float = 0
    squeeze: float = 1

    def place(self, points: Points) -> list[float]:
        """The pixel coordinates of points in head coordinates, in one flat list."""
        x, y = np.asarray(points, dtype=float).T
        flat = x + 1j * (1 - (1 - y) * self.squeeze)
        pixels: list[float] = (flat * cmath.rect(self.unit, self.tilt) + complex(*self.centre)).view(float).tolist()
        return pixels

    def fill(self, outline: Points, colour: Colour) -> None:
        """Fills a polygon."""
        self.draw.polygon(self.place(outline), fill=colour)

    def blob(self, outline: Points, colour: Colour) -> None:
        """Fills the round shape through the points."""
        self.fill(smooth(outline), colour)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """Strokes the curve through the points."""
        there_and_back = smooth([*points, *points[-2:0:-1]])
        stroke = there_and_back[: len(there_and_back) // 2 + 1]
        self.draw.line(self.place(stroke), fill=colour, width=max(1, round(width * self.unit)))


def paint_back(pen: Pen, person: Person) -> None:
    """What is behind the head: hair, shoulders with clothes, and the neck."""
    clothes, trim = person.clothes, darker(person.clothes, 0.25)
    if person.style == "afro":
        pen.fill(oval(0, -0.42, 1.22, 1.08, bumps=0.1), darker(person.hair, 0.12))
    elif person.style in BACK_HAIR:
        colour = person.accent if person.style == "veil" else person.hair
        pen.blob(mirrored(BACK_HAIR[person.style]), darker(colour, 0.28))
    pen.blob(mirrored(SHOULDERS), clothes)
    if person.collar == "stripes":
        for y in np.arange(2, 5, 0.44):
            pen.line([(-1.5, y), (0, y + 0.12), (1.5, y)], person.accent, 0.18)
    depth = {"vee": 2.1, "shirt": 1.95}.get(person.collar, 1.62)
    neckline = [(-0.62, 1.34), (-0.4, 0.4 + depth * 0.7), (0, depth), (0.4, 0.4 + depth * 0.7), (0.62, 1.34)]
    pen.blob([(0.4, 0.5), (-0.4, 0.5), (-0.42, 1.2), *neckline, (0.42, 1.2)], darker(person.skin, 0.12))
    pen.fill(oval(0, 1, 0.44, 0.3), SHADOW)
    pen.line(neckline, trim, 0.09)
    for side in (-1, 1):
        pen.line([(side * 1.06, 2.2), (side * 1.12, 3), (side * 1.1, 4.4)], trim, 0.05)
        if person.collar == "shirt":
            pen.fill([(side * 0.56, 1.2), (0, 1.96), (side * 0.5, 2.1), (side * 0.8, 1.5)], lighter(clothes))


def face_outline(person: Person, grow: float = 1) -> Curve:
    """The outline of the face, clockwise from its right side, narrowing towards the chin."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    taper = 1 - person.jaw * np.clip(sin, 0, 1) ** 2
    return np.column_stack([person.width * taper * np.sign(cos) * np.abs(cos) ** 0.86, sin]) * grow


def lower_face(person: Person, top: Sequence[Point], grow: float = 1) -> Curve:
    """The face from the cheeks down, closed by the given points from left to right."""
    outline = face_outline(person, grow)
    return np.vstack([outline[outline[:, 1] > 0.15], top])


def paint_head(pen: Pen, person: Person) -> None:
    """The face, whatever covers the mouth, and the hair."""
    paint_face(pen, person)
    if person.cover != "mask":
        paint_beard(pen, person)
        paint_mouth(pen, person)
    if person.cover:
        COVERS[person.cover](pen, person)
    paint_glasses(pen, person)
    paint_hair(pen, person)
    paint_hat(pen, person)


def paint_face(pen: Pen, person: Person) -> None:
    """Face, nose, and on both sides ears, cheeks, eyes and brows."""
    for side in (-1, 1):
        pen.fill(oval(side * person.width * 1.02, 0.02, 0.15, 0.24), darker(person.skin, 0.1))
    pen.fill(face_outline(person), person.skin)
    pen.line([(0.03, -0.08), (0.1, 0.16), (0.02, 0.24), (-0.1, 0.21)], darker(person.skin, 0.3), 0.05)
    for side, x in ((-1, -0.35), (1, 0.35)):
        pen.fill(oval(side * 0.48, 0.26, 0.2, 0.15), BLUSH)
        pen.fill(oval(x, -0.15, 0.16, 0.12), WHITE)
        pen.fill(oval(x, -0.14, 0.09, 0.1), person.eyes)
        pen.fill(oval(x, -0.14, 0.045, 0.05), FRAME)
        pen.fill(oval(x - 0.04, -0.18, 0.03, 0.03), WHITE)
        pen.line([(x - 0.18, -0.13), (x - 0.08, -0.26), (x + 0.08, -0.26), (x + 0.18, -0.13)], FRAME, 0.05)
        pen.line([(x - side * 0.18, -0.38), (x, -0.45), (x + side * 0.2, -0.38)], darker(person.hair), 0.075)


def paint_beard(pen: Pen, person: Person) -> None:
    """A full beard, stubble, a moustache or none."""
    if person.beard == "full":
        inner = [(-0.62, 0.2), (-0.5, 0.44), (-0.24, 0.4), (0, 0.34), (0.24, 0.4), (0.5, 0.44), (0.62, 0.2)]
        pen.fill(lower_face(person, inner, 1.04), person.hair)
    elif person.beard == "stubble":
        pen.fill(lower_face(person, [(-0.5, 0.4), (-0.2, 0.34), (0.2, 0.34), (0.5, 0.4)]), (*person.hair, 70))
    elif person.beard == "moustache":
        pen.blob(mirrored([(0, 0.34), (0.14, 0.33), (0.4, 0.46), (0.1, 0.43)]), person.hair)


def paint_mouth(pen: Pen, person: Person) -> None:
    """A laughing, smiling or calm mouth."""
    lips = mix(darker(person.skin, 0.25), (204, 40, 60), 0.55)
    if person.mouth == "laugh":
        pen.blob(mirrored([(0, 0.5), (0.38, 0.46), (0.26, 0.72), (0, 0.8)]), (132, 24, 44))
        pen.blob(mirrored([(0, 0.52), (0.31, 0.49), (0.22, 0.59)]), WHITE)
        pen.fill(oval(0, 0.73, 0.15, 0.05), (226, 92, 100))
    elif person.mouth == "smile":
        pen.blob(mirrored([(0.1, 0.55), (0.34, 0.48), (0.16, 0.69)]), lips)
        pen.line([(-0.36, 0.47), (-0.14, 0.59), (0.14, 0.59), (0.36, 0.47)], darker(lips, 0.4), 0.035)
    else:
        pen.blob(mirrored([(0.08, 0.51), (0.28, 0.57), (0.12, 0.65)]), lips)
        pen.line([(-0.28, 0.57), (0, 0.58), (0.28, 0.57)], darker(lips, 0.4), 0.03)


def paint_glasses(pen: Pen, person: Person) -> None:
    """Round, square, dark or no glasses."""
    if not person.glasses:
        return
    for side in (-1, 1):
        x = side * 0.36
        square = [(x - 0.26, -0.33), (x + 0.26, -0.33), (x + 0.22, 0.05), (x - 0.22, 0.05)]
        lens = oval(x, -0.14, 0.26, 0.25) if person.glasses == "round" else smooth(square)
        pen.fill(lens, (*FRAME, 235) if person.glasses == "sun" else (*WHITE, 50))
        pen.line([*lens[::4], lens[0]], FRAME, 0.05)
        pen.line([(side * 0.6, -0.18), (side * person.width, -0.12)], FRAME, 0.05)
    pen.line([(-0.12, -0.18), (0, -0.22), (0.12, -0.18)], FRAME, 0.05)


def paint_hair(pen: Pen, person: Person) -> None:
    """The hair on top of the head, or the veil around the face."""
    wide = person.width / 0.82
    if person.style == "veil":
        outer, opening = oval(0, 0.06, 0.98 * wide, 1.26), oval(0, 0.1, 0.8 * wide, 0.98)
        pen.fill(np.vstack([outer, outer[:1], opening[:1], opening[::-1]]), person.accent)
    elif person.style != "bald":
        hairline = HAIRLINES.get(person.style, HAIRLINES["swept"])
        pen.blob([(x * wide, y) for x, y in [*CROWN, *hairline]], person.hair)
        if person.style == "curly":
            pen.fill(oval(0, -0.94, 0.92 * wide, 0.44, bumps=0.16), person.hair)
        pen.line([(-0.5 * wide, -0.86), (-0.2, -1.04), (0.1, -1.07)], (*lighter(person.hair, 0.35), 130), 0.07)


def paint_hat(pen: Pen, person: Person) -> None:
    """A beanie, a cap, a straw hat or none."""
    colour, band = person.accent, darker(person.accent, 0.35)
    if person.hat == "beanie":
        pen.fill(oval(0, -1.5, 0.24, 0.24), lighter(colour, 0.5))
        pen.blob(mirrored([(0, -1.5), (0.8, -1.16), (0.92, -0.6), (0, -0.66)]), colour)
        pen.line([(-0.9, -0.62), (0, -0.7), (0.9, -0.62)], band, 0.26)
    elif person.hat == "cap":
        pen.blob(mirrored([(0, -1.4), (0.78, -1.12), (0.9, -0.56), (0, -0.7)]), colour)
        pen.blob(mirrored([(0, -0.82), (0.78, -0.62), (0.6, -0.48), (0, -0.58)]), band)
    elif person.hat == "straw":
        pen.fill(oval(0, -0.72, 1.5, 0.26), (226, 190, 122))
        pen.blob(mirrored([(0, -1.42), (0.66, -1.24), (0.76, -0.72), (0, -0.66)]), (238, 206, 142))
        pen.line([(-0.76, -0.8), (0, -0.74), (0.76, -0.8)], band, 0.15)


def paint_mask(pen: Pen, person: Person) -> None:
    """The person's mask with its ear loops."""
    colour, edge, ink = person.mask_colour, darker(person.mask_colour), lighter(person.mask_colour, 0.7)
    bridge = [(-0.72, 0.2), (-0.4, 0.1), (-0.14, 0), (0, -0.03), (0.14, 0), (0.4, 0.1), (0.72, 0.2)]
    for side in (-1, 1):
        ear = side * (person.width + 0.02)
        pen.line([(side * 0.7, 0.24), (ear, -0.06), (side * 0.98, 0.12), (side * 0.64, 0.68)], ink, 0.045)
    pen.fill(lower_face(person, bridge, 1.05), colour)
    pen.line(bridge, ink, 0.06)
    if person.mask in ("surgical", "striped"):
        for y in (0.32, 0.54, 0.76):
            pen.line([(-0.6, y - 0.04), (0, y), (0.6, y - 0.04)], edge if person.mask == "surgical" else ink, 0.04)
    elif person.mask == "ffp2":
        pen.line([(0, 0), (0.04, 0.5), (0, 1.03)], edge, 0.05)
        pen.line([(-0.2, 0.1), (0, 0.05), (0.2, 0.1)], darker(colour, 0.4), 0.06)
    elif person.mask == "dotted":
        for x, y in [(x, y) for y in (0.28, 0.5, 0.72) for x in (-0.45, -0.15, 0.15, 0.45)]:
            pen.fill(oval(x - y / 4 + 0.12, y, 0.055, 0.055), ink)


def paint_chin_mask(pen: Pen, person: Person) -> None:
    """A mask pulled down below the mouth: it does not count as worn."""
    paint_mask(replace(pen, squeeze=0.26), person)


def paint_hand(pen: Pen, person: Person) -> None:
    """A hand in front of the mouth."""
    pen.blob([(0.2, 1), (0.85, 0.9), (1.3, 2.6), (0.5, 2.8)], darker(person.clothes, 0.1))
    palm = [(-0.5, 0.42), (0.2, 0.3), (0.66, 0.5), (0.8, 1.1), (0.24, 1.2), (-0.4, 0.9), (-0.58, 0.66)]
    pen.blob(palm, lighter(person.skin, 0.08))
    for y in (0.5, 0.64, 0.78):
        pen.line([(-0.5, y + 0.04), (-0.1, y - 0.04), (0.2, y)], darker(person.skin, 0.3), 0.035)


def paint_scarf(pen: Pen, person: Person) -> None:
    """A scarf wound over the mouth."""
    pen.blob(mirrored([(0, 0.38), (0.86, 0.3), (1, 1), (0.7, 1.5), (0, 1.62)]), person.accent)
    pen.blob([(0.2, 1.3), (0.7, 1.2), (0.8, 2.6), (0.3, 2.7)], darker(person.accent, 0.15))
    for y in (0.62, 0.9, 1.2):
        pen.line([(-0.9, y - 0.1), (0, y + 0.06), (0.9, y - 0.1)], lighter(person.accent, 0.4), 0.07)


COVERS = {"mask": paint_mask, "chin": paint_chin_mask, "hand": paint_hand, "scarf": paint_scarf}


def draw_scene(scene: Scene, rng: random.Random, size: Size) -> Image.Image:
    """The background, out of focus."""
    width, height = size
    image = ImageOps.colorize(Image.linear_gradient("L").resize(size), scene.top, scene.bottom)
    draw = ImageDraw.Draw(image)
    for props in scene.props:
        for _ in range(props.count):
            x, y = rng.uniform(0, width), rng.uniform(*props.y) * height
            w, h = rng.uniform(*props.width) * height, rng.uniform(*props.height) * height
            shape = draw.ellipse if props.round else draw.rectangle
            shape((x - w, y - h, x + w, y + h), fill=rng.choice(props.colours))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(2.5, 4.5)))


def places(count: int, rng: random.Random, size: Size) -> list[tuple[Point, float]]:
    """Where the heads go and how large they are: in one row, or in two if the photo is narrow."""
    width, height = size
    rows = [count] if count < 3 or width > height else [count // 2, count - count // 2]
    unit = min(0.33 * height / len(rows) ** 0.4, width / max(rows) / 1.85)
    spots = []
    for members, level in zip(rows, (0.5,) if len(rows) == 1 else (0.27, 0.7), strict=True):
        for index in range(members):
            x = width * (index + 0.5) / members + unit * rng.uniform(-0.08, 0.08)
            y = height * level + unit * rng.uniform(-0.16, 0.16)
            spots.append(((x, y), unit * rng.uniform(0.93, 1.04)))
    return spots


def finish(photo: Image.Image, rng: random.Random) -> Image.Image:
    """Gives the photo a slight colour cast and darker corners, as a lens does."""
    cast = tuple(rng.randint(238, 255) for _ in range(3))
    corners = Image.radial_gradient("L").point([max(0, value - 90) for value in range(256)]).resize(photo.size)
    return ImageChops.multiply(photo, ImageOps.colorize(corners, cast, (120, 116, 124)))


def draw_photo(label: int, rng: random.Random, size: Size) -> Image.Image:
    """Draws one photo.

    Args:
        label: 0 if nobody, 1 if everybody and 2 if only some of the people wear a mask.
        rng: Decides everything that the label leaves open.
        size: Width and height in pixels.

    Returns:
        The photo, in RGB.
    """
    scene = draw_scene(SCENES[rng.choice(list(SCENES))], rng, size)
    canvas = scene.resize((size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(canvas, "RGBA")  # this mode blends translucent colours
    group = random_group(label, rng)
    spots = list(zip(group, places(len(group), rng, canvas.size), strict=True))
    for person, (centre, unit) in spots:  # all of the shoulders first, as they must not hide a neighbour's face
        paint_back(Pen(draw, centre, unit), person)
    for person, (centre, unit) in spots:
        paint_head(Pen(draw, centre, unit, person.tilt), person)
    return finish(canvas.reduce(SUPERSAMPLING), rng)
