"""Room 2: bytes to pixels, splits and shards."""
