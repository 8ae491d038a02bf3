"""Validation roles under a shift: matched and tail normals, re-acquisition, stress."""
