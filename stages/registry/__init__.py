"""Tracking of runs, model versions, packaging and promotion; only this package imports MLflow."""
