"""The comparison with the record of equal bytes; the bytes themselves are compared by CI."""

import pytest

from stages.engine import devices
from tests.same_bytes import blocks
from tests.same_bytes.__main__ import RECORD, maker, verdict

FOUND = {"class": "x86-64-v3", "blocks": {"a": "1", "b": "2"}, "pipeline": {"data/raw": "3"}}
ON_RECORD = {**FOUND, "makers": {"AMD": "AMD X1"}}
OTHER = {**FOUND, "blocks": {"a": "1", "b": "other"}}
CACHES = {**FOUND, "blocks": {"a": "1", "b": "2", "VGG16: gradients": "4"}}


@pytest.mark.parametrize(
    ("found", "who", "status", "text"),
    [
        (FOUND, "AMD", 0, "equal to the record in 3 digests (AMD)"),
        (FOUND, "Intel", 0, "equal to the record in 3 digests (AMD); `--add` puts Intel on record"),
        (OTHER, "AMD", 1, "1 of 3 digests differ from the record (AMD):\nblocks: b\n"),
        (OTHER, "Intel", 0, "1 of 3 digests differ from the record (AMD):\nblocks: b"),
        (
            CACHES,
            "AMD",
            0,
            "equal to the record in 3 digests (AMD)\ndifferent by the sizes",
        ),
        (
            {**FOUND, "class": "arm64"},
            "Arm",
            0,
            "the record is of x86-64-v3",
        ),
    ],
)
def test_a_difference_is_a_failure_only_where_this_maker_was_equal(
    found: dict[str, object], who: str, status: int, text: str
) -> None:
    printed, exit_status = verdict(ON_RECORD, found, who)
    assert exit_status == status
    assert printed.startswith(text)


@pytest.mark.skipif(devices.instruction_set() != devices.PORTABLE, reason="the record's class")
def test_the_c_library_and_numpy_compute_what_is_on_record() -> None:
    import json

    record = json.loads(RECORD.read_text())
    found = {
        name: blocks._digest(arrays)
        for group in (blocks._c_library, blocks._numpy, blocks._opencv, blocks._codecs)
        for name, arrays in group()
    }
    if maker() not in record["makers"]:
        pytest.skip(f"{maker()} is not on record; run `python -m tests.same_bytes`")
    assert found == {name: record["blocks"].get(name) for name in found}
