"""From an image file to the network's input. Training, evaluation and serving all use `prepare`."""

from stages.engine.arrays import GrayImage
from stages.images.decode import decode
from stages.images.options import PixelOptions
from stages.images.resize import fit_square


def prepare(data: bytes, options: PixelOptions) -> GrayImage:
    """Decode an image file and resize it: uint8 (image_px, image_px), 0 to 255.

    Raises:
        UnusableImage: With the reason (see `decode.decode`).
    """
    return fit_square(decode(data), options)
