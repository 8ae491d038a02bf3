"""Which files a service opens to write while it answers: none but those of its answer log."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serving.identifiers import files, form_of
from tests.serving.running import BORDER, FORM
from tests.serving.service_process import service_process

CALLS = "open,openat,openat2,creat,rename,renameat,renameat2,mknod,mknodat,link,linkat,symlink"
WRITES = re.compile(
    r'(?:open\w*|creat)\((?:AT_FDCWD, )?"(?P<path>[^"]*)"[^)]*O_(?:WRONLY|RDWR|CREAT|TMPFILE)'
    r'|(?:rename|mknod|link|symlink)\w*\(.*?"(?P<other>[^"]*)"|memfd_create\((?P<memory>.*?)\)'
)


def written(trace: str) -> set[str]:
    found = (match.groups() for line in trace.splitlines() for match in WRITES.finditer(line))
    return {next(text for text in groups if text is not None) for groups in found}


def test_the_calls_that_write_are_found() -> None:
    calls = (
        '1 openat(AT_FDCWD, "/a", O_RDONLY|O_CLOEXEC) = 3\n'
        '2 openat(AT_FDCWD, "/b", O_WRONLY|O_CREAT|O_EXCL, 0600) = 4\n'
        '3 openat(AT_FDCWD, "/tmp", O_RDWR|O_TMPFILE, 0600) = 4\n'
        '4 creat("/c", 0600) = 5\n5 rename("/d", "/e") = 0\n6 memfd_create("f", 0) = 7\n'
    )
    assert written(calls) == {"/b", "/tmp", "/d", '"f", 0'}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace") or not shutil.which("lsof"), reason="needs strace")
def test_a_service_writes_its_answer_log_and_nothing_else(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    (folder := tmp_path / "service").mkdir()
    before = ("strace", "-D", "-f", "--seccomp-bpf", "-o", str(trace), "-e")
    with service_process(folder, before=(*before, f"trace={CALLS},memfd_create")) as service:
        sent = list(files(30))
        assert service.get("/").status == 200
        service.judge(sent[0].data)  # starts the decoders
        at_start = trace.read_text()
        large = b"\xff\xd8\xff" + bytes(20 << 20)  # a part that Starlette would write to a file
        for body in (form_of(sent, BORDER), form_of(sent[:1], BORDER).replace(sent[0].data, large)):
            status = service.ask("POST", "/v1/images", body, {"Content-Type": FORM}).status
            assert status in (200, 422)  # the second has one image, which is none
        for each in sent:
            service.judge(each.data)
            service.ask("POST", "/v1/images/overlay?part=legend", each.data)
        service.judge(large)
        lsof = ["lsof", "-a", "+L1", "-p", str(service.process.pid)]
        unlinked = subprocess.run(lsof, capture_output=True, text=True, check=False).stdout
        while_answering = trace.read_text()[len(at_start) :]
    assert written(while_answering) <= {"/dev/null"}
    assert unlinked == ""
    own = {path for path in written(at_start) if not path.startswith(("/dev/", "/proc/"))}
    names = {Path(path).name for path in own if str(folder / "answers") in path}
    assert names == {"answers-000001.jsonl", "head", "image-hash.key", "lock"}
    assert {path for path in own if str(folder / "answers") not in path} == set()
