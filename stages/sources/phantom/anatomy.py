"""What differs from child to child, and from image to image of one child.

Nothing here knows the class of the image or the site where it is taken: a sick and a well
child are drawn from one population, and only the lesion tells them apart.
"""

from dataclasses import dataclass

from stages.sources.phantom.draws import CHILD, POSE, Draws


@dataclass(frozen=True)
class Child:
    """Anatomy that all images of one patient share; lengths in mm of a child of middle size.

    size: magnification. girth_mm: tissue path front to back. chest_mm: half the inner width
    of the chest. apex_power: how bell-shaped the chest is. fat_mm: wall beyond the ribs.
    heart: relative size; heart_lean: shear of its axis. thymus_mm: how far its right and
    left lobes overlap the lungs. markings: strength of the vessels and of the fine texture.
    """

    size: float
    girth_mm: float
    chest_mm: float
    apex_power: float
    fat_mm: float
    rib_spacing_mm: float
    rib_density: float
    spine_mm: float
    heart: float
    heart_lean: float
    thymus_mm: tuple[float, float]
    markings: float
    gas: float
    head_mm: float


@dataclass(frozen=True)
class Pose:
    """How the child lay and breathed for one image.

    inspiration: 1 = full, 0 = expiration. turn: about the long axis, -1 to 1. tilt: tangent
    of half the in-plane angle. arms: how each arm points, mm of rise per mm outwards.
    """

    inspiration: float
    turn: float
    tilt: float
    arms: tuple[float, float]


def draw_child(seed: int, patient: int) -> Child:
    """The anatomy of one patient; a function of its arguments alone."""
    draws = Draws(seed, CHILD, patient)
    thymus_right = draws.uniform(6, 30) if draws.chance(0.30) else draws.uniform(0, 6)
    thymus_left = draws.uniform(6, 26) if draws.chance(0.35) else draws.uniform(0, 6)
    return Child(
        size=draws.bell(1.0, 0.07),
        girth_mm=draws.bell(124, 8),
        chest_mm=draws.bell(91, 8),
        apex_power=draws.uniform(1.7, 3.0),
        fat_mm=draws.uniform(6, 15),
        rib_spacing_mm=draws.bell(14.0, 0.9),
        rib_density=draws.uniform(0.7, 1.3),
        spine_mm=draws.bell(10.5, 0.9),
        heart=draws.bell(1.0, 0.085),
        heart_lean=draws.uniform(0.05, 0.55),
        thymus_mm=(thymus_right, thymus_left),
        markings=draws.uniform(0.5, 1.7),
        gas=draws.uniform(0, 1),
        head_mm=draws.uniform(-70, -52),
    )


def draw_pose(seed: int, patient: int, image: int) -> Pose:
    """The pose of one image; a function of its arguments alone."""
    draws = Draws(seed, POSE, patient, image)
    return Pose(
        # Most children are caught in fair inspiration; a crying minority is not.
        inspiration=draws.uniform(0.0, 0.6) if draws.chance(0.3) else draws.uniform(0.6, 1.0),
        turn=draws.bell(0, 0.35),
        tilt=draws.bell(0, 0.022),
        arms=(draws.uniform(-1.6, 1.4), draws.uniform(-1.6, 1.4)),
    )
