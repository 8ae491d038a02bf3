"""Room 1: where radiographs come from."""
