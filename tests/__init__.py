"""The tests. Pytest imports this package first, and with it the project, before NumPy."""

import stages  # noqa: F401 - sets the variables that numerical libraries read
