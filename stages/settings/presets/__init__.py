"""Recipes that a user picks in one word: overrides of params.yaml, read by `settings.preset`."""
