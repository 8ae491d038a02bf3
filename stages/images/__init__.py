"""Bytes to pixels, splits by patient, shards."""
