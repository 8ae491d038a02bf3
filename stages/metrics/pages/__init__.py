"""Figures for people: tables in Markdown, the model card, pictures."""
