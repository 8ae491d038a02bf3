"""How a stage runs under DVC."""

import sys
from collections.abc import Callable

from stages.engine.errors import InputError
from stages.engine.processes import die_with_parent


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`: it dies with its parent, and an InputError is one clear message."""
    die_with_parent()
    try:
        main()
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        sys.exit(130)
