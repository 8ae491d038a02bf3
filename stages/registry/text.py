"""Facts as text, for the params and tags on MLflow's pages."""

from stages.engine.printable import printable


def plain(value: object) -> str:
    """Return a value as printable text: "none", "yes", "no", lists with commas."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    return printable(str(value))
