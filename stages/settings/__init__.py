"""The whole of params.yaml, paths of the repository, and digests that name runs."""
