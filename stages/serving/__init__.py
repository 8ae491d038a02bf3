"""Predictions for images."""
