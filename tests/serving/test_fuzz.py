"""2,500 mutated requests: none fails, hangs or is repeated, and memory stays."""

from pathlib import Path

import pytest

from tests.serving import fuzz
from tests.serving.service_process import service_process

SEED = 20261127


def test_a_number_determines_a_request() -> None:
    assert fuzz.mutated(1, 7) == fuzz.mutated(1, 7)
    assert len({fuzz.mutated(SEED, number) for number in range(500)}) > 430


@pytest.mark.slow
def test_mutated_requests_fail_hang_repeat_and_keep_nothing(tmp_path: Path) -> None:
    found = fuzz.Found()
    memory = {}
    limits = {"body_seconds": 2.0, "header_seconds": 1.0}
    with service_process(tmp_path, limits=limits) as service:
        for number in range(2500):
            fuzz.ask(service.port, SEED, number, found, limit_s=25)
            if number in (499, 2499):
                memory[number] = service.memory()
        assert service.get("/readyz").status == 200
    assert found.faults == []
    assert {200, 400, 403, 404, 405, 413, 415, 422} <= found.statuses.keys()
    assert found.statuses[200] > 300
    assert memory[2499] <= 1.25 * memory[499]
    output = (tmp_path / "output").read_bytes()
    assert fuzz.MARK not in output
    assert b"fault" not in output
