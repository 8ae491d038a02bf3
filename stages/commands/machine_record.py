"""`make repro` ends with this: words for a machine whose record is not the committed one."""

from stages.engine.console import print_text
from stages.history import remedies


def main() -> None:
    """Print what to do where this machine's bytes differ from the last commit's, else nothing."""
    words = remedies.of_another_class()
    if words:
        print_text(f"\n{words}")


if __name__ == "__main__":
    main()
