"""The two classes that images are sorted into, under keys that no renaming of a class changes."""

CLASS_KEYS = ("negative", "positive")
"""Keys of the labels 0 and 1 in files. Texts show the names of `engine.task` instead."""
