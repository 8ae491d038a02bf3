"""Predictions for many images, as a table."""
