"""Follow an alias: a thread looks at it, loads what it points at, and swaps one reference.

Whatever goes wrong, the version that answers goes on: with a registry that is down, with a version
that does not load, with an alias that was removed. Status and log say so.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from stages.engine.console import print_note
from stages.engine.errors import InputError
from stages.engine.printable import printable
from stages.registry.alias_source import AliasSource, RegistryDown
from stages.registry.champion import Champion
from stages.serving.following import version_files
from stages.serving.following.in_use import InUse
from stages.serving.following.kept import Kept, KeptVersion, Place
from stages.serving.following.loading import Loader, labelled
from stages.serving.following.reasons import in_public
from stages.serving.following.tries import Failure, at_once, failed
from stages.serving.seams import FollowerStatus
from stages.serving.served import ServedModel

_LONGEST_PAUSE_S = 30.0
"""Between two looks at a registry that is down."""
_DEFECT = "looking at the alias fails"
_STUCK_S = 30.0
"""After which a look that has no answer counts as none."""
T = TypeVar("T")


class AliasFollower:
    """The version at an alias, and each one that replaces it."""

    def __init__(
        self,
        source: AliasSource,
        kept: Kept,
        loader: Loader,
        *,
        poll_s: float,
        warm: Callable[[ServedModel], None] = lambda _: None,
        log: Callable[[str], None] = print_note,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to follow; nothing is asked or loaded yet.

        Args:
            source: The alias.
            kept: Where the last good version is kept.
            loader: Loads a version.
            poll_s: Seconds between two looks, at most.
            warm: Is called with a loaded version before it answers.
            log: Gets a line per event.
            clock: Seconds since 1970.
        """
        self._source, self._kept, self._loader = source, kept, loader
        self._poll_s, self._warm, self._write, self._clock = poll_s, warm, log, clock
        self._place = Place(source.store.address, source.name, source.alias)
        self._label = f"{source.name}@{source.alias}"
        self._current: ServedModel | None = None
        self._answering: KeptVersion | None = None
        self._loaded_model: ServedModel | None = None
        self._of_kept = self._kept_tried = self._moved_on = False
        self._failure: Failure | None = None
        self._missing = False
        self._down: RegistryDown | None = None
        self._last_poll: float | None = None
        self._asking_since: float | None = None
        self._looks_failed = self._loads = self._load_failures = 0
        self._in_use = InUse()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def current(self) -> ServedModel | None:
        """What answers a request that begins now; None while the first one loads."""
        return self._current

    def start(self) -> None:
        """Begin to load and to follow; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; a load that is under way is waited for a little."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def status(self) -> FollowerStatus:
        """How it stands."""
        asking, failure, down = self._asking_since, self._failure, self._down
        stuck = asking is not None and self._clock() - asking > _STUCK_S
        reason = "the registry does not answer" if stuck else down and down.reason
        missing = f"{self._label} points at no version" if self._missing else None
        return FollowerStatus(
            registry_up=None if self._last_poll is None and not reason else not reason,
            registry_reason=reason or missing,
            last_poll=self._last_poll,
            loads=self._loads,
            load_failures=self._load_failures,
            failed_version=None if failure is None else failure.version,
            failed_reason=None if failure is None else failure.reason,
            kept=self._of_kept,
        )

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._stopped.wait(self.turn())

    def turn(self) -> float:
        """Look once, load what is new, and return the seconds until the next look."""
        try:
            self._turn()
        except BaseException as error:  # noqa: BLE001  a defect must not end the thread
            self._not_heard(RegistryDown(_DEFECT, f"{type(error).__name__}: {error}"))
        if self._moved_on:
            return 0.0
        longest = max(self._poll_s, _LONGEST_PAUSE_S)
        pause: float = min(self._poll_s * 2 ** min(self._looks_failed, 8), longest)
        # Replicas that started together do not ask together.
        return pause * random.uniform(0.7, 1.0)

    def _turn(self) -> None:
        self._in_use.sweep()
        self._moved_on = False
        try:
            version = self._asked(self._source.version)
            self._heard(version)
            if version is not None and self._is_wanted(version):
                self._try(version)
        except RegistryDown as down:
            self._not_heard(down)
        if self._current is None and not self._kept_tried and not self._missing:
            self._kept_tried = True
            self._try_kept()

    def _asked(self, ask: Callable[[], T]) -> T:
        self._asking_since = self._clock()
        try:
            return ask()
        finally:
            self._asking_since = None

    def _heard(self, version: str | None) -> None:
        if self._down is not None:
            self._log(f"{self._label}: the registry answers again")
            self._failure = at_once(self._failure)
        self._down, self._looks_failed, self._last_poll = None, 0, self._clock()
        if self._failure is not None and self._failure.version != version:
            self._failure = None
        if (version is None) != self._missing:
            self._missing = version is None
            at = "no version" if version is None else f"version {version} again"
            self._log(f"{self._label}: the alias points at {at}{self._goes_on()}")

    def _not_heard(self, down: RegistryDown) -> None:
        if self._down is None:
            self._log(f"{self._label}: {down}{self._goes_on()}")
        self._down = down
        self._looks_failed += 1

    def _is_wanted(self, version: str) -> bool:
        failure, answering = self._failure, self._answering
        if failure and failure.version == version:
            return self._clock() >= failure.again
        return answering is None or answering.version != version or self._of_kept

    def _try(self, version: str) -> None:
        try:
            record = self._asked(lambda: self._source.record(version))
            found, files = version_files.fetch(self._source, record, self._kept, self._loader.key)
            loaded = self._loaded(found, files)
            if not self._has_moved_on(version):
                self._use(found, files, loaded)
        except RegistryDown:
            raise
        except BaseException as error:  # noqa: BLE001  a version may fail in any way
            self._fail(version, error)

    def _loaded(self, found: Champion, files: str) -> ServedModel:
        """Load a version; the one that answers is used again if it has the same files."""
        if self._loaded_model and self._answering and self._answering.files == files:
            return self._loaded_model
        model = self._in_use.loading(lambda: self._loader.version(found, self._source.alias))
        self._warm(model)
        return model

    def _has_moved_on(self, version: str) -> bool:
        """Whether the alias left a version while it was loaded, which then must not answer."""
        try:
            present = self._asked(self._source.version)
        except RegistryDown as down:
            self._not_heard(down)
            return False
        self._moved_on = present != version
        if self._moved_on:
            self._log(f"{self._label}: the alias left version {version} before that answered")
        return self._moved_on

    def _use(
        self, found: Champion, files: str, loaded: ServedModel, kept: KeptVersion | None = None
    ) -> None:
        """Let a version answer; `kept` is what is on disk of it where no registry was asked."""
        if loaded is not self._loaded_model:
            self._in_use.add(loaded.detector)
            self._loads += 1
        self._loaded_model = loaded
        # Requests that have started hold the one before.
        self._current = model = labelled(loaded, found, self._source.alias)
        self._of_kept = kept is not None
        self._failure = self._failure if self._of_kept else None
        self._answering = kept or version_files.kept_version(found, files, self._clock())
        self._log(f"{self._label}: {model} answers, digest {model.model_digest[:12]}")
        if kept is None:
            try:
                self._kept.note(self._place, self._answering)
            except (OSError, InputError) as error:
                self._log(f"{self._label}: the version can't be kept for a restart: {error}")

    def _fail(self, version: str, error: BaseException) -> None:
        now = self._clock()
        self._failure = failed(self._failure, version, in_public(error), now)
        self._load_failures += 1
        self._log(
            f"{self._label}: version {version} does not load: {error}{self._goes_on()}; tried "
            f"again in {self._failure.again - now:.0f} s"
        )

    def _try_kept(self) -> None:
        try:
            kept = self._kept.last(self._place)
            found = None if kept is None else version_files.last(kept, self._kept, self._loader.key)
            if kept is None or found is None:
                self._log(f"{self._label}: no version is kept here; waiting for the registry")
                return
            self._use(found, kept.files, self._loaded(found, kept.files), kept)
        except BaseException as error:  # noqa: BLE001  as above
            self._log(f"{self._label}: the kept version does not load: {error}")
            self._load_failures += 1

    def _log(self, text: str) -> None:
        self._write(printable(text))  # on one line, also with a file's name of several

    def _goes_on(self) -> str:
        return "; nothing answers" if self._current is None else f"; {self._current} goes on"
