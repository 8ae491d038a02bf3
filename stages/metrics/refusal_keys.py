"""Keys of the refused shares in a report."""

REFUSALS = "refusals"
"""Key of a role's refused shares: "share" of all its images, and those of the classes."""

NEGATIVE, POSITIVE, DIFFERENCE = "negative", "positive", "difference"
"""Keys of the refused shares of each class, and of the positive one minus the negative one."""
