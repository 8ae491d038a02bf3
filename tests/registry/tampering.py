"""Ways to change the files of a stored version, as who may write to the store could.

Code that is put into a version creates the file MARKER names, so that a test sees whether it ran.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

from stages.registry import signature, signing_key
from stages.registry.digests import package_model_digest
from stages.registry.sealed_package import CODE, DOMAIN, MODEL, PACKAGE, POINT
from stages.registry.signature import SIGNATURE

MARKER = "PNEUMONIA_TEST_MARKER"
"""Environment variable with the path of the file."""

_RUN = f"""
import os
open(os.environ[{MARKER!r}], "a").close()
"""

Change = Callable[[Path], None]
"""Changes the files of a version in a folder."""


def code(folder: Path) -> None:
    """Add a line to the module that decides."""
    archive = folder / CODE
    with zipfile.ZipFile(archive) as opened:
        texts = {name: opened.read(name) for name in opened.namelist()}
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as opened:
        for name, text in texts.items():
            opened.writestr(name, _RUN.encode() + text if name.count("/") == 1 else text)
    archive.write_bytes(changed.getvalue())


def consistently(change: Change) -> Change:
    """Return `change` with the new checksums and the new model digest in package.json."""

    def changed(folder: Path) -> None:
        change(folder)
        manifest = folder / PACKAGE
        content = json.loads(manifest.read_text())
        for name in content["files"]:
            data = (folder / name).read_bytes()
            content["files"][name] = hashlib.sha256(data).hexdigest()
        model, point, domain = (content["files"][name] for name in (MODEL, POINT, DOMAIN))
        content["model_digest"] = package_model_digest(
            model, point, domain, content["pixels"], content["code"]["digest"]
        )
        manifest.write_text(json.dumps(content))

    return changed


def entry(folder: Path) -> None:
    """Add a line to the file that MLflow runs."""
    _prepend(folder / "pyfunc_model.py")


def entry_without_checks(folder: Path) -> None:
    """Put another file in the place of the one that MLflow runs."""
    (folder / "pyfunc_model.py").write_text(
        f"import mlflow\n{_RUN}\n"
        "class Answer(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, model_input):\n"
        "        return ['pneumonia'] * len(model_input)\n"
        "mlflow.models.set_model(Answer())\n"
    )


def other_entry(folder: Path) -> None:
    """Name another file in MLmodel, and add it."""
    entry_without_checks(folder)
    (folder / "pyfunc_model.py").rename(folder / "other.py")
    (folder / "pyfunc_model.py").write_text("")
    model = folder / "MLmodel"
    model.write_text(model.read_text().replace("pyfunc_model.py", "other.py"))


def figures(folder: Path) -> None:
    """Change a figure in package.json, and nothing else."""
    manifest = folder / PACKAGE
    content = json.loads(manifest.read_text())
    content["figures"]["test"]["auroc"]["value"] = 1.0
    manifest.write_text(json.dumps(content))


def flipped(name: str) -> Change:
    """Return the change of one bit of a file."""

    def changed(folder: Path) -> None:
        path = folder / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))

    return changed


def added(folder: Path) -> None:
    """Add a module that would be found before Python's own."""
    (folder / "artifacts/json.py").write_text(_RUN)


def removed(folder: Path) -> None:
    (folder / "model_card.md").unlink()


def link(folder: Path) -> None:
    """Put a link to a file outside in the place of a file."""
    outside = folder.parent / "outside.md"
    outside.write_text("another card\n")
    (folder / "model_card.md").unlink()
    (folder / "model_card.md").symlink_to(outside)


def unsigned(folder: Path) -> None:
    (folder / SIGNATURE).unlink()


def signed_by_another_key(folder: Path) -> None:
    private = folder.parent / "another.key"
    if not private.exists():
        signing_key.create(private, {})
    key = signing_key.read(private, {})
    (folder / SIGNATURE).write_bytes(signature.sign((folder / PACKAGE).read_bytes(), key))


def signature_changed(folder: Path) -> None:
    content = json.loads((folder / SIGNATURE).read_text())
    content["signature"] = content["signature"].swapcase()
    (folder / SIGNATURE).write_text(json.dumps(content))


def nothing(folder: Path) -> None:
    """Change nothing: what is refused after this is refused for another reason."""


def _prepend(path: Path) -> None:
    path.write_text(_RUN + path.read_text())


FILES: dict[str, Change] = {
    "code": code,
    "code, and package.json to match": consistently(code),
    "model": flipped("artifacts/model.keras"),
    "model, and package.json to match": consistently(flipped("artifacts/model.keras")),
    "operating point": flipped("artifacts/operating_point.json"),
    "domain": flipped("artifacts/domain.npz"),
    "package.json": figures,
    "MLmodel, naming another entry": other_entry,
    "pyfunc_model.py": entry,
    "pyfunc_model.py, without its checks": entry_without_checks,
    "model card": flipped("model_card.md"),
    "a file added": added,
    "a file removed": removed,
    "a file replaced by a link": link,
}
"""Changes that a recorded digest shows."""

SIGNATURES: dict[str, Change] = {
    "signature removed": unsigned,
    "signature changed": signature_changed,
    "signature by another key": signed_by_another_key,
}
"""Changes that only a public key shows."""
