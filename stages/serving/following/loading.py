"""Load a version beside those that answer; its own code, from its own files.

A version of format 2 answers its own probe before it answers anybody (`serving.proof`).
"""

import gc
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.engine import devices
from stages.network.domain import LIMIT
from stages.registry.aliases import CHAMPION
from stages.registry.champion import Champion
from stages.registry.earlier_detector import EarlierDetector
from stages.registry.package_files import package_file
from stages.registry.sealed_package import FORMAT, POINT, SealedPackage, open_sealed
from stages.serving.following import model_facts, proof
from stages.serving.following.proof import Circumstances
from stages.serving.predictor import Predictor
from stages.serving.served import Answering, Preparer, ServedModel

PROBE = "artifacts/probe.zip"
SYNTHETIC = "trained on synthetic images: no prediction for patients"
_THREADS = 2
"""Where neither the version nor the user names a number."""


class Loader:
    """Loads versions into this process, whose devices the first one configures."""

    def __init__(self, key: Path | None = None, threads: int | None = None) -> None:
        """Set what holds for all versions.

        Args:
            key: File of the public keys of which one must have signed a version; None: unsigned
                ones are loaded too.
            threads: Intra-op threads of TensorFlow; None: those of the first version.
        """
        self.key = key
        self._threads, self._configured = threads, False

    def version(self, found: Champion, alias: str) -> ServedModel:
        """Check the files of a version, load it, and compare it with its record.

        Its cautions are those of the files alone; `labelled` adds those of the registry.

        Args:
            found: The version, with its files.
            alias: The alias that points at it.

        Raises:
            InputError: Its files are not those on record or not signed, or it does not answer as
                on record.
        """
        if not found.sealed:
            return self._earlier(found, alias)
        return self._sealed(
            found.open(self.key),
            name=found.name,
            version=found.version,
            alias=alias,
            commit=found.commit,
        )

    def folder(self, folder: Path) -> ServedModel:
        """Load a package from a folder, as `pneumonia model fetch` writes it.

        Raises:
            InputError: It is no package of format 2, is damaged or not signed, or does not answer
                as on record.
        """
        caution = (
            "read from a folder: its files are those that its own package.json lists, which no "
            "registry was asked about"
        )
        return self._sealed(
            open_sealed(folder, expected=None, key=self.key),
            name=folder.resolve().name,
            version=None,
            alias=None,
            commit=None,
            cautions=() if self.key else (caution,),
        )

    def file(
        self, path: Path, predictor: Predictor, classes: tuple[str, str], preparer: Preparer
    ) -> ServedModel:
        """Return a model file that is loaded already, with what is known of it.

        Args:
            path: The `.keras` file, with operating_point.json beside it.
            predictor: Made of it.
            classes: Names of the labels 0 and 1.
            preparer: How its images are prepared, by this project's own code.
        """
        point = model_facts.read_point(path.with_name("operating_point.json"))
        unjudged = "a model file: no version of a registry, and no figures are on record of it here"
        synthetic = (SYNTHETIC,) if predictor.synthetic else ()
        _warm_up(predictor.detector)
        return ServedModel(
            detector=predictor.detector,
            preparer=preparer,
            name=path.name,
            version=None,
            alias=None,
            format=FORMAT,
            model_digest=predictor.model,
            package_digest=None,
            commit=None,
            synthetic=predictor.synthetic,
            intended_use=predictor.use,
            cautions=(unjudged, *synthetic, *predictor.cautions),
            classes=classes,
            prior=point.prior,
            threshold=point.threshold,
            domain_limit=LIMIT,
        )

    def _sealed(
        self, package: SealedPackage, *, cautions: tuple[str, ...] = (), **of: Any
    ) -> ServedModel:
        facts = package.facts
        threads = (facts.get("processor") or {}).get("threads")
        self.configure(threads)
        detector = package.detector()
        judged = facts.get("processor") or {}
        record = Circumstances(judged.get("class"), judged.get("threads"))
        here = Circumstances(devices.instruction_set(), self._threads)
        differing = proof.differing(detector, package.folder / PROBE, record, here)
        proof.admit_short_batches(detector, package.folder / PROBE)
        synthetic = bool(facts["source"]["synthetic"])
        point = model_facts.read_point(package.folder / POINT)
        return ServedModel(
            detector=detector,
            preparer=_preparer(package),
            format=int(facts["format"]),
            model_digest=package.model_digest,
            package_digest=package.digest,
            synthetic=synthetic,
            intended_use=" ".join((facts["intended_use"] or "").split()) or None,
            cautions=(*cautions, *((SYNTHETIC,) if synthetic else ()), *differing),
            classes=model_facts.two(facts["classes"]),
            prior=point.prior,
            threshold=point.threshold,
            domain_limit=float(facts["refusal"]["limit"]),
            figures=model_facts.headline(facts["figures"]),
            domain_scores=model_facts.domain_scores(package.folder / "artifacts/reference.json"),
            folder=package.folder,
            facts=facts,
            place_matters=proof.place_matters(detector, package.folder / PROBE),
            **of,
        )

    def _earlier(self, found: Champion, alias: str) -> ServedModel:
        self.configure(None)
        detector = EarlierDetector(found, signed=self.key is not None)
        _warm_up(detector)
        synthetic = bool(detector.facts["source"]["synthetic"])
        of_model = (SYNTHETIC,) if synthetic else ()
        point = model_facts.read_point(package_file(found.package, "operating_point.json"))
        return ServedModel(
            detector=detector,
            preparer=None,
            name=found.name,
            version=found.version,
            alias=alias,
            format=1,
            model_digest=found.model_digest,
            package_digest=found.package_digest,
            commit=found.commit,
            synthetic=synthetic,
            intended_use=None,
            cautions=(*of_model, detector.caution),
            classes=model_facts.two(detector.classes),
            prior=point.prior,
            threshold=point.threshold,
            folder=found.package,
            facts=detector.facts,
        )

    def configure(self, threads: int | None) -> None:
        """Configure the devices, unless that is done: a process can do it once."""
        if not self._configured:
            self._threads = self._threads or threads or _THREADS
            devices.configure(self._threads)
            import keras  # noqa: F401

            # A full collection looks at the 400,000 objects of these libraries: 0.25 s of a
            # processor, in which nothing answers. What versions make is collected as ever.
            gc.collect()
            gc.freeze()
            self._configured = True


def labelled(model: ServedModel, found: Champion, alias: str) -> ServedModel:
    """Return a loaded version with what is on record of it.

    Args:
        model: The version, as `Loader.version` returned it.
        found: What is on record.
        alias: The alias that points at it.
    """
    of_alias = (
        f"{found} is at the alias `{alias}`, not `{CHAMPION}`: no gate has compared it with the "
        "version that answers",
    )
    return replace(
        model,
        name=found.name,
        version=found.version,
        package_digest=found.package_digest,
        commit=found.commit,
        cautions=(*(() if alias == CHAMPION else of_alias), *found.cautions, *model.cautions),
    )


def _preparer(package: SealedPackage) -> Preparer | None:
    """Return what decodes for a version elsewhere; None if its code has no such module."""
    name = str(package.facts["code"]["package"])
    with zipfile.ZipFile(io.BytesIO(package.code)) as archive:
        if f"{name}/network/preparing.py" not in archive.namelist():
            return None
    facts = package.facts
    return Preparer(name, package.code, dict(facts["pixels"]), facts["body_part"])


def _warm_up(detector: Answering) -> None:
    """Answer for a phantom, since the first answer takes seconds; a probe does the same."""
    from stages.sources.phantom.probe_images import probe_images

    pixels = detector.prepare(next(probe_images())[1]).pixels
    if pixels is not None:
        detector.answer(pixels[None])
