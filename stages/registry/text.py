"""Facts as text, for the params and tags on MLflow's pages."""


def plain(value: object) -> str:
    """Return a value as text: "none", "yes", "no", lists with commas."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return ", ".join(map(plain, value)) if isinstance(value, (list, tuple)) else str(value)
