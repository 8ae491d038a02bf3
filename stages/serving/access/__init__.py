"""Who may ask the service."""
