from pathlib import Path
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.serving.access import keys
from stages.serving.access.access import Access
from stages.serving.access.access_rules import make_rules
from stages.serving.access.key_ring import KeyRing
from stages.serving.seams import App
from tests.serving.asgi import Answer, Headers, ask, echo_who, request

IMAGES = "/v1/images"


def local() -> App:
    """A service on loopback without keys."""
    return Access(make_rules(loopback=True), None).wrap(echo_who)


class Guarded:
    """A service with keys."""

    def __init__(self, file: Path, **options: Any) -> None:
        self.file = file
        self.images = keys.add(file, "viewer", ["images"])
        self.metrics = keys.add(file, "prometheus", ["metrics"])
        options = {"loopback": False, "allow_hosts": ["xray.example"], **options}
        self.app = Access(make_rules(**options), KeyRing(file)).wrap(echo_who)

    def get(self, path: str, key: str | None = None, headers: Headers = ()) -> Answer:
        bearer = [] if key is None else [("authorization", f"Bearer {key}")]
        return ask(self.app, request(path, [*bearer, *headers]))


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path / "keys.json")


def test_on_loopback_nobody_needs_a_key() -> None:
    answer = ask(local(), request(IMAGES, method="POST"))
    assert (answer.status, answer.json) == (200, None)


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "Via",
        "CF-Connecting-IP",
        "True-Client-IP",
        "X-Envoy-External-Address",
    ],
)
def test_what_a_proxy_on_the_same_machine_passes_on_needs_a_key(header: str) -> None:
    answer = ask(local(), request(IMAGES, [(header, "")], method="POST"))
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="pneumonia"'
    assert "start it with --keys" in answer.json["error"]["action"]
    assert ask(local(), request("/livez", [(header, "x")])).status == 200


def test_a_key_opens_what_it_is_for(guarded: Guarded) -> None:
    assert guarded.get(IMAGES, guarded.images).json == "viewer"
    assert guarded.get("/metrics", guarded.metrics).json == "prometheus"
    for path, key in ((IMAGES, guarded.metrics), ("/metrics", guarded.images)):
        refused = guarded.get(path, key)
        assert refused.status == 403
        assert refused.json["error"]["kind"] == "scope"
        assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/", "/api", "/openapi.json", "/livez", "/readyz", "/page/a.js"])
def test_health_and_the_page_need_no_key(guarded: Guarded, path: str) -> None:
    assert guarded.get(path).status == 200


@pytest.mark.parametrize(
    "path",
    [
        IMAGES,
        "/v1/model",
        "/v1/images/overlay",
        "/metrics",
        "/none",
        "//",
        "/page",
        "/livez/",
        "/PAGE/x",
        "/readyz?x",
        "/page\\x",
        "",
    ],
)
def test_whatever_else_needs_one_unknown_paths_too(guarded: Guarded, path: str) -> None:
    answer = guarded.get(path)
    assert answer.status == 401
    assert set(answer.json) == {"schema", "request_id", "error"}


def spoiled(key: str) -> list[str]:
    return [key[:-1], key + "x", key.upper(), "", " ", key + " ", "é", key * 20, f"{key},{key}"]


def test_a_wrong_key_gets_401_and_is_not_repeated(guarded: Guarded) -> None:
    for wrong in spoiled(guarded.images):
        answer = guarded.get(IMAGES, wrong)
        assert answer.status in (400, 401), wrong
        assert b"pneumonia_" not in answer.body
    assert 'error="invalid_token"' in guarded.get(IMAGES, "x").headers["www-authenticate"]
    for scheme in ("Basic", "Digest", "", "Bearer:"):
        header = ("authorization", f"{scheme} {guarded.images}")
        assert guarded.get(IMAGES, headers=[header]).status == 401
    assert guarded.get(IMAGES, headers=[("authorization", f"bEARER {guarded.images}")]).json


def test_keys_are_never_taken_from_the_address(guarded: Guarded) -> None:
    scope = request(IMAGES, query_string=f"key={guarded.images}&access_token=x".encode())
    assert ask(guarded.app, scope).status == 401


def test_with_a_file_of_keys_loopback_needs_one_too(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path / "keys", loopback=True)
    assert guarded.get(IMAGES).status == 401
    assert guarded.get(IMAGES, guarded.images).status == 200


def test_a_revoked_key_is_refused_by_the_next_request(guarded: Guarded) -> None:
    assert guarded.get(IMAGES, guarded.images).status == 200
    keys.revoke(guarded.file, "viewer")
    assert guarded.get(IMAGES, guarded.images).status == 401


def test_an_unreadable_file_of_keys_refuses_all_without_its_path(guarded: Guarded) -> None:
    guarded.file.chmod(0o644)
    answer = guarded.get(IMAGES, guarded.images)
    assert answer.status == 503
    assert answer.headers["retry-after"]
    assert str(guarded.file).encode() not in answer.body
    assert guarded.get("/livez").status == 200


@pytest.mark.parametrize("path", [IMAGES, "/", "/livez", "/metrics", "/page/app.js"])
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil",
        "",
        "127.0.0.1:8000:1",
        "a b",
        "127.0.0.1@evil",
        "[::1",
        "[::g]",
        "10.0.0.1:8000",
        "x" * 300,
        "127.0.0.1:8000/x",
        "é",
    ],
)
def test_every_route_refuses_another_host(path: str, host: str) -> None:
    answer = ask(local(), request(path, [("host", host)]))
    assert answer.status in (400, 403)
    assert answer.json["error"]["kind"] in ("host", "odd_headers")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9000", "127.0.0.1", "[::1]:8000", "localhost."]
)
def test_the_names_of_this_machine_are_hosts_on_any_port(host: str) -> None:
    assert ask(local(), request(IMAGES, [("host", host)])).status == 200


def test_no_host_at_all_is_refused() -> None:
    assert ask(local(), {**request("/"), "headers": []}).status == 403


def test_named_hosts_and_the_address_of_the_connection_are_hosts(tmp_path: Path) -> None:
    names = ["xray.example", "other.example:8443"]
    guarded = Guarded(tmp_path / "keys", allow_hosts=names)

    def status(host: str) -> int:
        scope = request("/livez", [("host", host)], server=("10.1.2.3", 8000))
        return ask(guarded.app, scope).status

    assert status("xray.example") == status("XRAY.example:1") == 200
    assert status("other.example:8443") == 200
    assert status("other.example") == status("other.example:8444") == 403
    assert status("10.1.2.3:8000") == 200
    assert status("10.1.2.3:8001") == status("10.1.2.4:8000") == 403


def test_the_name_that_a_service_listens_on_is_a_host_and_an_address_is_not(tmp_path: Path) -> None:
    def status(host: str, asked: str) -> int:
        access = Access(make_rules(host=host, loopback=True), None)
        return ask(access.wrap(echo_who), request("/livez", [("host", asked)])).status

    assert status("xray.local", "xray.local:8000") == 200
    assert status("0.0.0.0", "0.0.0.0:8000") == status("::", "[::]:8000") == 403


@pytest.mark.parametrize("path", [IMAGES, "/", "/livez", "/metrics", "/page/app.js"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "http://localhost:8000",
        "",
        "x",
        "https://127.0.0.1",
        "ftp://127.0.0.1:8000",
        "http://127.0.0.1:8000/",
        "chrome-extension://a",
    ],
)
def test_every_route_refuses_another_origin(path: str, origin: str) -> None:
    answer = ask(local(), request(path, [("origin", origin)], method="POST"))
    assert answer.status == 403
    assert answer.json["error"]["kind"] == "origin"


def test_the_own_page_is_an_origin_behind_tls_too(tmp_path: Path) -> None:
    own = request(IMAGES, [("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "same-origin")])
    assert ask(local(), own).status == 200
    guarded = Guarded(tmp_path / "keys")
    proxied = [("host", "xray.example"), ("origin", "https://xray.example")]
    assert guarded.get(IMAGES, guarded.images, proxied).status == 200
    over_tls = request("/livez", [("host", "xray.example"), ("origin", "http://xray.example")])
    assert ask(guarded.app, {**over_tls, "scheme": "https"}).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "odd"])
def test_requests_of_other_sites_without_an_origin_are_refused(site: str) -> None:
    headers = [("sec-fetch-site", site), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]
    for path in (IMAGES, "/", "/metrics", "/livez"):
        assert ask(local(), request(path, headers)).status == 403


def test_a_link_on_another_site_leads_to_a_page_and_to_nothing_else() -> None:
    followed = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]
    document = [*followed, ("sec-fetch-dest", "document")]
    assert ask(local(), request("/", document)).status == 200
    assert ask(local(), request("/v1/model", document)).status == 403
    assert ask(local(), request("/", document, method="POST")).status == 403
    assert ask(local(), request("/", [*followed, ("sec-fetch-dest", "iframe")])).status == 403


def test_an_allowed_site_may_ask_and_read(tmp_path: Path) -> None:
    guarded = Guarded(tmp_path / "keys", allow_origins=["https://viewer.example"])
    headers = [("origin", "https://viewer.example"), ("sec-fetch-site", "cross-site")]
    answer = guarded.get(IMAGES, guarded.images, headers)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://viewer.example"
    assert answer.headers["vary"] == "Origin"
    assert guarded.get(IMAGES, None, headers).status == 401
    preflight = ask(guarded.app, request(IMAGES, headers, method="OPTIONS"))
    assert preflight.status == 204
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    other = [("origin", "https://viewer.example.evil")]
    assert guarded.get(IMAGES, guarded.images, other).status == 403


@pytest.mark.parametrize("name", ["host", "authorization", "origin", "content-length"])
def test_a_header_that_stands_twice_is_refused(name: str) -> None:
    given = [("host", "127.0.0.1:8000"), (name, "1"), (name, "1")]
    answer = ask(local(), request(IMAGES, given))
    assert answer.status == 400
    assert answer.json["error"]["kind"] == "odd_headers"


def test_a_length_beside_a_transfer_encoding_is_refused() -> None:
    given = [("content-length", "3"), ("transfer-encoding", "chunked")]
    assert ask(local(), request(IMAGES, given)).status == 400


def test_a_websocket_is_closed() -> None:
    assert ask(local(), request("/", type="websocket")).status == 1008


@pytest.mark.parametrize("text", ["", "a/b", "http://x", "a b", "*"])
def test_hosts_that_are_none_are_refused_at_the_start(text: str) -> None:
    with pytest.raises(InputError, match="--allow-host: expected a name or an address"):
        make_rules(loopback=True, allow_hosts=[text])


@pytest.mark.parametrize("text", ["", "viewer.example", "https://a/b", "*", "null", "ws://a"])
def test_origins_that_are_none_are_refused_at_the_start(text: str) -> None:
    with pytest.raises(InputError, match="--allow-origin: expected a site"):
        make_rules(loopback=True, allow_origins=[text])
