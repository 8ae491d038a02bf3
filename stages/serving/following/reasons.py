"""Why something failed, in words that anybody may read: without paths and without secrets."""

import re

from stages.engine.addresses import hide_credentials
from stages.engine.errors import as_input_error
from stages.engine.printable import printable

_MOST_CHARACTERS = 400
_FOLDERS = re.compile(r"(?<![\w/:.])(?:file://)?/(?:[^\s/:;,()'\"]+/)+")
"""The folders of an absolute path, not its last part and not those of an address."""


def in_public(error: BaseException) -> str:
    """Return why something failed.

    The message of an InputError, also of a version's own class of that name; of any other error
    its kind alone, since a message that was not written for readers may hold anything.
    """
    text = str(error)
    if isinstance(error, OSError):
        fixable = as_input_error(error)
        text = error.strerror or type(error).__name__ if fixable is None else str(fixable)
    elif not any(kind.__name__ == "InputError" for kind in type(error).__mro__):
        text = f"it fails with {type(error).__name__}"
    text = printable(hide_credentials(_FOLDERS.sub("", text)))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
