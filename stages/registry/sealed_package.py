"""Open the files of a version (FORMAT 2), whole and unchanged, before any of its code is imported.

package.json lists the SHA-256 of every other file; its own SHA-256 is the package digest, which the
registry keeps apart from the files. So who can change the files can't change what is run.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from stages.engine.errors import InputError
from stages.engine.files import sha256_bytes, sha256_file
from stages.engine.zipped_code import import_from
from stages.registry.digests import package_model_digest
from stages.registry.signature import SIGNATURE, verify

if TYPE_CHECKING:
    from stages.network.detector import Detector

FORMAT = 2
"""Of package.json."""

PACKAGE = "package.json"
CODE = "artifacts/code.zip"
MODEL, POINT, DOMAIN = (
    f"artifacts/{name}" for name in ("model.keras", "operating_point.json", "domain.npz")
)
_BY_MLFLOW = "registered_model_meta"
"""Name and version, which MLflow adds to the files of a version that it downloads."""

_MAX_BYTES = 1 << 24
_PACKAGE_NAME = re.compile(r"pneumonia_[0-9a-f]{12}")


@dataclass(frozen=True)
class SealedPackage:
    """The files of a version, checked.

    Attributes:
        folder: Where they are.
        facts: The content of package.json.
        digest: The package digest.
    """

    folder: Path
    facts: Mapping[str, Any]
    digest: str
    _code: bytes = field(repr=False)

    @property
    def model_digest(self) -> str:
        """The model digest."""
        return str(self.facts["model_digest"])

    @property
    def code(self) -> bytes:
        """The bytes of its code.zip, as they were checked."""
        return self._code

    def detector(self) -> "Detector":
        """Import the version's own code and load its detector.

        Raises:
            InputError: The detector can't be loaded.
        """
        package, facts = str(self.facts["code"]["package"]), self.facts

        def own(module: str) -> Any:
            return import_from(self._code, package, module)

        try:
            detector: Detector = own("network.detector").Detector.load(
                *(self.folder / name for name in (MODEL, POINT, DOMAIN)),
                pixels=own("images.options").PixelOptions(**facts["pixels"]),
                classes=tuple(facts["classes"]),
                body_part=facts["body_part"],
            )
        # The version has an InputError of its own.
        except own("engine.errors").InputError as error:
            raise InputError(str(error)) from None
        return detector


def open_sealed(folder: Path, *, expected: str | None, key: Path | None) -> SealedPackage:
    """Check every file of a version, and import none.

    Args:
        folder: The files.
        expected: The package digest that the registry keeps; None where none is known.
        key: File of the public keys one of which must have signed it; None asks for no signature.

    Raises:
        UntrustedVersionError: It is not signed by a key of `key`.
        InputError: A file is missing, changed, not listed or a link, or the package is another
            than expected.
    """
    found = _regular_files(folder)
    content = _read(folder, PACKAGE, found)
    digest = sha256_bytes(content)
    if expected is not None and digest != expected:
        raise _changed(
            folder, PACKAGE, f"the registry expects {expected[:12]}, found {digest[:12]}"
        )
    if key is not None:
        signed = _read(folder, SIGNATURE, found) if SIGNATURE in found else None
        verify(content, signed, key)
    facts = _parse(folder, content)
    listed: dict[str, str] = facts["files"]
    foreign = sorted(found - {*listed, PACKAGE, SIGNATURE, _BY_MLFLOW})
    if foreign:
        raise _changed(folder, foreign[0], f"{PACKAGE} does not list it")
    code = b""
    for name, sha256 in sorted(listed.items()):
        if name not in found:
            raise _changed(folder, name, "it is missing")
        if name == CODE:
            code = _read(folder, name, found)
        if (sha256_bytes(code) if name == CODE else sha256_file(folder / name)) != sha256:
            raise _changed(folder, name, f"its bytes are not those that {PACKAGE} lists")
    return SealedPackage(folder, facts, digest, code)


def _regular_files(folder: Path) -> set[str]:
    """Return the paths of all files below `folder`; raise for whatever is no plain file."""
    found = set()

    def fail(error: OSError) -> None:
        raise InputError(f"{folder}: expected the files of a version, received {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=fail):
        for name in (*folders, *names):
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise _changed(folder, relative, "it is a link or no file")
        found |= {Path(place, name).relative_to(folder).as_posix() for name in names}
    return found


def _read(folder: Path, name: str, found: set[str]) -> bytes:
    """Return the bytes of a file of which much less than 16 MiB are expected."""
    if name not in found:
        raise _changed(folder, name, "it is missing")
    with (folder / name).open("rb") as handle:
        content = handle.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise _changed(folder, name, f"it has more than {_MAX_BYTES} bytes")
    return content


def _parse(folder: Path, content: bytes) -> dict[str, Any]:
    """Return the content of a package.json whose parts fit each other."""
    try:
        facts = json.loads(content)
        if facts["format"] != FORMAT:
            raise ValueError(f"format {facts['format']!r}, which this code does not read")
        for name, sha256 in facts["files"].items():
            if not _is_inside(name) or not re.fullmatch("[0-9a-f]{64}", sha256):
                raise ValueError(f"{name!r} among its files")
        if not _PACKAGE_NAME.fullmatch(facts["code"]["package"]):
            raise ValueError(f"{facts['code']['package']!r} as the name of its code")
        model, point, domain, _ = (facts["files"][name] for name in (MODEL, POINT, DOMAIN, CODE))
        digest = package_model_digest(
            model, point, domain, facts["pixels"], facts["code"]["digest"]
        )
        if digest != facts["model_digest"]:
            raise ValueError("a model digest that is not that of its files")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise _changed(folder, PACKAGE, f"it has {problem}") from None
    return dict(facts)


def _is_inside(name: str) -> bool:
    """Whether a listed path is in its only form, and names no file outside or that lists itself."""
    path = PurePosixPath(name)
    plain = path.as_posix() == name and not path.is_absolute() and "\\" not in name
    return (
        plain and "\0" not in name and ".." not in path.parts and name not in (PACKAGE, SIGNATURE)
    )


def _changed(folder: Path, name: str, why: str) -> InputError:
    return InputError(
        f"{folder}: the files of this version were changed: {name}: {why}; `pneumonia sync` stores "
        "them again if git and DVC's cache still have its run"
    )
