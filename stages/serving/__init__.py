"""Answers for a person."""
