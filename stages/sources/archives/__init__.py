"""Images of a zip, tar or folder on disk."""
