"""Preprocess as a whole: roles, shards, and images that can't be read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.images import prepared_images
from stages.images.build import BuildResult, build_shards
from stages.images.options import PreprocessOptions
from stages.images.prepare import prepare
from stages.images.shards import open_shards
from stages.sources.index import open_raw
from tests.sample_images import encoded, options, paths, picture, raw

CUT = encoded(picture("cut"))[:-40]


def manifest_of(*arguments: Any, **keywords: Any) -> dict[str, Any]:
    return built(*arguments, **keywords).manifest


def built(
    folder: Path,
    names: list[str],
    broken: dict[str, bytes] | None = None,
    *,
    workers: int = 1,
    params: PreprocessOptions | None = None,
) -> BuildResult:
    images, _ = open_raw(raw(folder / "raw", names, broken))
    return build_shards(images, params or options(), folder / "shards", workers=workers)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256_file(path) for path in sorted(folder.iterdir())}


def test_shards_hold_every_image_once_in_its_role(tmp_path: Path) -> None:
    names = paths()
    manifest = manifest_of(tmp_path, names)
    shards = open_shards(tmp_path / "shards")
    assert shards.roles == ("train", "val", "test")
    assert sorted(shards.records["id"]) == names
    assert manifest["test"] == "cut by patient"
    stored = {image.row.path: image for image in open_raw(tmp_path / "raw")[0]}
    for name in shards.roles:
        role = shards.role(name)
        assert role.pixels.dtype == np.uint8
        assert len(role.pixels) == len(role.records) > 0
        assert list(role.records["row"]) == list(range(len(role.records)))
        counts = manifest["counts"][name]
        assert counts["positive"] == role.records["label"].sum()
        for image, pixels in zip(role.records["id"], role.pixels, strict=True):
            assert np.array_equal(pixels, prepare(stored[image].read(), options().pixels))


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    params = options(matched_donors=0, tail_fraction=0.2)
    built(tmp_path / "1", paths(), workers=1, params=params)
    built(tmp_path / "4", paths(), workers=4, params=params)
    assert digests(tmp_path / "1" / "shards") == digests(tmp_path / "4" / "shards")


def test_golden_role_assignment(tmp_path: Path) -> None:
    # Moves only when the rule of splitting does; then every trained model's split moves too.
    built(tmp_path, paths())
    val = open_shards(tmp_path / "shards").role("val").records
    assert sorted(set(val["patient"])) == [
        "IM-0002",
        "person1005_virus",
        "person1_bacteria",
        "person2_bacteria",
    ]


def test_broken_images_are_set_aside_with_their_reasons(tmp_path: Path) -> None:
    names = paths()
    broken = {names[3]: CUT, names[-1]: b"page"}
    first, second = built(tmp_path, names, broken).unreadable
    assert (first.path, second.path) == (names[3], names[-1])
    assert first.reason.startswith("the file is cut short or damaged")
    assert second.reason.startswith("expected a JPEG, PNG or DICOM image")
    assert len(open_shards(tmp_path / "shards").records) == len(names) - 2


def test_too_many_broken_images_stop_and_keep_the_earlier_shards(tmp_path: Path) -> None:
    names = paths()
    built(tmp_path, names)
    before = digests(tmp_path / "shards")
    with pytest.raises(InputError, match=r"received 3 of 48:\n.*cut short"):
        built(tmp_path, names, dict.fromkeys(names[:3], CUT))
    assert digests(tmp_path / "shards") == before


def test_a_lost_image_is_never_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_the_last(function: Any, items: Any, **_: Any) -> Any:
        yield from list(map(function, items))[:-1]

    monkeypatch.setattr(prepared_images, "map_in_order", without_the_last)
    with pytest.raises(ValueError, match="shorter"):
        built(tmp_path, paths())
    assert not (tmp_path / "shards").exists()


def test_an_unexpected_error_in_a_worker_stops_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise MemoryError("worker")

    monkeypatch.setattr(prepared_images, "prepare", fail)
    with pytest.raises(MemoryError):
        built(tmp_path, paths(), workers=2)
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "expected a file, found none"),
        (lambda folder: (folder / "val.npy").unlink(), r"val\.npy: expected a file"),
        (lambda folder: (folder / "val.npy").write_bytes(b"x"), r"val\.npy: its bytes are not"),
        (lambda folder: (folder / "records.csv").write_text("id\n"), r"records\.csv: its bytes"),
        (
            lambda folder: (folder / "manifest.json").write_text('{"format": 2}'),
            "expected format 3, received 2",
        ),
        (
            lambda folder: (folder / "manifest.json").write_text(
                (folder / "manifest.json").read_text().replace("cut by patient", "official")
            ),
            "its digest is not that of its content",
        ),
    ],
)
def test_incomplete_or_changed_shards_are_refused(
    tmp_path: Path, damage: Any, message: str
) -> None:
    built(tmp_path, paths())
    damage(tmp_path / "shards")
    with pytest.raises(InputError, match=message):
        open_shards(tmp_path / "shards")


def test_an_unknown_role_is_named(tmp_path: Path) -> None:
    built(tmp_path, paths())
    with pytest.raises(InputError, match="expected a role 'val_tail', found train, val, test"):
        open_shards(tmp_path / "shards").role("val_tail")
