"""An image that hangs or kills its decoder costs that image its answer, and nothing else."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stages.serving.answering.decoding import Decoder, DecodingFailed
from stages.sources.phantom.probe_images import probe_images
from tests.serving import hostile_code
from tests.serving.running import Running, SlowDetector, running, served_model

IMAGE = next(iter(probe_images()))[1]


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(served_model(preparer=hostile_code.preparer()), decode_seconds=1.5) as one:
        assert one.judge(IMAGE).status == 200  # a worker has started
        yield one


@pytest.mark.parametrize(
    ("image", "kind", "reason"),
    [
        (b"hang", "timeout", "decoding the image took more than 1.5 s"),
        (b"die", "crashed", "the image ended the process that decoded it"),
        (b"raise", "crashed", "the image could not be decoded (ZeroDivisionError)"),
        (b"memory", "crashed", "the image could not be decoded (MemoryError)"),
    ],
)
def test_it_is_refused_and_the_service_goes_on(
    image: bytes, kind: str, reason: str, service: Running
) -> None:
    begin = time.monotonic()
    reply = service.judge(image)
    assert time.monotonic() < begin + 20
    assert reply.status == 422
    [entry] = reply.json["images"]
    assert entry["refused"] == {"kind": kind, "reason": reason}
    assert entry["probability"] is None
    assert b"JANE" not in reply.body
    assert service.judge(IMAGE).status == 200


def test_the_other_images_of_a_request_are_answered(service: Running) -> None:
    reply = service.judge(b"hang", IMAGE, b"die", IMAGE, b"raise", b"no image")
    assert reply.status == 200
    refused = [entry["refused"] and entry["refused"]["kind"] for entry in reply.json["images"]]
    assert refused == ["timeout", None, "crashed", None, "crashed", "unreadable"]
    one, other = (reply.json["images"][index] for index in (1, 3))
    assert one["probability"] == other["probability"] is not None


def test_a_worker_killed_from_outside_is_replaced(service: Running) -> None:
    for number in workers():
        os.kill(number, signal.SIGKILL)
    time.sleep(0.2)
    assert service.judge(IMAGE).status == 200


def test_workers_have_no_network_and_print_nothing(
    service: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    [entry] = service.judge(b"loaded").json["images"]
    assert entry["refused"]["reason"] == "loaded: []"
    service.judge(b"print")
    captured = capfd.readouterr()
    assert "JANE" not in captured.out + captured.err


def test_workers_write_no_core_dump(service: Running) -> None:
    assert service.judge(b"limits").json["images"][0]["refused"]["reason"] == "(0, 0)"


def test_workers_import_nothing_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "numpy", "stages"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    with running(served_model(preparer=hostile_code.preparer())) as service:
        assert service.judge(IMAGE).status == 200


def test_workers_end_with_the_service() -> None:
    before = workers()
    with running(served_model(preparer=hostile_code.preparer())) as service:
        service.judge(IMAGE, IMAGE)
        assert workers() - before
    assert not workers() - before


def test_versions_with_code_of_their_own_are_decoded_by_it() -> None:
    other = hostile_code.preparer("def prepare_image(*_):\n    return Prepared(None, 'other')\n")
    decoder = Decoder(1, 30)
    try:
        decoder.warm(served_model(preparer=hostile_code.preparer()))
        broken = hostile_code.preparer("raise ValueError")
        # The first code of a package name counts, so that a broken one needs another process.
        decoder.close()
        decoder = Decoder(1, 30)
        with pytest.raises(DecodingFailed, match=r"the version's code fails \(ValueError\)"):
            decoder.warm(served_model(preparer=broken))
    finally:
        decoder.close()
    with running(served_model(preparer=other)) as service:
        assert service.judge(IMAGE).json["images"][0]["refused"]["reason"] == "other"


def test_a_version_that_decodes_here_and_hangs_costs_its_image_only() -> None:
    detector = SlowDetector()
    with running(served_model(detector, preparer=None), decode_seconds=0.5) as service:
        reply = service.judge(IMAGE)
        assert reply.json["images"][0]["refused"]["kind"] == "timeout"
        detector.open.set()
        assert service.judge(IMAGE).status == 200


def test_images_are_decoded_side_by_side(service: Running) -> None:
    service.judge(IMAGE, IMAGE)  # both workers have started
    with ThreadPoolExecutor(2) as threads:
        begin = time.monotonic()
        list(threads.map(service.judge, [b"sleep", b"sleep"]))
    assert time.monotonic() < begin + 1.9  # and not 2


def workers() -> set[int]:
    """Return the processes that decode for this one."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"stages.serving.answering.decode_worker" in words and parent == os.getpid():
            found.add(int(folder.name))
    return found


def test_a_new_version_is_imported_in_all_workers_while_they_decode_for_another() -> None:
    decoder, old = Decoder(2, 20), served_model()
    images = [IMAGE] * 500

    async def flood() -> list[object]:
        return await asyncio.gather(*(decoder.prepare(old, image) for image in images))

    with ThreadPoolExecutor(2) as threads:
        try:
            decoded = threads.submit(asyncio.run, flood())
            while not decoder._idle.empty():
                time.sleep(0.001)
            new = served_model(preparer=hostile_code.preparer())
            threads.submit(decoder.warm, new).result(60)
            assert len(decoded.result(60)) == len(images)
            versions = [worker._versions for worker in decoder._workers]
            assert new.preparer is not None
            assert all(new.preparer.key in each for each in versions)
        finally:
            for _ in range(2 * len(images)):  # for threads that wait for one for ever
                decoder._idle.put(decoder._workers[0])
            decoder.close()
