"""A package that was imported from bytes can be dropped, and another of its name imported."""

import io
import sys
import zipfile

import pytest

from stages.engine.zipped_code import forget, import_from

PACKAGE = "zipped_code_test"


def archive(value: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr(f"{PACKAGE}/__init__.py", "")
        opened.writestr(f"{PACKAGE}/one.py", f"VALUE = {value}\n")
        later = f"def later():\n    from {PACKAGE}.one import VALUE\n    return VALUE\n"
        opened.writestr(f"{PACKAGE}/two.py", later)
    return packed.getvalue()


def test_what_was_dropped_is_imported_anew() -> None:
    finders = [*sys.meta_path]
    first = import_from(archive(1), PACKAGE, "two")
    assert first.later() == 1
    assert import_from(archive(2), PACKAGE, "one").VALUE == 1  # the first archive counts
    similar = f"{PACKAGE}_2"
    sys.modules[similar] = sys
    forget(PACKAGE)
    assert sys.modules.pop(similar) is sys
    assert not [name for name in sys.modules if name.startswith(PACKAGE)]
    assert sys.meta_path == finders
    with pytest.raises(ImportError):
        __import__(f"{PACKAGE}.one")
    assert import_from(archive(2), PACKAGE, "two").later() == 2
    forget(PACKAGE)
    forget(PACKAGE)  # of what is not there it changes nothing
    assert sys.meta_path == finders
