import pytest

from stages.engine.errors import InputError
from stages.sources.options import FetchOptions
from stages.sources.phantom.options import PhantomOptions

PHANTOM = PhantomOptions(seed=0, patients_train=4, patients_test=4, confound=0.9)


@pytest.mark.parametrize(
    ("source", "path", "sha256", "message"),
    [
        ("web", None, None, "fetch.source: expected one of 'phantom', 'archive', received 'web'"),
        ("archive", None, None, "fetch.path: expected the path of a zip"),
        ("archive", "a.zip", "abc", "fetch.sha256: expected 64 digits"),
    ],
)
def test_bad_values_are_refused(
    source: str, path: str | None, sha256: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        FetchOptions(source, path, sha256, False, PHANTOM)


def test_good_values() -> None:
    FetchOptions("phantom", None, None, False, PHANTOM)
    FetchOptions("archive", "../films.zip", "0" * 64, True, PHANTOM)
