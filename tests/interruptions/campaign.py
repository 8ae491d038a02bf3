"""Kills drawn from a seed, a rebuild at a time, and what must hold after each of them."""

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
STAGES = ["fetch", "preprocess", "train", "evaluate", "register"]
SIGNALS = [signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]  # SIGKILL twice as often
FEW = {"fetch.phantom.patients_train": 24, "fetch.phantom.patients_test": 8, "train.epochs": 3}
_ENDING_S = 10.0  # the sidecar has 8 s to finish
_RUN_S = 900.0


@dataclass
class Reference:
    """An uninterrupted run: the repository before each stage and at the end, and its points."""

    folder: Path
    points: dict[str, Counter[str]]
    seconds: dict[str, float]
    digests: dict[str, str]
    epochs: int

    def before(self, stage: str) -> Path:
        return self.folder / f"before-{stage}"


@dataclass(frozen=True)
class Moment:
    """When a kill comes: at a point, a while after it, once a worker works, or at a time.

    point, nth: where a process stands still; "" for the two others. wait_s: seconds after that,
    or after a worker was there, or after the start.
    """

    stage: str
    point: str = ""
    nth: int = 0
    worker: bool = False
    wait_s: float = 0.0

    @property
    def timed(self) -> bool:
        return not self.point and not self.worker

    def __str__(self) -> str:
        what = f"{self.point} ({self.nth})" if self.point else "a worker" if self.worker else ""
        wait = f"{self.wait_s:.1f} s after {what or 'the start'}" if self.wait_s else what
        return f"{self.stage}: {wait}"


@dataclass
class Tally:
    """What a campaign has seen so far."""

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
        def told(counts: Counter[str]) -> str:
            return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))

        return [
            f"kills: {self.kills}, at {len(self.points)} different points or at a drawn time; "
            f"{self.survived} of them the run outlived",
            f"signals: {told(self.signals)}",
            f"victims: {told(self.victims)}",
            f"shells: {told(self.shells)}",
            f"stages: {told(self.stages)}",
            f"trainings that carried on after their last full epoch: {self.resumed}, "
            f"{self.resumed - self.untrained} of them in the middle, {self.untrained} with nothing "
            "left to train",
            f"rebuilds compared with an uninterrupted run: {self.equal}, all equal byte for byte",
            f"dvc.lock cut off: {self.cut_locks} times, {self.removed_locks} of them unreadable",
            f"folders left empty in DVC's cache of runs, and removed: {self.emptied_runs}",
            f"DVC's list of locks cut off, and removed: {self.cut_rwlocks}",
            f"longest time lost to a kill, since an epoch or a stage was kept: "
            f"{self.longest_lost_s:.1f} s",
        ]


def prepare(folder: Path, *, default: bool = False) -> Reference:
    """Run the pipeline once, stage by stage, keeping the repository before each."""
    workspace = copy_tree(folder / "reference")
    if default:
        workspace.run("git", "checkout-index", "--force", "--all")
        original = Path(__file__).parents[2] / "params.yaml"
        (workspace.folder / "params.yaml").write_bytes(original.read_bytes())
    else:
        workspace.params(FEW)
    # What git or DVC have of the run of record is of no use here.
    (workspace.folder / "dvc.lock").unlink(missing_ok=True)
    workspace.commit()
    reference = Reference(folder, {}, {}, {}, yaml.safe_load(workspace.text("params.yaml"))
                          ["train"]["epochs"])  # fmt: skip
    for stage in STAGES:
        shutil.copytree(workspace.folder, reference.before(stage), symlinks=True)
        trace = folder / f"trace-{stage}"
        began = time.monotonic()
        workspace.run(
            "dvc", "repro", stage, expect=0, seconds=_RUN_S,
            KILLS_TRACE=str(trace), **hooked(workspace, "reference"),
        )  # fmt: skip
        reference.seconds[stage] = time.monotonic() - began
        reference.points[stage] = Counter(trace.read_text(encoding="utf-8").splitlines())
    reference.digests = digests(workspace.folder)
    return reference


def hooked(workspace: Workspace, mark: str) -> dict[str, str]:
    """The environment that has every process of a run marked, and its points heard."""
    return {
        "PYTHONPATH": f"{HOOK}{os.pathsep}{workspace.folder}",
        "KILLS_ROOT": str(workspace.folder),
        MARK: mark,
    }


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of dvc.lock and of every file under data/, but for what DVC and git pass over: the
    temporary files of a killed process."""
    paths = [folder / "dvc.lock", *(folder / "data").rglob("*")]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.is_file() and not (path.name.startswith(".") and path.suffix == ".tmp")
    }


class Rebuild:
    """One rebuild, killed several times and then let through."""

    def __init__(
        self, reference: Reference, draw: random.Random, tally: Tally, say: Callable[[str], None]
    ) -> None:
        self.reference, self.draw, self.tally, self.say = reference, draw, tally, say
        self.first = draw.choice(STAGES[:4])
        self.folder = reference.folder / "a rebuild, killed"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(reference.before(self.first), self.folder, symlinks=True)
        self.workspace = Workspace(self.folder)

    def kill(self) -> bool:
        """Start the pipeline and kill it once; False where it ended before."""
        shell = self.draw.choice(["bash", "dash"])
        number = self.draw.choice(SIGNALS)
        wish = self.draw.choice(["itself", "itself", "dvc", "stage", "worker", "live", "group"])
        moment = self._moment(wish)
        stop = self.folder.with_name("stop.json")
        here = stop.with_name("stop.json.here")
        here.unlink(missing_ok=True)
        stop.write_text(json.dumps({"point": moment.point, "nth": moment.nth}))
        mark = f"{os.getpid()}-{self.tally.kills}"
        epochs = self._epochs()
        clock, lost_s = time.time(), 0.0
        with self._start(shell, mark, KILLS_STOP=str(stop)) as process:
            moment = self._await(moment, process, mark, here)
            at = int(here.read_text()) if here.exists() else 0
            if moment.wait_s:  # whoever stands still goes on until then
                here.unlink(missing_ok=True)
                time.sleep(0.0 if moment.timed else moment.wait_s)
            reached = process.poll() is None
            if reached:
                kind = self._strike(mark, process.pid, at, wish, number)
                lost_s = time.time() - max(clock, self._kept_at())
                here.unlink(missing_ok=True)  # whoever stood still and lives on goes on
            process.wait(_RUN_S)
        left = left_after(mark, _ENDING_S)
        for member in left:
            send(member.process, signal.SIGKILL)
        said = self._said()
        assert not left, f"{moment}: {number.name} to {wish} left {left} alive\n{said}"
        self._check_resumed(said, epochs)
        if not reached:
            assert process.returncode == 0, f"{moment} was not reached\n{said}"
            return False
        tally = self.tally
        tally.kills += 1
        if moment.point and not moment.wait_s:
            tally.points.add(moment.point)
        tally.signals[number.name] += 1
        tally.victims[kind] += 1
        tally.shells[shell] += 1
        tally.stages[moment.stage] += 1
        tally.survived += process.returncode == 0
        tally.longest_lost_s = max(tally.longest_lost_s, lost_s)
        self.say(f"{tally.kills}: {number.name} to {kind} under {shell}, {moment}; "
                 f"{lost_s:.1f} s lost, status {process.returncode}")  # fmt: skip
        return process.returncode != 0

    def _moment(self, wish: str) -> Moment:
        """Mostly a point, drawn by its name and then by its occurrence; half of those of a
        training are where its epochs are kept, and a third of all are only where the wait begins.
        """
        stage = self._next()
        if self.draw.random() < 0.15:
            return Moment(stage, wait_s=self.draw.uniform(0.01, self.reference.seconds[stage]))
        while_s = self.draw.uniform(0.01, self.reference.seconds[stage] / 20)
        if wish == "worker" and stage in ("fetch", "preprocess"):
            return Moment(stage, worker=True, wait_s=while_s)
        points = self.reference.points[stage]
        names = sorted(points)
        waiting = self.reference.epochs - self._epochs()
        if stage == "train" and waiting and self.draw.random() < 0.5:
            names = [name for name in names if name.endswith((".npz", ".npz.#.tmp"))]
            points = Counter(dict.fromkeys(names, waiting))
        point = self.draw.choice(names)
        nth = self.draw.randint(1, points[point])
        return Moment(stage, point, nth, wait_s=while_s * (self.draw.random() < 1 / 3))

    def _await(
        self, moment: Moment, process: "subprocess.Popen[bytes]", mark: str, here: Path
    ) -> Moment:
        """Wait until it has come, or the run has ended; the moment that it then was."""
        began = time.monotonic()
        while process.poll() is None and not here.exists():
            passed_s = time.monotonic() - began
            if moment.timed and passed_s > moment.wait_s:
                break
            if moment.worker and any(one.kind == "worker" for one in members(mark)):
                break
            if not moment.timed and self._past(moment.stage):
                # A carried-on run passes fewer points, and may need no worker.
                return Moment(moment.stage, wait_s=passed_s)
            assert passed_s < _RUN_S, f"hangs, asked to stop at {moment}"
            time.sleep(0.04)
        return moment

    def let_through(self) -> None:
        """Run to the end and compare every byte."""
        self._locked()
        epochs = self._epochs()
        with self._start("bash", "through") as process:
            process.wait(_RUN_S)
        said = self._said()
        assert process.returncode == 0, said
        self._check_resumed(said, epochs)
        found = digests(self.folder)
        differing = {
            name
            for name in found.keys() | self.reference.digests.keys()
            if found.get(name) != self.reference.digests.get(name)
        }
        assert not differing, f"{sorted(differing)}\n{said}"
        self.tally.equal += 1
        self.say(f"rebuild {self.tally.equal}: equal, {len(found)} files")

    def _start(self, shell: str, mark: str, **environment: str) -> "subprocess.Popen[bytes]":
        self._sweep()
        out = self.folder.with_name("said.txt").open("wb")
        with out:
            return subprocess.Popen(
                ["dvc", "repro"], cwd=self.folder, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True,
                env=self.workspace.environment() | hooked(self.workspace, mark) | environment
                | {"SHELL": f"/bin/{shell}", "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    def _sweep(self) -> None:
        """As docs/interruptions.md has it: DVC fails over a folder that a kill left empty in its
        cache of runs, and over a list of locks that a kill cut off."""
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
        said = self._said()
        later = STAGES[STAGES.index(stage) + 1 :]
        return any(f"Running stage '{name}'" in said for name in later)

    def _said(self) -> str:
        return self.folder.with_name("said.txt").read_text(encoding="utf-8", errors="replace")

    def _next(self) -> str:
        """Mostly the first stage that dvc.lock doesn't have, now and then the one after it."""
        done = self._locked()
        waiting = [stage for stage in STAGES if stage not in done] or ["register"]
        return waiting[min(len(waiting) - 1, self.draw.random() < 0.15)]

    def _locked(self) -> dict[str, object]:
        """The stages that dvc.lock has whole. DVC rewrites that file in place, so a kill may cut it
        off; where DVC then can't read it, what its user does is done here: it goes."""
        lock = self.folder / "dvc.lock"
        if not lock.exists():
            return {}
        try:
            stages = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
            parts = {"cmd", "deps", "params", "outs"}
            whole = {name: stage for name, stage in stages.items() if parts <= stage.keys()}
            if whole.keys() == stages.keys():
                return whole
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):
            whole = {}
        self.tally.cut_locks += 1
        asked = subprocess.run(  # `dvc status` ends with 1 both here and where it can read it
            ["dvc", "repro", "--dry", "--quiet"], cwd=self.folder, capture_output=True, check=False,
            env=self.workspace.environment(),
        )  # fmt: skip
        if asked.returncode != 0:
            lock.unlink()
            self.tally.removed_locks += 1
        return whole

    def _strike(
        self, mark: str, dvc: int, at: int, wish: str, number: signal.Signals
    ) -> str:  # fmt: skip
        """Send the signal to whom was wished for, or where there is none, to who stands still."""
        if wish == "group":  # as Ctrl-C in a terminal does
            os.killpg(dvc, number)
            return "group"
        tree = members(mark)
        victims = [member for member in tree if member.kind == wish]
        victims = victims or [member for member in tree if member.process == at]
        victim = self.draw.choice(victims or [Member(dvc, "dvc")])
        send(victim.process, number)
        return victim.kind

    def _epochs(self) -> int:
        """Full epochs that the next training has to start from."""
        names = [path.name for path in (self.folder / ".cache/train").glob("*/[0-9]*-*.npz")]
        return max((int(name.split("-")[0]) for name in names), default=0)

    def _kept_at(self) -> float:
        """When an epoch or a stage was last kept, as time.time() has it; 0 if none was."""
        kept = [self.folder / "dvc.lock", *(self.folder / ".cache/train").glob("*/[0-9]*-*.npz")]
        return max((path.stat().st_mtime for path in kept if path.exists()), default=0.0)

    def _check_resumed(self, said: str, epochs: int) -> None:
        """Where training began, it went on after its last full epoch, and repeated none."""
        if "Running stage 'train'" not in said or not epochs:
            return
        trained = [int(number) for number in re.findall(r"^epoch (\d+)/\d+  ", said, flags=re.M)]
        found = re.search(r"resumed after epoch (\d+)", said)
        assert not trained or min(trained) == epochs + 1, f"{epochs} epochs were kept\n{said}"
        if found:
            assert int(found[1]) == epochs, f"{epochs} epochs were kept\n{said}"
            self.tally.resumed += 1
            self.tally.untrained += epochs == self.reference.epochs


def run(
    folder: Path,
    *,
    kills: int,
    seed: int,
    say: Callable[[str], None],
    default: bool = False,
    per_rebuild: int = 9,
) -> Tally:
    """Make `kills` kills, about `per_rebuild` in each rebuild; every rebuild ends equal.

    Raises AssertionError, with all that the run said, at the first thing that must not be.
    """
    draw = random.Random(seed)
    say("an uninterrupted run, stage by stage")
    reference = prepare(folder, default=default)
    tally = Tally()
    while tally.kills < kills:
        rebuild = Rebuild(reference, draw, tally, say)
        until = min(kills, tally.kills + per_rebuild)
        while tally.kills < until and rebuild.kill():
            pass
        rebuild.let_through()
    return tally
