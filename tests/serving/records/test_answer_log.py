import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stages.commands.main import main
from stages.engine.errors import InputError, NotFound
from stages.engine.files import sha256_bytes
from stages.serving.records import answer_log
from stages.serving.records.answer_chain import HEAD, Head, log_files, log_name, verify
from stages.serving.records.answer_log import FolderAnswerLog
from stages.serving.seams import AnswerLine

LINE = AnswerLine(
    who="ward-3",
    request_id="a" * 32,
    index=0,
    image=b"the bytes of an image",
    model_digest="b" * 64,
    version="3",
    decision="PNEUMONIA",
    refused=None,
    milliseconds=12,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "answers"


@pytest.fixture
def log(folder: Path) -> Iterator[FolderAnswerLog]:
    opened = FolderAnswerLog(folder)
    yield opened
    opened.close()


def filled(folder: Path, answers: int = 8, largest_file: int = 2000) -> None:
    """Write a log of several files: a line "started", the answers, a line "stopped"."""
    log = FolderAnswerLog(folder, largest_file=largest_file)
    for _ in range(answers):
        log.write([LINE])
    log.close()


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text(folder).splitlines()]


def text(folder: Path) -> bytes:
    return b"".join((folder / log_name(number)).read_bytes() for number in log_files(folder))


def test_a_line_says_who_asked_what_answered_and_nothing_of_the_image(
    folder: Path, log: FolderAnswerLog
) -> None:
    log.write([LINE])
    started, line = lines(folder)
    assert (started["n"], started["event"], started["previous"]) == (1, "started", "0" * 64)
    assert re.fullmatch(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("image") == log.hash_image(LINE.image) != log.hash_image(b"another")
    assert re.fullmatch("[0-9a-f]{64}", line.pop("previous"))
    assert line == {
        "n": 2,
        "who": "ward-3",
        "request": "a" * 32,
        "index": 0,
        "model": "b" * 64,
        "version": "3",
        "decision": "PNEUMONIA",
        "refused": None,
        "ms": 12,
    }


def test_every_file_is_for_its_owner_only(folder: Path, log: FolderAnswerLog) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    del modes["lock"]  # empty
    assert modes == {"answers-000001.jsonl": 0o600, "head": 0o600, "image-hash.key": 0o600}


def test_the_hash_of_an_image_stays_over_restarts_and_needs_the_key(folder: Path) -> None:
    filled(folder, answers=1)
    filled(folder, answers=1)
    hashes = {line["image"] for line in lines(folder) if "image" in line}
    assert len(hashes) == 1
    (folder / "image-hash.key").unlink()
    filled(folder, answers=1)
    assert len({line["image"] for line in lines(folder) if "image" in line}) == 2


def test_the_chain_goes_on_over_files_and_restarts(folder: Path) -> None:
    for _ in range(3):
        filled(folder)
    verdict = verify(folder)
    assert verdict.problems == []
    assert (verdict.answers, verdict.head.number, verdict.unfinished) == (24, 30, 0)
    assert len(log_files(folder)) > 3
    assert all((folder / log_name(n)).stat().st_size <= 2000 for n in log_files(folder))
    assert [line["n"] for line in lines(folder)] == list(range(1, 31))


def edit(folder: Path, number: int, change: Callable[[bytes], bytes]) -> None:
    """Change the line of a number, with its line break."""
    for path in (folder / log_name(each) for each in log_files(folder)):
        content = path.read_bytes().splitlines(keepends=True)
        marked = [line.startswith(b'{"n":%d,' % number) for line in content]
        path.write_bytes(
            b"".join(
                change(line) if hit else line for line, hit in zip(content, marked, strict=True)
            )
        )


@pytest.mark.parametrize("number", range(1, 11))
def test_a_removed_line_is_named_the_last_one_too(folder: Path, number: int) -> None:
    filled(folder)
    edit(folder, number, lambda _: b"")
    problems = verify(folder).problems
    assert len(problems) == 1
    assert f"line {number} is missing" in problems[0]


@pytest.mark.parametrize("number", range(1, 11))
def test_a_changed_line_is_named_the_last_one_too(folder: Path, number: int) -> None:
    filled(folder)
    edit(folder, number, lambda line: line.replace(b'"time":"2', b'"time":"3'))
    problems = verify(folder).problems
    assert len(problems) == 1
    assert f"line {number} was changed" in problems[0] or f"line {number} is not" in problems[0]


def test_moved_copied_and_inserted_lines_are_named(folder: Path) -> None:
    filled(folder, largest_file=10**6)
    path = folder / log_name(1)
    original = path.read_bytes().splitlines(keepends=True)

    def problems(order: list[int]) -> list[str]:
        path.write_bytes(b"".join(original[at] for at in order))
        return verify(folder).problems

    assert problems(list(range(10))) == []
    assert "line 5 is missing" in problems([0, 1, 2, 3, 5, 4, 6, 7, 8, 9])[0]
    assert "line 5 stands after line 6" in problems([0, 1, 2, 3, 5, 4, 6, 7, 8, 9])[1]
    assert "line 3 stands after line 3: moved or copied" in problems([0, 1, 2, *range(2, 10)])[0]
    path.write_bytes(b"".join([*original[:4], b"garbage\n", *original[4:]]))
    assert "line 5: expected a line of the log" in verify(folder).problems[0]


def test_missing_files_are_named(folder: Path) -> None:
    filled(folder, answers=20)
    numbers = log_files(folder)
    kept = (folder / log_name(2)).read_bytes()
    (folder / log_name(2)).unlink()
    problems = verify(folder).problems
    assert problems[0] == "answers-000002.jsonl: missing"
    assert re.search(r"lines \d+ to \d+ are missing before it", problems[1])
    (folder / log_name(2)).write_bytes(kept)
    (folder / log_name(numbers[-1])).unlink()
    assert "missing, by the file head" in verify(folder).problems[0]
    (folder / HEAD).unlink()
    assert verify(folder).problems[0].startswith("head: missing")


def test_files_that_were_moved_away_may_be_missing(folder: Path) -> None:
    filled(folder, answers=20)
    first = (folder / log_name(1)).read_bytes().splitlines()
    (folder / log_name(1)).rename(folder.parent / "archived")
    last = Head(len(first), sha256_bytes(first[-1]))
    assert verify(folder).problems
    assert verify(folder, after=last).problems == []
    assert verify(folder, after=Head(last.number, "0" * 64)).problems


def test_a_line_noted_elsewhere_finds_a_log_that_was_written_anew(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(folder)
    noted = verify(folder).head
    assert main(["answers", "verify", str(folder), "--head", str(noted)]) == 0
    for path in folder.glob("answers-*"):
        path.unlink()
    (folder / HEAD).unlink()
    filled(folder)
    assert main(["answers", "verify", str(folder)]) == 0  # which the chain alone can't find
    capsys.readouterr()
    assert main(["answers", "verify", str(folder), "--head", str(noted)]) == 1
    assert "is not the one of the line noted elsewhere" in capsys.readouterr().err
    assert main(["answers", "verify", str(folder), "--head", "x"]) == 1
    assert "--head: expected a line as NUMBER:DIGEST" in capsys.readouterr().err


WRITER = """
import sys
from pathlib import Path
from stages.serving.records.answer_log import FolderAnswerLog
from tests.serving.records.test_answer_log import LINE
log = FolderAnswerLog(Path(sys.argv[1]), largest_file=20_000)
print("ready", flush=True)
while True:
    log.write([LINE] * 3)
    print(log.head.number, flush=True)
"""


def test_after_kill_9_every_answered_line_is_there_and_the_next_service_goes_on(
    folder: Path,
) -> None:
    promised, noted = 0, ""
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(60):
            noted = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        promised = int([noted.strip(), *rest][-1])
        assert verify(folder).head.number >= promised
    filled(folder, answers=1)
    verdict = verify(folder)
    assert verdict.problems == []
    assert verdict.head.number > promised > 500


@pytest.mark.parametrize("cut", [1, 5, 100, 250])
@pytest.mark.parametrize("again", [False, True])
def test_a_half_written_line_is_recorded_and_skipped(folder: Path, cut: int, again: bool) -> None:
    filled(folder, largest_file=10**6)
    path = folder / log_name(1)
    half = b'{"n":11,"time":"2026' + b"x" * 300
    path.write_bytes(path.read_bytes() + half[:cut])
    assert verify(folder).problems == []  # as while a service writes it
    if again:  # killed once more, while it recorded that
        path.write_bytes(path.read_bytes() + b'\n{"n":11,"ev')
    filled(folder, answers=1, largest_file=10**6)
    verdict = verify(folder)
    assert (verdict.problems, verdict.unfinished, verdict.answers) == ([], 1, 9)
    path.write_bytes(path.read_bytes().replace(half[:cut] + b"\n", b"", 1))
    assert "expected a line of the log, found something else" in verify(folder).problems[0]


@pytest.mark.parametrize("number", [1, 5, 10])
@pytest.mark.parametrize("how", ["removed", "changed"])
def test_a_service_does_not_go_on_where_the_end_is_not_as_written(
    folder: Path, number: int, how: str
) -> None:
    filled(folder)
    edit(folder, number, lambda line: b"" if how == "removed" else line.replace(b":", b" :", 1))
    if number == 10:
        with pytest.raises(InputError, match="as it was written, with the newest line"):
            FolderAnswerLog(folder)
    else:  # further back, only a reader of the whole log finds it
        FolderAnswerLog(folder).close()
    assert verify(folder).problems


def test_a_log_without_its_head_is_not_continued(folder: Path) -> None:
    filled(folder)
    (folder / HEAD).unlink()
    with pytest.raises(InputError, match="found none \\(no head\\)"):
        FolderAnswerLog(folder)


def test_two_services_do_not_write_one_log(folder: Path, log: FolderAnswerLog) -> None:
    with pytest.raises(InputError, match="expected a folder in which no other service writes"):
        FolderAnswerLog(folder)
    log.close()
    FolderAnswerLog(folder).close()


def test_a_full_disk_keeps_nothing_and_the_log_goes_on_later(
    folder: Path, log: FolderAnswerLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write([LINE])
    before = text(folder)
    real = os.pwrite

    def full(handle: int, data: bytes, offset: int) -> int:
        if len(data) > 100:
            return real(handle, data[:50], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space left"):
            log.write([LINE, LINE])
    assert text(folder) == before
    log.write([LINE])
    assert verify(folder).problems == []
    assert verify(folder).answers == 2


def fill(log: FolderAnswerLog) -> None:
    for _ in range(1000):
        log.write([LINE] * 5)


@pytest.mark.slow
def test_a_really_full_disk(tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(mounted)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a small file system")
    try:
        log = FolderAnswerLog(mounted / "answers")
        with pytest.raises(OSError, match="No space left"):
            fill(log)
        verdict = verify(mounted / "answers")
        assert verdict.problems == []
        assert verdict.answers % 5 == 0
        log.close()
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_threads_write_whole_requests(folder: Path, log: FolderAnswerLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: log.write([LINE, LINE]), range(40)))
    assert verify(folder).problems == []
    assert verify(folder).answers == 80


def test_requests_that_wait_share_one_wait_for_the_disk(
    folder: Path, log: FolderAnswerLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[int] = []
    blocked, go = threading.Event(), threading.Event()

    def slow(handle: int) -> None:
        waits.append(handle)
        blocked.set()
        assert go.wait(30)

    monkeypatch.setattr(answer_log, "_sync", slow)
    with ThreadPoolExecutor(9) as pool:
        written = [pool.submit(log.write, [LINE])]
        assert blocked.wait(30)
        written += [pool.submit(log.write, [LINE]) for _ in range(8)]
        while len(log._waiting) < 8:
            time.sleep(0.01)
        go.set()
        assert [each.result() for each in written] == [None] * 9
    assert len(waits) == 2
    assert verify(folder).answers == 9
    assert verify(folder).problems == []


def test_requests_that_share_a_failed_wait_are_all_refused(
    folder: Path, log: FolderAnswerLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, ThreadPoolExecutor(8) as pool:
        patched.setattr(os, "pwrite", full)
        written = [pool.submit(log.write, [LINE]) for _ in range(8)]
        errors = [each.exception() for each in written]
    assert all(isinstance(each, OSError) and each.errno == errno.ENOSPC for each in errors)
    log.write([LINE])
    assert verify(folder).answers == 1


def test_a_closed_log_keeps_nothing(folder: Path, log: FolderAnswerLog) -> None:
    log.close()
    with pytest.raises(OSError, match="closed"):
        log.write([LINE])
    assert [line.get("event") for line in lines(folder)] == ["started", "stopped"]


def test_a_folder_in_which_others_may_write_is_refused(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)
    with pytest.raises(InputError, match="run `chmod 700"):
        FolderAnswerLog(folder)


def test_a_key_that_others_may_read_is_refused(folder: Path) -> None:
    filled(folder)
    (folder / "image-hash.key").chmod(0o644)
    with pytest.raises(InputError, match="permissions 0644"):
        FolderAnswerLog(folder)


def test_no_log_is_an_error(folder: Path) -> None:
    with pytest.raises(NotFound, match="expected an answer log, found none"):
        verify(folder)
