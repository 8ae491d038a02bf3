"""The shift validations: roles whose normals, unlike those of `val`, are not drawn at random.

`val_matched` and `val_tail` (docs/data.md). The mean AUROC over them chooses the epoch.
"""

from collections.abc import Iterable

SHIFT_AUROC = "shift_auroc"
"""Name of the mean AUROC over the shift validations."""


def shift_roles(roles: Iterable[str]) -> list[str]:
    """Return the shift validations among some roles."""
    return [role for role in roles if role.startswith("val_")]
