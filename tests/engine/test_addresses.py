"""Credentials in URLs are neither printed nor logged."""

import pytest

from stages.engine.addresses import redact, without_secrets
from stages.engine.errors import InputError
from stages.registry.connection import check_server
from stages.registry.store import Store

URL = "http://user:s3cr3t@127.0.0.1:9"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{URL}/a?sig=s3cr3t", "http://127.0.0.1:9/a"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("./mlruns", "./mlruns"),
        ("postgresql://u:s3cr3t@h/db", "postgresql://h/db"),
    ],
)
def test_secrets_are_removed(url: str, expected: str) -> None:
    assert without_secrets(url) == expected
    assert "s3cr3t" not in redact(f"no answer from {url}", url)


def test_an_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(InputError) as caught:
        check_server(Store(URL, None))
    assert "s3cr3t" not in str(caught.value)
    assert "http://127.0.0.1:9: expected a tracking store" in str(caught.value)
