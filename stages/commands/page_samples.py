"""Write the samples of the page of `pneumonia serve`: `python -m stages.commands.page_samples`.

They are committed, because an installed package has no tests and draws nothing at its start.
"""

from stages.engine.files import write_bytes
from stages.serving.web.samples import FOLDER, samples


def main() -> None:
    """Write every sample to its place in the package."""
    for name, content in samples().items():
        write_bytes(FOLDER / name, content)


if __name__ == "__main__":
    main()
