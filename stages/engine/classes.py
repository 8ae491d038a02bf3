"""The two classes that images are sorted into."""

CLASS_NAMES = ("normal", "pneumonia")
"""Names of the labels 0 and 1, in this order."""

NORMAL, PNEUMONIA = CLASS_NAMES
