"""Kill a pipeline at random moments and check what must hold after each kill."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.interruptions.tree import MARK, Member, left_after, members, send
from tests.workspace import Workspace, copy_tree

HOOK = Path(__file__).parent / "hook"
STAGES = ["inputs", "fetch", "preprocess", "train", "evaluate", "register"]
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]  # SIGKILL twice as often
FEW = {"fetch.phantom.patients_train": 24, "fetch.phantom.patients_test": 8, "train.epochs": 3}
_SHUTDOWN_S = 10.0  # the sidecar has 8 s to finish
_RUN_S = 900.0


@dataclass
class Reference:
    """An uninterrupted run, to compare with.

    Attributes:
        folder: Holds a copy of the repository before each stage.
        points: By stage, the points passed and how often (see `hook/sitecustomize.py`).
        seconds: By stage, how long it took.
        digests: SHA-256 of the files at the end.
        epochs: Number of epochs of a training.
    """

    folder: Path
    points: dict[str, Counter[str]]
    seconds: dict[str, float]
    digests: dict[str, str]
    epochs: int

    def before(self, stage: str) -> Path:
        return self.folder / f"before-{stage}"


@dataclass(frozen=True)
class Moment:
    """When to kill: at a point, a while after it, once a worker works, or at a time.

    Attributes:
        stage: The stage that is expected to run.
        point: Where a process pauses; "" for the other kinds.
        nth: At which occurrence of the point.
        worker: Whether to wait for a worker process instead.
        wait_s: Seconds to wait after that, or after the start.
    """

    stage: str
    point: str = ""
    nth: int = 0
    worker: bool = False
    wait_s: float = 0.0

    @property
    def timed(self) -> bool:
        return not self.point and not self.worker

    @property
    def running_stage(self) -> str:
        """The stage that passes the point: `inputs` runs first, whichever stage is expected."""
        role = self.point.partition(" ")[0]
        return role if role in STAGES else self.stage

    def __str__(self) -> str:
        event = f"{self.point} ({self.nth})" if self.point else "a worker" if self.worker else ""
        moment = f"{self.wait_s:.1f} s after {event or 'the start'}" if self.wait_s else event
        return f"{self.stage}: {moment}"


@dataclass
class Tally:
    """What happened in a campaign so far."""

    kills: int = 0
    points: set[str] = field(default_factory=set)
    signals: Counter[str] = field(default_factory=Counter)
    victims: Counter[str] = field(default_factory=Counter)
    shells: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    resumed: int = 0
    untrained: int = 0
    equal: int = 0
    cut_locks: int = 0
    removed_locks: int = 0
    emptied_runs: int = 0
    cut_rwlocks: int = 0
    longest_lost_s: float = 0.0

    def lines(self) -> list[str]:
        def listed(counts: Counter[str]) -> str:
            return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))

        return [
            f"kills: {self.kills}, at {len(self.points)} different points or at a random time; "
            f"the run survived {self.survived} of them",
            f"signals: {listed(self.signals)}",
            f"victims: {listed(self.victims)}",
            f"shells: {listed(self.shells)}",
            f"stages: {listed(self.stages)}",
            f"trainings that resumed after their last full epoch: {self.resumed}, "
            f"{self.resumed - self.untrained} of them in the middle, {self.untrained} with nothing "
            "left to train",
            f"rebuilds compared with an uninterrupted run: {self.equal}, all equal byte for byte",
            f"dvc.lock truncated: {self.cut_locks} times, {self.removed_locks} of them unreadable",
            f"empty folders removed from DVC's run cache: {self.emptied_runs}",
            f"truncated lists of locks of DVC removed: {self.cut_rwlocks}",
            f"longest time lost to a kill, since an epoch or a stage was saved: "
            f"{self.longest_lost_s:.1f} s",
        ]


def prepare(folder: Path, *, default: bool = False) -> Reference:
    """Run the pipeline once, stage by stage, with a copy of the repository before each."""
    workspace = copy_tree(folder / "reference")
    if default:
        workspace.run("git", "checkout-index", "--force", "--all")
        original = Path(__file__).parents[2] / "params.yaml"
        (workspace.folder / "params.yaml").write_bytes(original.read_bytes())
    else:
        workspace.params(FEW)
    # The committed lock is that of other params.
    (workspace.folder / "dvc.lock").unlink(missing_ok=True)
    workspace.commit()
    epochs = yaml.safe_load(workspace.text("params.yaml"))["train"]["epochs"]
    reference = Reference(folder, {}, {}, {}, epochs)
    for stage in STAGES:
        shutil.copytree(workspace.folder, reference.before(stage), symlinks=True)
        trace = folder / f"trace-{stage}"
        start = time.monotonic()
        environment = {"KILLS_TRACE": str(trace), **hooked(workspace, "reference")}
        workspace.run("dvc", "repro", stage, expect=0, seconds=_RUN_S, **environment)
        reference.seconds[stage] = time.monotonic() - start
        reference.points[stage] = Counter(trace.read_text(encoding="utf-8").splitlines())
    reference.digests = digests(workspace.folder)
    return reference


def hooked(workspace: Workspace, mark: str) -> dict[str, str]:
    """Return the environment that marks every process of a run and installs the hook."""
    return {
        "PYTHONPATH": f"{HOOK}{os.pathsep}{workspace.folder}",
        "KILLS_ROOT": str(workspace.folder),
        MARK: mark,
    }


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of dvc.lock and of every file under data/.

    Temporary files of a killed process are left out, as DVC and git ignore them.
    """
    paths = [folder / "dvc.lock", *(folder / "data").rglob("*")]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.is_file() and not (path.name.startswith(".") and path.suffix == ".tmp")
    }


class Rebuild:
    """One rebuild, which is killed several times and then finishes."""

    def __init__(
        self, reference: Reference, rng: random.Random, tally: Tally, log: Callable[[str], None]
    ) -> None:
        self.reference, self.rng, self.tally, self.log = reference, rng, tally, log
        first = rng.choice(STAGES[:-1])
        self.folder = reference.folder / "a killed rebuild"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(reference.before(first), self.folder, symlinks=True)
        self.workspace = Workspace(self.folder)

    def kill(self) -> bool:
        """Start the pipeline and kill it once; False where it ended before."""
        shell = self.rng.choice(["bash", "dash"])
        number = self.rng.choice(SIGNALS)
        target = self.rng.choice(["itself", "itself", "dvc", "stage", "worker", "sidecar", "group"])
        moment = self._draw_moment(target)
        stop = self.folder.with_name("stop.json")
        paused = stop.with_name("stop.json.here")
        paused.unlink(missing_ok=True)
        stop.write_text(json.dumps({"point": moment.point, "nth": moment.nth}))
        mark = f"{os.getpid()}-{self.tally.kills}"
        epochs = self._epochs()
        clock, lost_s = time.time(), 0.0
        with self._start(shell, mark, KILLS_STOP=str(stop)) as process:
            moment = self._wait_for(moment, process, mark, paused)
            at = int(paused.read_text()) if paused.exists() else 0
            if moment.wait_s:  # the paused process continues meanwhile
                paused.unlink(missing_ok=True)
                time.sleep(0.0 if moment.timed else moment.wait_s)
            reached = process.poll() is None
            if reached:
                kind = self._send_signal(mark, process.pid, at, target, number)
                lost_s = time.time() - max(clock, self._saved_at())
                paused.unlink(missing_ok=True)  # a paused process that is alive continues
            process.wait(_RUN_S)
        left = left_after(mark, _SHUTDOWN_S)
        for member in left:
            send(member.process, signal.SIGKILL)
        output = self._output()
        assert not left, f"{moment}: {number.name} to {target} left {left} alive\n{output}"
        self._check_resumed(output, epochs)
        if not reached:
            assert process.returncode == 0, f"{moment} was not reached\n{output}"
            return False
        tally = self.tally
        tally.kills += 1
        if moment.point and not moment.wait_s:
            tally.points.add(moment.point)
        tally.signals[number.name] += 1
        tally.victims[kind] += 1
        tally.shells[shell] += 1
        tally.stages[moment.running_stage] += 1
        tally.survived += process.returncode == 0
        tally.longest_lost_s = max(tally.longest_lost_s, lost_s)
        self.log(
            f"{tally.kills}: {number.name} to {kind} under {shell}, {moment}; "
            f"{lost_s:.1f} s lost, status {process.returncode}"
        )
        return process.returncode != 0

    def _draw_moment(self, target: str) -> Moment:
        """Draw a moment: mostly a point, by its name and then by its occurrence.

        Half of those in a training are where its epochs are saved. In a third of all cases the
        kill comes a while after the point.
        """
        stage = self._next()
        if self.rng.random() < 0.15:
            return Moment(stage, wait_s=self.rng.uniform(0.01, self.reference.seconds[stage]))
        delay_s = self.rng.uniform(0.01, self.reference.seconds[stage] / 20)
        if target == "worker" and stage in ("fetch", "preprocess"):
            return Moment(stage, worker=True, wait_s=delay_s)
        points = self.reference.points[stage]
        names = sorted(points)
        remaining = self.reference.epochs - self._epochs()
        if stage == "train" and remaining and self.rng.random() < 0.5:
            names = [name for name in names if name.endswith((".npz", ".npz.#.tmp"))]
            points = Counter(dict.fromkeys(names, remaining))
        point = self.rng.choice(names)
        nth = self.rng.randint(1, points[point])
        return Moment(stage, point, nth, wait_s=delay_s * (self.rng.random() < 1 / 3))

    def _wait_for(
        self, moment: Moment, process: "subprocess.Popen[bytes]", mark: str, paused: Path
    ) -> Moment:
        """Wait for a moment or the end of the run; return the moment as it came about."""
        start = time.monotonic()
        while process.poll() is None and not paused.exists():
            passed_s = time.monotonic() - start
            if moment.timed and passed_s > moment.wait_s:
                break
            if moment.worker and any(member.kind == "worker" for member in members(mark)):
                break
            if not moment.timed and self._past(moment.stage):
                # A resumed run passes fewer points and may need no worker.
                return Moment(moment.stage, wait_s=passed_s)
            assert passed_s < _RUN_S, f"hangs; was to stop at {moment}"
            time.sleep(0.04)
        return moment

    def finish(self) -> None:
        """Run to the end and compare every byte."""
        self._locked()
        epochs = self._epochs()
        with self._start("bash", "finish") as process:
            process.wait(_RUN_S)
        output = self._output()
        assert process.returncode == 0, output
        self._check_resumed(output, epochs)
        found = digests(self.folder)
        differing = {
            name
            for name in found.keys() | self.reference.digests.keys()
            if found.get(name) != self.reference.digests.get(name)
        }
        assert not differing, f"{sorted(differing)}\n{output}"
        self.tally.equal += 1
        self.log(f"rebuild {self.tally.equal}: equal, {len(found)} files")

    def _start(self, shell: str, mark: str, **environment: str) -> "subprocess.Popen[bytes]":
        self._clean_dvc()
        with self.folder.with_name("output.txt").open("wb") as out:
            return subprocess.Popen(
                ["dvc", "repro"],
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **self.workspace.environment(),
                    **hooked(self.workspace, mark),
                    **environment,
                    "SHELL": f"/bin/{shell}",
                    "PYTHONUNBUFFERED": "1",
                },
            )

    def _clean_dvc(self) -> None:
        """Remove what a kill can leave and DVC fails on (docs/interruptions.md).

        These are an empty folder in its run cache, and a truncated list of locks.
        """
        for run in (self.folder / ".dvc/cache/runs").glob("*/*"):
            if not any(run.iterdir()):
                run.rmdir()
                self.tally.emptied_runs += 1
        locks = self.folder / ".dvc/tmp/rwlock"
        try:
            json.loads(locks.read_text(encoding="utf-8"))
        except FileNotFoundError:
            pass
        except ValueError:
            locks.unlink()
            self.tally.cut_rwlocks += 1

    def _past(self, stage: str) -> bool:
        """Whether the running DVC has started a stage that comes after `stage`."""
        output = self._output()
        later = STAGES[STAGES.index(stage) + 1 :]
        return any(f"Running stage '{name}'" in output for name in later)

    def _output(self) -> str:
        return self.folder.with_name("output.txt").read_text(encoding="utf-8", errors="replace")

    def _next(self) -> str:
        """Return mostly the first stage that dvc.lock lacks, now and then the one after it."""
        done = self._locked()
        waiting = [stage for stage in STAGES if stage not in done] or ["register"]
        return waiting[min(len(waiting) - 1, self.rng.random() < 0.15)]

    def _locked(self) -> dict[str, object]:
        """Return the stages that dvc.lock has complete, and delete a file that DVC can't read.

        DVC rewrites the file in place, so a kill may truncate it; the user is advised to delete it.
        """
        lock = self.folder / "dvc.lock"
        if not lock.exists():
            return {}
        try:
            stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
            # `outs` comes last; `inputs` has neither deps nor params.
            whole = {name: stage for name, stage in stages.items() if "outs" in stage}
            if whole.keys() == stages.keys():
                return whole
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):
            whole = {}
        self.tally.cut_locks += 1
        dry_run = subprocess.run(  # the exit status of `dvc status` is 1 also for a valid file
            ["dvc", "repro", "--dry", "--quiet"],
            cwd=self.folder,
            capture_output=True,
            check=False,
            env=self.workspace.environment(),
        )
        if dry_run.returncode != 0:
            lock.unlink()
            self.tally.removed_locks += 1
        return whole

    def _send_signal(
        self, mark: str, dvc: int, at: int, target: str, number: signal.Signals
    ) -> str:
        """Send a signal to a process of the target's kind, or else to the paused one.

        Args:
            mark: Of the run's processes.
            dvc: Process id of DVC.
            at: Process id of the paused process; 0 if there is none.
            target: Kind of process, or "group".
            number: The signal.

        Returns:
            The kind of process that got it.
        """
        if target == "group":  # as Ctrl-C in a terminal does
            os.killpg(dvc, number)
            return "group"
        tree = members(mark)
        victims = [member for member in tree if member.kind == target]
        victims = victims or [member for member in tree if member.process == at]
        victim = self.rng.choice(victims or [Member(dvc, "dvc")])
        send(victim.process, number)
        return victim.kind

    def _epochs(self) -> int:
        """Return the number of full epochs that are saved."""
        names = [path.name for path in (self.folder / ".cache/train").glob("*/[0-9]*-*.npz")]
        return max((int(name.split("-")[0]) for name in names), default=0)

    def _saved_at(self) -> float:
        """Return when an epoch or a stage was last saved, in seconds since 1970; 0 for never."""
        saved = [self.folder / "dvc.lock", *(self.folder / ".cache/train").glob("*/[0-9]*-*.npz")]
        return max((path.stat().st_mtime for path in saved if path.exists()), default=0.0)

    def _check_resumed(self, output: str, epochs: int) -> None:
        """Check that a training resumed after its last full epoch and repeated none."""
        if "Running stage 'train'" not in output or not epochs:
            return
        trained = [int(number) for number in re.findall(r"^epoch (\d+)/\d+  ", output, flags=re.M)]
        found = re.search(r"resumed after epoch (\d+)", output)
        assert not trained or min(trained) == epochs + 1, f"{epochs} epochs were saved\n{output}"
        if found:
            assert int(found[1]) == epochs, f"{epochs} epochs were saved\n{output}"
            self.tally.resumed += 1
            self.tally.untrained += epochs == self.reference.epochs


def run(
    folder: Path,
    *,
    kills: int,
    seed: int,
    log: Callable[[str], None],
    default: bool = False,
    per_rebuild: int = 9,
) -> Tally:
    """Make `kills` kills, about `per_rebuild` in each rebuild, and compare each rebuild's end.

    Raises:
        AssertionError: Something that must not happen; the message has the run's whole output.
    """
    rng = random.Random(seed)
    log("an uninterrupted run, stage by stage")
    reference = prepare(folder, default=default)
    tally = Tally()
    while tally.kills < kills:
        rebuild = Rebuild(reference, rng, tally, log)
        until = min(kills, tally.kills + per_rebuild)
        while tally.kills < until and rebuild.kill():
            pass
        rebuild.finish()
    return tally
