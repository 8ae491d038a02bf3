"""Experiments, commits and dvc.lock: what ran before, from git and DVC."""
