"""Scores with intervals, calibration, baselines, comparisons and reports."""
