"""Forty things that name a person, planted in DICOM files and in requests, and how to find them.

The names, numbers and dates are invented.
"""

import base64
import hashlib
import io
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom

from tests.dicoms import SYNTAXES, dicom_file
from tests.sample_images import picture

NAMES = (
    "Müller^Änne",
    "Größmann^Jörg",
    "Łukasiewicz^Żaneta",
    "Ødegård^Åse",
    "Nguyễn^Thị Hạnh",
    "Πετροπούλου^Ελένη",
    "Kowalczyk^Bronisława",
    "O'Shaughnessy^Caoimhe",
    "山田^太郎左衛門",
    "Zbigniewska^Quirinia",
)
IDS = tuple(f"PAT{number:03d}-{7919 * number + 40961:06d}" for number in range(1, 11))
DATES = tuple(f"19{30 + 4 * number}{1 + number % 9:02d}{11 + number}" for number in range(10))
UIDS = tuple(
    f"1.2.826.0.1.3680043.8.{498100 + 7 * number}.{90001 + number}" for number in range(10)
)
ALL = (*NAMES, *IDS, *DATES, *UIDS)

_CODECS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")


def patterns(identifier: str) -> set[bytes]:
    """Return every form in which an identifier could be written."""
    found: set[bytes] = set()
    for text in {identifier, identifier.lower(), identifier.upper(), *_parts(identifier)}:
        found.add(text.encode("unicode_escape"))
        found.add(urllib.parse.quote(text, safe="").encode())
        found.add(urllib.parse.quote_plus(text).encode())
        for codec in _CODECS:
            try:
                raw = text.encode(codec)
            except UnicodeEncodeError:
                continue
            found |= {raw, raw.hex().encode(), raw.hex().upper().encode()}
            found.add("".join(f"%{byte:02X}" for byte in raw).encode())
            found.add("".join(f"\\x{byte:02x}" for byte in raw).encode())
            found |= set(_base64(raw))
            for name in ("md5", "sha1", "sha256"):
                digest = hashlib.new(name, raw)
                found |= {digest.digest(), digest.hexdigest().encode()}
                found.add(digest.hexdigest().upper().encode())
                found.add(base64.b64encode(digest.digest()))
    return {each for each in found if len(each) > 5}


def _parts(identifier: str) -> Iterator[str]:
    """Yield the parts of a name by themselves; what is short would be found by chance."""
    if "^" in identifier:
        yield from (part for part in identifier.split("^") if len(part) > 5)


def _base64(raw: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of bytes, whatever stands before them: the middle of it."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            before, after = 8 * shift, 8 * (shift + len(raw))  # bits, of which a letter has 6
            yield encode(b"\0" * shift + raw)[-(-before // 6) : after // 6]


_PATTERNS = {identifier: patterns(identifier) for identifier in ALL}


def found_in(data: bytes) -> set[str]:
    """Return the identifiers of which some form is in the data."""
    return {
        identifier for identifier, forms in _PATTERNS.items() if any(form in data for form in forms)
    }


@dataclass
class Sent:
    """A file that names a person, and its name."""

    data: bytes
    name: str


def files(count: int = 100) -> Iterator[Sent]:
    """Yield DICOM files, of all transfer syntaxes, some of which can't be used."""
    for number in range(count):
        yield Sent(_file(number), f"{ALL[number % 40]}_{ALL[(number + 11) % 40]}.dcm")


def _file(number: int) -> bytes:
    name, patient = NAMES[number % 10], IDS[number // 2 % 10]
    date, uid = DATES[number // 3 % 10], UIDS[number // 4 % 10]
    pixels = picture(f"chest {number}", 96, 80)
    syntax = list(SYNTAXES.values())[number % len(SYNTAXES)]
    tags: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientName": name,
        "PatientID": patient,
        "OtherPatientIDs": IDS[(number + 1) % 10],
        "PatientBirthDate": date,
        "StudyDate": DATES[(number + 3) % 10],
        "SOPInstanceUID": uid,
        "StudyInstanceUID": UIDS[(number + 5) % 10],
        "InstitutionName": f"Klinik {NAMES[(number + 2) % 10]}",
        "StudyDescription": f"Thorax {name} {patient}",
        "PatientComments": f"{name}, born {date}",
        "ImageComments": uid,
    }
    wrong = number % 10
    if wrong == 3:
        tags["PhotometricInterpretation"] = patient
    elif wrong == 5:
        tags |= {"BodyPartExamined": patient, "ViewPosition": uid, "Modality": patient}
    elif wrong == 6:
        tags |= {"WindowCenter": date, "WindowWidth": date, "PixelSpacing": [date, "1"]}
    elif wrong == 7:
        tags |= {"VOILUTFunction": patient, "PresentationLUTShape": uid, "RescaleSlope": date}
    elif wrong == 8:
        tags["NumberOfFrames"] = date
    data = _with_private_tags(dicom_file(np.asarray(pixels), syntax, **tags), name, patient)
    if wrong == 4:  # the transfer syntax is a planted one
        data = data.replace(syntax.encode(), uid.encode()[: len(syntax)].ljust(len(syntax), b"0"))
    if wrong == 9:
        data = data[: len(data) // 2]
    return data


def _with_private_tags(data: bytes, name: str, patient: str) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(data))
    block = dataset.private_block(0x0011, f"MAKER {patient}", create=True)
    block.add_new(0x01, "LO", name)
    block.add_new(0x02, "UN", name.encode("utf-16-le"))
    block.add_new(0x03, "OB", patient.encode().ljust(32, b"\0"))
    written = io.BytesIO()
    pydicom.dcmwrite(written, dataset)
    return written.getvalue()


def form_of(sent: Iterable[Sent], border: str) -> bytes:
    """Return a form whose parts have the files' names, as a browser sends them."""
    parts = []
    for number, each in enumerate(sent):
        lines = (
            f"--{border}",
            f'Content-Disposition: form-data; name="{ALL[number % 40]}"; filename="{each.name}"',
            f"Content-Type: application/dicom; patient={IDS[number % 10]}",
        )
        parts.append("\r\n".join(lines).encode() + b"\r\n\r\n" + each.data + b"\r\n")
    return b"".join(parts) + f"--{border}--\r\n".encode()


def headers_naming(number: int) -> dict[str, str]:
    """Return headers as careless programs send them."""
    name = urllib.parse.quote(NAMES[number % 10])
    raw = NAMES[number % 10].encode().decode("latin-1")
    return {
        "User-Agent": f"viewer of {IDS[number % 10]}",
        "Referer": f"http://127.0.0.1/{name}",
        "Cookie": f"patient={IDS[number % 10]}; born={DATES[number % 10]}",
        "X-Patient-Name": raw,
        "X-Request-Id": UIDS[number % 10],
        "Traceparent": UIDS[number % 10],
        "Content-Disposition": f'attachment; filename="{raw}.dcm"',
    }
