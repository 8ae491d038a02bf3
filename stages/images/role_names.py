"""Names of the roles that a group of patients can have."""

TRAIN, VAL, TAIL, TEST = "train", "val", "val_tail", "test"

GUARDED = (TRAIN, VAL, TAIL, TEST)
"""The roles, the most guarded last: what was ever held out is not trained on."""
