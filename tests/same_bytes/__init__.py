"""Equal bytes on every processor of the class: `python -m tests.same_bytes`."""
