"""The byte layout of DICOM files: transfer syntaxes, deflation, and where pixels lie."""

import io
import struct
import zlib
from array import array

from stages.engine.errors import UnusableImage

# An image of 60 megapixels at 16 bits has 120 MB; a deflated file beyond this is a bomb.
MAX_INFLATED_BYTES = 256 * 2**20

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
_JPEG_FAMILY = "1.2.840.10008.1.2.4."
JPEG = tuple(_JPEG_FAMILY + end for end in ("50", "51", "57", "70"))
JPEG_LS = tuple(_JPEG_FAMILY + end for end in ("80", "81"))
JPEG_2000 = tuple(_JPEG_FAMILY + end for end in ("90", "91"))
NATIVE = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED)
COMPRESSED = (RLE, *JPEG, *JPEG_LS, *JPEG_2000)

_UNDEFINED = 0xFFFFFFFF
_PIXEL_TYPES = (b"OB", b"OW", b"UN", b"OV")
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


def inflate(data: bytes) -> bytes:
    """Return the file with its data set decompressed if it is deflated, else unchanged.

    Raises:
        UnusableImage: It decompresses to more than MAX_INFLATED_BYTES.
    """
    uid = DEFLATED.encode()
    start = at = 132 if data[128:132] == b"DICM" else 0
    # Skip group 2, the file's own tags, which are always in explicit little endian.
    while data[at : at + 2] == b"\2\0":
        long_length = data[at + 4 : at + 6] in (b"OB", b"UN")
        length_at = at + (8 if long_length else 6)
        (length,) = struct.unpack_from("<I" if long_length else "<H", data, length_at)
        at += length + (12 if long_length else 8)
    if uid not in data[start:at]:
        return data
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    body = decompressor.decompress(data[at:], MAX_INFLATED_BYTES + 1)
    if len(body) > MAX_INFLATED_BYTES:
        raise UnusableImage(f"the DICOM file unpacks to more than {MAX_INFLATED_BYTES:,} bytes")
    explicit = EXPLICIT.encode().ljust(len(uid), b"\0")
    return data[:at].replace(uid, explicit) + body


def read_pixel_data(stream: io.BytesIO, syntax: str) -> bytes | None:
    """Return the value of the tag Pixel Data at the stream's position, None if another is there.

    Tags after it are not read. Big-endian 16-bit words are swapped to little endian.

    Raises:
        EOFError: Compressed data lack their end; pydicom would warn and go on.
        ValueError: The length is undefined for uncompressed data, or defined for compressed ones.
    """
    order = ">" if syntax == BIG_ENDIAN else "<"
    if stream.read(4) != struct.pack(f"{order}HH", 0x7FE0, 0x0010):
        return None
    explicit = stream.read(4)
    representation = explicit[:2]
    # Some files state the other of the two encodings. A length is even and never reads as a type.
    if syntax in NATIVE and not (representation in _PIXEL_TYPES and explicit[2:] == b"\0\0"):
        representation = b"OW"
        stream.seek(-4, io.SEEK_CUR)
    (length,) = struct.unpack(f"{order}I", stream.read(4))
    if (length == _UNDEFINED) != (syntax not in NATIVE):
        raise ValueError("PixelData")
    if length != _UNDEFINED:
        data = stream.read(length)
        return _byte_swapped(data) if order == ">" and representation == b"OW" else data
    start = stream.tell()
    while (tag := stream.read(4)) == _ITEM:
        (length,) = struct.unpack("<I", stream.read(4))
        stream.seek(length, io.SEEK_CUR)
    if tag != _SEQUENCE_END:
        raise EOFError
    end = stream.tell() - 4
    stream.seek(start)
    return stream.read(end - start)


def _byte_swapped(data: bytes) -> bytes:
    words = array("H", data[: len(data) // 2 * 2])
    words.byteswap()
    return words.tobytes()
