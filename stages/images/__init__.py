"""From image files to the shards that training reads: decoding, splits, duplicates, shift roles."""
