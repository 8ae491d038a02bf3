import pytest

from stages.engine.addresses import hushed, without_secrets
from stages.engine.errors import InputError
from stages.registry.store import Store, knock

URL = "http://user:s3cr3t@127.0.0.1:9"


@pytest.mark.parametrize(
    ("url", "shown"),
    [(f"{URL}/a?sig=s3cr3t", "http://127.0.0.1:9/a"), ("sqlite:////a/b.db", "sqlite:////a/b.db"),
     ("./mlruns", "./mlruns"), ("postgresql://u:s3cr3t@h/db", "postgresql://h/db")],
)  # fmt: skip
def test_secrets_are_not_shown(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
    assert "s3cr3t" not in hushed(f"no answer from {url}", url)


def test_a_server_that_is_silent_is_named_without_its_password() -> None:
    with pytest.raises(InputError) as caught:
        knock(Store(URL, None))
    assert "s3cr3t" not in str(caught.value)
    assert "http://127.0.0.1:9: expected a tracking store" in str(caught.value)
