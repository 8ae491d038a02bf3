"""The pipeline: the hallway's stages, and the rooms that they join."""
