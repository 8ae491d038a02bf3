"""Runs, versions, packaging, promotion; the only package that imports MLflow."""
