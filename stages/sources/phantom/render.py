"""Render one phantom: from a view and a site to pixels."""

import numpy as np

from stages.sources.phantom.acquisition import Radiograph, take
from stages.sources.phantom.anatomy import draw_child, draw_pose
from stages.sources.phantom.cohort import View
from stages.sources.phantom.fields import NEPER
from stages.sources.phantom.lesions import draw_lesion
from stages.sources.phantom.thorax import draw_markings, draw_thorax


def render(view: View, site: str) -> Radiograph:
    """Render a view at site A, B or C, with the exact mask of its lesion.

    Child, pose and lesion depend on the view alone: at another site, the same view has the same
    anatomy and lesion with another geometry and tone curve.
    """
    child = draw_child(view.seed, view.patient)
    pose = draw_pose(view.seed, view.patient, view.image)
    thorax = draw_thorax(child, pose)
    attenuation = np.rint(thorax.attenuation * NEPER).astype(np.int32)
    attenuation += draw_markings(view.seed, view.patient, thorax, child)
    mask = None
    if view.grade:
        lesion, mask = draw_lesion(
            view.seed, view.patient, view.image, view.kind, view.grade, thorax
        )
        attenuation += lesion
    return take(
        attenuation.clip(0, 2**15 - 1),
        mask,
        child,
        pose,
        site=site,
        seed=view.seed,
        patient=view.patient,
        image=view.image,
    )
