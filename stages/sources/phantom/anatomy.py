"""Draw what varies between children, and between images of one child.

Nothing here depends on the class or the site: children with and without pneumonia are drawn from
one population and differ by the lesion alone.
"""

from dataclasses import dataclass

from stages.sources.phantom.draws import CHILD, POSE, Draws


@dataclass(frozen=True)
class Child:
    """Anatomy that all images of one patient share; lengths are those of a child of medium size.

    Attributes:
        size: Magnification relative to medium size.
        girth_mm: Tissue path from front to back.
        chest_mm: Half the inner width of the chest.
        apex_power: How bell-shaped the chest is, 1.7 to 3.
        fat_mm: Thickness of the wall outside the ribs.
        rib_spacing_mm: Distance between ribs, and between vertebrae.
        rib_density: Relative density of ribs and clavicles.
        spine_mm: Half the width of a vertebra.
        heart: Relative size of the heart.
        heart_lean: Shear of the heart's axis, mm per mm.
        thymus_mm: How far its right and left lobe overlap the lungs.
        markings: Strength of vessels and fine texture.
        gas: Share of the bowel gas that is in the stomach, 0 to 1; the rest is in the colon.
        head_mm: y of the jaw; negative is above the apices of the lungs.
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
    """Position and breathing of the child in one image.

    Attributes:
        inspiration: 0 (expiration) to 1 (full inspiration).
        turn: Rotation about the long axis, about -1 to 1.
        tilt: Tangent of half the in-plane angle.
        arms: Slope of the right and left arm, mm upwards per mm outwards.
    """

    inspiration: float
    turn: float
    tilt: float
    arms: tuple[float, float]


def draw_child(seed: int, patient: int) -> Child:
    """Draw the anatomy of one patient, a function of the arguments alone."""
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
    """Draw the pose of one image, a function of the arguments alone."""
    draws = Draws(seed, POSE, patient, image)
    return Pose(
        # Most children are imaged in fair inspiration, a crying minority is not.
        inspiration=draws.uniform(0.0, 0.6) if draws.chance(0.3) else draws.uniform(0.6, 1.0),
        turn=draws.bell(0, 0.35),
        tilt=draws.bell(0, 0.022),
        arms=(draws.uniform(-1.6, 1.4), draws.uniform(-1.6, 1.4)),
    )
