"""How a stage runs under DVC."""

import sys
from collections.abc import Callable
from pathlib import Path

from stages.engine import journal
from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.engine.processes import die_with_parent


def run(main: Callable[[], None], stage: str = "", made: Path | None = None) -> None:
    """Run a stage's `main`: it dies with its parent, and an InputError is one clear message.

    made: the file that `stage` writes last, under whose SHA-256 the journal keeps how that went.
    """
    die_with_parent()
    try:
        main()
        if made is not None:
            journal.record(sha256_file(made), stage)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    except KeyboardInterrupt:
        sys.exit(130)
