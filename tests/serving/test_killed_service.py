"""Kill -9 under load: every answer that came has its line, and the next service goes on."""

import http.client
import threading
import time
from pathlib import Path

import pytest

from stages.serving.records.answer_chain import log_files, log_name, verify
from tests.sample_images import encoded, picture
from tests.serving.service_process import ServiceProcess, service_process

IMAGES = [encoded(picture(f"chest {number}", 200, 180)) for number in range(8)]


def ask_until_it_ends(service: ServiceProcess, answered: list[str]) -> None:
    try:
        for number in range(100_000):
            answered.append(service.judge(IMAGES[number % 8]).json["request_id"])
    except (OSError, http.client.HTTPException, ValueError):
        return


@pytest.mark.slow
def test_every_answer_of_a_killed_service_has_its_line(tmp_path: Path) -> None:
    log = tmp_path / "answers"
    answered: list[str] = []
    for _ in range(3):
        with service_process(tmp_path) as service:
            threads = [
                threading.Thread(target=ask_until_it_ends, args=(service, answered))
                for _ in range(6)
            ]
            begin = len(answered)
            for thread in threads:
                thread.start()
            while len(answered) < begin + 60:
                time.sleep(0.01)
            service.process.kill()
            for thread in threads:
                thread.join()
        assert verify(log).problems == []
    text = b"".join((log / log_name(number)).read_bytes() for number in log_files(log)).decode()
    assert len(answered) >= 180
    assert [each for each in answered if f'"request":"{each}"' not in text] == []
    with service_process(tmp_path) as service:
        service.judge(IMAGES[0])
    verdict = verify(log)
    assert verdict.problems == []
    assert verdict.answers > len(answered)
    assert text.count('"event":"started"') == 3
