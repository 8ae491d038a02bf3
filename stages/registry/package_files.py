"""Find and check the files in a downloaded package of format 1, which lists none of them."""

from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.registry.digests import model_digest_of_format_1


def check_package(package: Path, model: str) -> None:
    """Raise unless the files in `package` are those of the model digest `model`.

    Raises:
        InputError: A file is missing, or the files are those of another model.
    """
    pixels = read_json(package_file(package, "facts.json"))["pixels"]
    found = model_digest_of_format_1(
        package_file(package, "model.keras"), package_file(package, "operating_point.json"), pixels
    )
    if found != model:
        raise InputError(
            f"{package}: expected the model {model[:12]}, found {found[:12]}; register it again"
        )


def package_file(package: Path, name: str) -> Path:
    """Return the file of this name, wherever it is in `package`.

    Raises:
        InputError: There is no such file, or more than one.
    """
    found = sorted(package.rglob(name))
    if len(found) != 1:
        raise InputError(f"{package}: expected one {name}, found {len(found)}; register it again")
    return found[0]
