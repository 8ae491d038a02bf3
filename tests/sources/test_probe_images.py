"""The image files of a probe."""

from stages.engine.files import sha256_bytes
from stages.images.decode import decode
from stages.sources.phantom.probe_images import PROBE_IMAGES, probe_images

SHA256 = "323e3dd53c46c1cbe4ed0c049e94354c03c90af59f07b37c1297a7bbcb6755aa"
"""Of all bytes, in order: another one needs every model to be evaluated again."""


def test_a_probe_has_as_many_images_of_each_class_and_always_the_same() -> None:
    files = dict(probe_images())
    assert len(files) == len(set(files.values())) == PROBE_IMAGES
    for kind in ("normal", "pneumonia"):
        assert sum(name.startswith(f"{kind}_") for name in files) == PROBE_IMAGES // 2
    assert list(files) == sorted(files)
    assert sum(map(len, files.values())) < 1_000_000
    assert all(min(decode(data).shape) > 160 for data in files.values())
    assert sha256_bytes(b"".join(files.values())) == SHA256
