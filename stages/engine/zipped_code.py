"""Import a Python package from the bytes of a zip archive, without reading or writing a file.

The standard library's zipimport reads the archive again for every module, so that a file which was
checked could be another one by the time it is imported.
"""

import importlib
import importlib.abc
import importlib.machinery
import io
import sys
import zipfile
from types import CodeType, ModuleType


def import_from(archive: bytes, package: str, module: str) -> ModuleType:
    """Import `package`.`module`, and whatever it imports of `package`, from a zip archive.

    Args:
        archive: The bytes of the archive. Only the first one given for a package counts.
        package: Name of the package, a folder in the archive.
        module: Dotted name of a module below it.

    Raises:
        ImportError: The archive has no such module.
    """
    if not any(isinstance(one, _Finder) and one.package == package for one in sys.meta_path):
        sys.meta_path.insert(0, _Finder(archive, package))
    return importlib.import_module(f"{package}.{module}")


def forget(package: str) -> None:
    """Undo the imports of a package of which nothing is in use any more."""
    sys.meta_path[:] = [
        one for one in sys.meta_path if not (isinstance(one, _Finder) and one.package == package)
    ]
    for name in [*sys.modules]:
        if name == package or name.startswith(f"{package}."):
            del sys.modules[name]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads the modules of one package."""

    def __init__(self, archive: bytes, package: str) -> None:
        self.package = package
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            self._sources = {
                name: members.read(name).decode()
                for name in members.namelist()
                if name.startswith(f"{package}/") and name.endswith(".py")
            }

    def find_spec(self, fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module of the package; None for any other module."""
        member = self._member(fullname)
        if member is None:
            return None
        is_package = member.endswith("/__init__.py")
        return importlib.machinery.ModuleSpec(fullname, self, origin=member, is_package=is_package)

    def get_source(self, fullname: str) -> str:
        """Return the text of a module, for tracebacks too."""
        return self._sources[self._present(fullname)]

    def is_package(self, fullname: str) -> bool:
        """Return whether a name is that of a package."""
        return self._present(fullname).endswith("/__init__.py")

    def get_code(self, fullname: str) -> CodeType:
        """Compile a module, named by its path in the archive, so that tracebacks find its text."""
        return self.source_to_code(self.get_source(fullname), self._present(fullname))

    def _member(self, fullname: str) -> str | None:
        stem = fullname.replace(".", "/")
        return next(
            (name for name in (f"{stem}.py", f"{stem}/__init__.py") if name in self._sources), None
        )

    def _present(self, fullname: str) -> str:
        member = self._member(fullname)
        if member is None:
            raise ImportError(f"{self.package}: no module {fullname} in its archive", name=fullname)
        return member
