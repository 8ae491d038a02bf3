"""Validation under distribution shift: matched normals, tail normals, stress variants."""
