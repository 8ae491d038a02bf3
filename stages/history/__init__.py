"""Experiments, commits and dvc.lock: what was run before, asked of git and DVC."""
