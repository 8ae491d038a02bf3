"""The one error type that the street door acts on."""


class InputError(Exception):
    """What a user can cause and mend: a wrong param, a broken file, a missing folder.

    Stages and commands print the message alone and exit with 1; any other exception is our
    own defect and keeps its traceback. A message says where, what was expected, what was
    received and what to do.
    """
