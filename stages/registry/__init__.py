"""Tracking and versions; the only room that imports mlflow."""
