"""params.yaml, paths of the repository, and digests that name trainings and runs."""
