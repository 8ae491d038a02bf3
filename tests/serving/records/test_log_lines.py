import json
import re
import subprocess
import sys
from typing import Any

import pytest

from stages.serving.records import log_lines
from stages.serving.records.log_lines import ServiceLog
from stages.serving.records.quiet import describe_fault

SECRET = "Müller^Änne"


def logged(**options: Any) -> tuple[ServiceLog, list[str]]:
    lines: list[str] = []
    return ServiceLog(write=lines.append, **options), lines


def test_a_request_is_a_line_of_json_or_text() -> None:
    for as_json in (False, True):
        log, lines = logged(as_json=as_json)
        log.request("a" * 32, "POST", "/v1/images", 200, 0.0123, "ward-3")
        if as_json:
            line = json.loads(lines[0])
            assert re.fullmatch(r"2\d{3}-\d\d-\d\dT[\d:.]{12}Z", line.pop("time"))
            assert line == {
                "event": "request",
                "id": "a" * 32,
                "method": "POST",
                "route": "/v1/images",
                "status": 200,
                "ms": 12,
                "key": "ward-3",
            }
        else:
            fields = f"request id={'a' * 32} method=POST route=/v1/images status=200 ms=12"
            assert lines[0].endswith(f"Z {fields} key=ward-3")


def test_an_unknown_method_is_not_repeated() -> None:
    log, lines = logged()
    log.request("a", SECRET, "other", 405, 0, None)
    assert SECRET not in lines[0]
    assert "method=other" in lines[0]


def test_requests_that_nobody_let_in_fill_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(log_lines.time, "monotonic", lambda: now)  # type: ignore[attr-defined]
    log, lines = logged()
    for _ in range(500):
        log.request("a", "GET", "other", 401, 0, None)
    log.request("a", "GET", "/v1/images", 200, 0, None)
    assert len(lines) == 61
    now += 61
    log.request("a", "GET", "other", 401, 0, None)
    assert "refused not_listed=440" in lines[61]
    assert len(lines) == 63


def raise_chain() -> None:
    try:
        raise ValueError(f"invalid name {SECRET}")
    except ValueError as error:
        raise RuntimeError(SECRET) from error


def test_a_fault_is_classes_and_places_without_messages() -> None:
    log, lines = logged()
    try:
        raise_chain()
    except RuntimeError as error:
        log.fault(error)
        text = describe_fault(error)
    assert re.fullmatch(
        r"RuntimeError at (records/test_log_lines\.py:\d+( > )?)+; "
        r"caused by ValueError at records/test_log_lines\.py:\d+",
        text,
    )
    assert text in lines[0]
    assert SECRET not in lines[0]


LIBRARIES = f"""
import logging, threading, warnings, sys
logging.getLogger("uvicorn").addHandler(logging.StreamHandler())
from stages.serving.records.log_lines import ServiceLog
from stages.serving.records.quiet import silence_libraries
silence_libraries(ServiceLog())
secret = {SECRET!r}
logging.getLogger("python_multipart.multipart").warning("no boundary in %r", secret)
logging.getLogger("uvicorn.error").error("a header: %s", secret)
logging.getLogger("new.one").error("%d", secret)  # which can't be formatted
warnings.warn(secret)
with warnings.catch_warnings():
    warnings.simplefilter("always")
    warnings.warn(secret)
try:
    raise ValueError(secret)
except ValueError:
    logging.getLogger("asyncio").exception("failed at %s", secret)

def fail():
    raise ValueError(secret)

thread = threading.Thread(target=fail)
thread.start()
thread.join()

class Bad:
    def __del__(self):
        raise ValueError(secret)

Bad()
raise KeyError(secret)
"""


def test_nothing_that_a_library_logs_warns_of_or_raises_is_printed_with_its_text() -> None:
    found = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", LIBRARIES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1
    assert found.stdout == ""
    assert "Müller" not in found.stderr
    assert "boundary" not in found.stderr
    assert found.stderr.count("library level=") == 3
    assert found.stderr.count("fault where=ValueError at") == 3
    assert found.stderr.count("fault where=KeyError at <string>:") == 1
