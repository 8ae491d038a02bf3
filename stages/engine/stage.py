"""How a stage runs under DVC."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from stages.engine import journal
from stages.engine.errors import InputError, as_input_error
from stages.engine.files import sha256_file
from stages.engine.processes import die_with_parent


def run(main: Callable[[], None], stage: str = "", made: Path | None = None) -> None:
    """Run a stage's `main`, which dies with its parent: an InputError is one clear message.

    So is a fault of the machine that the user can fix, as a full disk (`as_input_error`).

    made: the file that `stage` writes last, under whose SHA-256 the journal keeps how that went.
    """
    # dvc.yaml's commands name DVC's process; a shell that can't leaves it empty.
    die_with_parent(int(os.environ.pop("STARTED_BY", "") or 0))
    try:
        main()
        if made is not None:
            journal.record(sha256_file(made), stage)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
    except OSError as error:
        known = as_input_error(error)
        if known is None:
            raise
        raise SystemExit(f"error: {known}") from None
    except KeyboardInterrupt:
        sys.exit(130)
