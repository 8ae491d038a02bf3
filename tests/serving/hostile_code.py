"""A version's packaged code whose decoder does what an image asks for."""

import io
import zipfile

from stages.serving.served import Preparer

PACKAGE = "pneumonia_0123456789ab"
_OPTIONS = "from stages.images.options import PixelOptions\n"
_PREPARING = """
import os, signal, time
import numpy as np
from stages.network.preparing import Prepared, prepare_image as own

def prepare_image(image, pixels, body_part):
    if image.startswith(b"hang"):
        while True:
            pass
    if image.startswith(b"die"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if image.startswith(b"raise"):
        raise ZeroDivisionError("of DOE^JANE")
    if image.startswith(b"memory"):
        np.ones(1 << 40)
    if image.startswith(b"print"):
        os.write(1, b"DOE^JANE")
        os.write(2, b"DOE^JANE")
    if image.startswith(b"loaded"):
        import sys
        heavy = {"tensorflow", "keras", "mlflow", "pandas"} & set(sys.modules)
        return Prepared(None, f"loaded: {sorted(heavy)}")
    if image.startswith(b"sleep"):
        time.sleep(1)
    if image.startswith(b"limits"):
        import resource
        return Prepared(None, str(resource.getrlimit(resource.RLIMIT_CORE)))
    return own(image, pixels, body_part)
"""


def preparer(extra: str = "") -> Preparer:
    """Return how such a version decodes; `extra` code makes it another one."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for folder in ("", "network/", "images/"):
            archive.writestr(f"{PACKAGE}/{folder}__init__.py", "")
        archive.writestr(f"{PACKAGE}/images/options.py", _OPTIONS)
        archive.writestr(f"{PACKAGE}/network/preparing.py", _PREPARING + extra)
    return Preparer(PACKAGE, packed.getvalue(), {"image_px": 32, "aspect": "stretch"}, "CHEST")
