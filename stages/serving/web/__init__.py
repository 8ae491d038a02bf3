"""The service over HTTP: routes, limits and what every response carries."""
