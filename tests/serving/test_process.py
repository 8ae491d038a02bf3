"""The service as a process: how it starts, ends, and what it leaves behind."""

import contextlib
import datetime
import ipaddress
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stages.commands.main import main
from stages.serving import run
from stages.serving.options import MIB, Limits, ServeOptions
from stages.serving.records import quiet
from stages.serving.web.server import listen
from stages.sources.phantom.probe_images import probe_images
from tests.serving.running import Reply, Running, running
from tests.workspace import ROOT

IMAGE = next(iter(probe_images()))[1]


@contextlib.contextmanager
def process(go: Path, drain_seconds: float = 20) -> Iterator[tuple[subprocess.Popen[str], Running]]:
    """Start the service, and yield it once it has said where it answers."""
    command = [sys.executable, "-m", "tests.serving.fake_process", str(drain_seconds)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"GO": str(go), "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as started:
        try:
            assert started.stdout is not None
            line = started.stdout.readline()
            found = re.fullmatch(
                r"http://127\.0\.0\.1:(\d+)/: pneumonia-test version 1 \(champion\), digest m{12}, "
                r"answers\n",
                line,
            )
            assert found, line
            yield started, Running(None, int(found[1]))  # type: ignore[arg-type]
        finally:
            started.kill()


def test_sigterm_is_said_at_once_and_what_has_begun_is_answered(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with process(go) as (started, service):
        replies = []
        asking = threading.Thread(target=lambda: replies.append(service.judge(IMAGE)))
        asking.start()
        time.sleep(1.5)
        assert service.get("/readyz").status == 200
        started.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        ready = service.get("/readyz")
        assert (ready.status, ready.json["draining"]) == (503, True)
        refused = service.judge(IMAGE)
        assert (refused.status, refused.json["error"]["kind"]) == (503, "draining")
        assert service.get("/livez").status == 200
        go.touch()
        asking.join(20)
        assert [reply.status for reply in replies] == [200]
        assert started.wait(10) == 0
        assert started.stderr is not None
        lines = started.stderr.read().splitlines()
        assert all(" request id=" in line for line in lines), lines


def test_what_does_not_end_in_time_is_given_up(tmp_path: Path) -> None:
    with process(tmp_path / "go", drain_seconds=1) as (started, service):
        replies = list[Reply]()
        asking = threading.Thread(target=lambda: replies.append(service.judge(IMAGE)), daemon=True)
        asking.start()
        time.sleep(1.5)
        begin = time.monotonic()
        started.send_signal(signal.SIGTERM)
        assert started.wait(15) == 0
        assert 0.9 < time.monotonic() - begin < 10
        asking.join(10)
        assert [(one.status, one.json["error"]["kind"]) for one in replies] == [(503, "draining")]


def test_a_service_without_requests_ends_at_once_and_takes_its_workers_along(
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    go.touch()
    with process(go) as (started, service):
        assert service.judge(IMAGE).status == 200
        workers = children(started.pid)
        assert len(workers) == 1
        limits = Path(f"/proc/{started.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
        started.send_signal(signal.SIGTERM)
        assert started.wait(5) == 0
        assert not [worker for worker in workers if Path(f"/proc/{worker}/cmdline").exists()]


def test_workers_end_with_a_service_that_is_killed(tmp_path: Path) -> None:
    go = tmp_path / "go"
    go.touch()
    with process(go) as (started, service):
        assert service.judge(IMAGE).status == 200
        [worker] = children(started.pid)
        started.kill()
        started.wait()
        deadline = time.monotonic() + 5
        while Path(f"/proc/{worker}/cmdline").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not Path(f"/proc/{worker}").exists()


def children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0: anyone in the network could ask; expected --keys"),
        (["--host", "::"], "--host ::: anyone in the network could ask; expected --keys"),
        (["--host", "no.such.host.invalid"], "expected an address of this machine"),
        (["--workers", "2"], "workers: expected 1, received 2: each process would load"),
        (["--port", "70000"], "--port: expected 0 to 65535, received 70000"),
        (["--threads", "0"], "--threads: expected 1 to 256, received 0"),
        (["--body-seconds", "0"], "--body-seconds: expected a number above 0, received 0"),
        (["--drain-seconds", "inf"], "--drain-seconds: expected a number above 0, received inf"),
        (["--decode-seconds", "nan"], "--decode-seconds: expected a number above 0, received nan"),
        (["--poll", "nan"], "--poll: expected seconds above 0, received nan"),
        (["--poll", "0"], "--poll: expected seconds above 0, received 0"),
        (["--tls-cert", "x.pem"], "expected --tls-cert and --tls-key together"),
        (["--tls-cert", "x.pem", "--tls-key", "y"], "--tls-cert: x.pem: expected a file"),
        (["--keys", "none"], "--keys: none: expected a file, found none"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_can_not_be_followed(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *words]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert message in printed


def test_uvicorns_variable_for_several_workers_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    assert main(["serve"]) == 1
    assert "workers: expected 1, received 4" in capsys.readouterr().err


@pytest.fixture
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the logs and warnings of the test's own process as they are."""
    monkeypatch.setattr(quiet, "silence_libraries", lambda _: None)


@pytest.mark.usefixtures("loud")
def test_a_port_in_use_is_an_error_before_anything_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 1
    assert f"error: 127.0.0.1 port {port}: expected an address that is free" in (
        capsys.readouterr().err
    )


@pytest.mark.usefixtures("loud")
def test_options_reach_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ServeOptions] = []
    monkeypatch.setattr(run, "run", lambda options, _: asked.append(options))
    words = "--port 1 --threads 3 --poll 9 --image-mib 2 --request-mib 512 --images 3 --queue 4"
    assert not main(["serve", *words.split(), "--body-seconds", "5", "--allow-host", "a"])
    assert not main(["serve"])
    changed, default = asked
    assert default == ServeOptions()
    assert (changed.port, changed.threads, changed.poll_s) == (1, 3, 9)
    assert changed.allowed_hosts == ("a",)
    assert changed.limits == Limits(
        image_bytes=2 * MIB,
        request_bytes=512 * MIB,
        waiting_bytes=2048 * MIB,
        images=3,
        queue_images=4,
        body_seconds=5,
    )


def test_answers_do_not_wait_for_acknowledgements() -> None:
    with listen(ServeOptions(port=0)) as sock:
        # asyncio switches Nagle's algorithm off for these alone.
        assert sock.proto == socket.IPPROTO_TCP


def test_loopback_is_what_no_other_machine_reaches() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.8.9.10"):
        assert ServeOptions(host=host).is_loopback


def test_https(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    options = ServeOptions(port=0, workers=1, tls_cert=cert, tls_key=key)
    with running(options=options) as service:
        context = ssl.create_default_context(cafile=str(cert))
        address = f"https://127.0.0.1:{service.port}/livez"
        with urllib.request.urlopen(address, context=context, timeout=20) as answer:
            assert answer.read() == b'{"live":true}'


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
