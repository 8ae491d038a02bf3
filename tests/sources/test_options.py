from typing import Any

import pytest
from pydantic import ValidationError

from stages.sources.options import MENDELEY_V2, FetchOptions
from stages.sources.phantom.options import PhantomOptions

PHANTOM = PhantomOptions(seed=0, patients_train=4, patients_test=4, confound=0.9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "web"}, "source\n.*'phantom', 'kermany'"),
        ({"source": "archive"}, "path: expected the path of an archive or folder"),
        ({"source": "archive", "path": "a.zip", "sha256": "abc"}, "sha256\n"),
        ({"source": "archive", "path": "a.zip", "hash_names": ""}, "hash_names: expected false"),
        ({"source": "archive", "path": "a.zip", "hash_names": None}, "hash_names"),
        ({"source": "phantom", "hash_names": "names.key"}, "hash_names: expected false"),
        ({"source": "kermany", "sha256": "0" * 64}, "sha256: expected null"),
    ],
)
def test_invalid_values_are_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        options(**changes)


def test_valid_values() -> None:
    options(source="phantom")
    options(source="archive", path="../images.zip", sha256="0" * 64)
    options(source="archive", path="../images.zip", hash_names="../names.key")
    options(source="kermany")
    options(source="kermany", sha256=MENDELEY_V2)
    options(source="kermany", url="http://localhost:80/images.zip", sha256="0" * 64)


def test_the_keyless_form_of_earlier_versions_can_be_read_from_records() -> None:
    assert options(source="archive", path="a.zip", hash_names=True).hash_names is True


def options(**changes: Any) -> FetchOptions:
    nothing: dict[str, Any] = dict.fromkeys(("path", "labels", "url", "sha256"))
    return FetchOptions(**(nothing | {"hash_names": False} | changes), phantom=PHANTOM)
