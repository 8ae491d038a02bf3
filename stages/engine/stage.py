"""Run a stage under DVC."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from stages.engine import devices, journal
from stages.engine.console import print_tracebacks_safely, shown
from stages.engine.errors import InputError, as_input_error
from stages.engine.files import sha256_file
from stages.engine.processes import die_with_parent


def run(main: Callable[[], None], stage: str = "", last_output: Path | None = None) -> None:
    """Run a stage's `main` in a process that dies with DVC.

    An InputError, or a fault of the machine such as a full disk, becomes a message without a
    traceback and exit status 1.

    Args:
        main: The stage.
        stage: Its name in the journal.
        last_output: The file that the stage writes last. Its SHA-256 is the journal's key; without
            it nothing is recorded here.
    """
    # The commands in dvc.yaml set STARTED_BY to DVC's id; it is empty where a shell has no $PPID.
    die_with_parent(int(os.environ.pop("STARTED_BY", "") or 0))
    print_tracebacks_safely()
    try:
        devices.require_supported()
        main()
        if last_output is not None:
            journal.record(sha256_file(last_output), stage)
    except InputError as error:
        raise SystemExit(shown(f"error: {error}")) from None
    except OSError as error:
        fault = as_input_error(error)
        if fault is None:
            raise
        raise SystemExit(shown(f"error: {fault}")) from None
    except KeyboardInterrupt:
        sys.exit(130)
