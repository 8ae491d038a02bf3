"""Credentials in URLs are neither printed nor logged."""

import pytest

from stages.engine.addresses import hide_credentials, redact, without_secrets
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
        ("postgresql://u:s3cr3t/#?'@s3cr3t@h:5432/db", "postgresql://h:5432/db"),
        ("postgresql://h:5432/db", "postgresql://h:5432/db"),
        ("http://u:s3cr3t#?@h/", "http://h/"),
        ("http://u:s3cr3t[@h/", "http://h/"),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"no answer from {URL}/a: try {URL}",
            "no answer from http://127.0.0.1:9/a: try http://127.0.0.1:9",
        ),
        ("(postgresql+psycopg2://u:p@ss@h/db)", "(postgresql+psycopg2://h/db)"),
        ("mysql://u:p/w@h/db: lost", "mysql://h/db: lost"),
        ("x://h/db?timeout=30&password=s3cr3t&a=b", "x://h/db?timeout=30&password=***&a=b"),
        ("'https://h/x?X-Amz-Signature=s3cr3t'", "'https://h/x?X-Amz-Signature=***'"),
        ("'https://token@h/x', see ada@example.org", "'https://h/x', see ada@example.org"),
        ("http://h/users/@ada?to=@b", "http://h/users/@ada?to=@b"),
        ("sqlite:////a@b.db", "sqlite:////a@b.db"),
    ],
)
def test_credentials_of_every_address_in_a_text_are_hidden(text: str, expected: str) -> None:
    assert hide_credentials(text) == expected


def test_a_value_of_the_query_is_hidden_alone_too() -> None:
    url = "postgresql://h/db?password=s3cr3t%21&connect_timeout=10"
    message = redact("password s3cr3t! or s3cr3t%21 refused after 10 s", url)
    assert message == "password *** or *** refused after 10 s"
