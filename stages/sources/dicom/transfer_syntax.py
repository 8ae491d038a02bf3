"""How a DICOM file lays its bytes out: transfer syntaxes, deflation, and where its pixels lie."""

import io
import struct
import zlib
from array import array

from stages.engine.errors import InputError

# An image of 60 megapixels at 16 bits is 120 MB; a deflated file that claims more is a bomb.
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
_ITEM, _SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


def inflated(data: bytes) -> bytes:
    """The file, uncompressed where its whole data set is deflated, within bounds."""
    uid = DEFLATED.encode()
    start = at = 132 if data[128:132] == b"DICM" else 0
    while data[at : at + 2] == b"\2\0":  # the file's own group, in explicit little endian always
        long = data[at + 4 : at + 6] in (b"OB", b"UN")
        length = struct.unpack_from("<I" if long else "<H", data, at + (8 if long else 6))[0]
        at += length + (12 if long else 8)
    if uid not in data[start:at]:
        return data
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflating.decompress(data[at:], MAX_INFLATED_BYTES + 1)
    if len(body) > MAX_INFLATED_BYTES:
        raise InputError(f"the DICOM file unpacks to more than {MAX_INFLATED_BYTES:,} bytes")
    explicit = EXPLICIT.encode().ljust(len(uid), b"\0")
    return data[:at].replace(uid, explicit) + body


def pixel_data(stream: io.BytesIO, syntax: str) -> bytes | None:
    """The bytes of Pixel Data, at which `stream` stands, or None where it stands elsewhere.

    Nothing that comes after is taken along. Raises EOFError where they are not all there: pydicom
    would warn, and go on.
    """
    order = ">" if syntax == BIG_ENDIAN else "<"
    if stream.read(4) != struct.pack(f"{order}HH", 0x7FE0, 0x0010):
        return None
    kind = b"OW" if syntax == IMPLICIT else stream.read(4)[:2]
    (length,) = struct.unpack(f"{order}I", stream.read(4))
    if (length == _UNDEFINED) != (syntax not in NATIVE):
        raise ValueError("PixelData")  # compressed means of undefined length, and the reverse
    if length != _UNDEFINED:
        data = stream.read(length)
        return _swapped(data) if order == ">" and kind == b"OW" else data
    start = stream.tell()
    while (tag := stream.read(4)) == _ITEM:
        (length,) = struct.unpack("<I", stream.read(4))
        stream.seek(length, io.SEEK_CUR)
    if tag != _SEQUENCE_END:
        raise EOFError
    end = stream.tell() - 4
    stream.seek(start)
    return stream.read(end - start)


def _swapped(data: bytes) -> bytes:
    """Bytes of 16-bit words in the other order."""
    words = array("H", data[: len(data) // 2 * 2])
    words.byteswap()
    return words.tobytes()
