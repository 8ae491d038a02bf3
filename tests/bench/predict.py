"""Compare `pneumonia predict` with TensorFlow alone: `python -m tests.bench.predict`.

Prints the processor time (user and system) of the champion's answers for 1, 100 and 1,000 images
beside that of `import tensorflow` and of the bare road: Keras loads the same network, OpenCV
decodes and resizes, batches of 8, and none of this project's code. What is counted is processor
time, the least of the rounds, which take turns, so that other load matters little.

By default the champion is of the small pipeline, run and promoted in a temporary copy of this tree;
with --here, that of this repository, which must have one. Its images are phantoms of its raw data,
again and again where more are wanted (`--images 10000`).
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.settings import paths
from tests.workspace import ROOT, Workspace, copy_tree

TENSORFLOW = "import tensorflow"
BARE = """
import sys
import cv2, keras, numpy as np, tensorflow as tf

model = keras.saving.load_model(sys.argv[1], compile=False)
side = int(sys.argv[2])
forward = tf.function(lambda pixels: model(tf.cast(pixels[..., None], tf.float32), training=False))
names = open(sys.argv[3]).read().splitlines()
logits = []
for start in range(0, len(names), 8):
    images = [cv2.imread(name, cv2.IMREAD_GRAYSCALE) for name in names[start : start + 8]]
    size = (side, side)
    images = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    batch = np.stack(images + images[-1:] * (8 - len(images)))
    logits += forward(tf.constant(batch)).numpy()[: len(images), 0].tolist()
assert len(logits) == len(names)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.predict")
    parser.add_argument("--images", nargs="+", type=int, default=[1, 100, 1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--here", action="store_true", help="the champion of this repository")
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    columns = ["Images", "import tensorflow, s", "bare, s", "predict, s", "above tensorflow, s"]
    print(f"| {' | '.join([*columns, 'predict / bare'])} |")
    print("|---|---|---|---|---|---|")
    with champion(here=arguments.here) as workspace, tempfile.TemporaryDirectory() as folder:
        images = extract(workspace, Path(folder))
        for count in arguments.images:
            some = list(itertools.islice(itertools.cycle(images), count))
            report(workspace, some, arguments.rounds)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


@contextmanager
def champion(*, here: bool) -> Iterator[Workspace]:
    """Yield a repository with a champion."""
    if here:
        yield Workspace(ROOT)
        return
    with tempfile.TemporaryDirectory() as folder:
        workspace = copy_tree(Path(folder))
        workspace.run("dvc", "repro")
        workspace.commit()
        workspace.run("pneumonia", "promote")
        yield workspace


def extract(workspace: Workspace, folder: Path) -> list[str]:
    """Extract the test images of the workspace's raw data into `folder`."""
    with zipfile.ZipFile(workspace.folder / paths.RAW / "images.zip") as archive:
        names = [name for name in archive.namelist() if "/test/" in name]
        archive.extractall(folder, names)
    return [str(folder / name) for name in names]


def report(workspace: Workspace, images: list[str], rounds: int) -> None:
    """Print one row."""
    import yaml

    side = yaml.safe_load(workspace.text("params.yaml"))["preprocess"]["image_px"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(images))
        listed.flush()
        model = str(workspace.folder / paths.MODEL / "model.keras")
        commands = {
            "tensorflow": [sys.executable, "-c", TENSORFLOW],
            "bare": [sys.executable, "-c", BARE, model, str(side), listed.name],
            "predict": ["pneumonia", "predict", *images],
        }
        spent: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                spent[name].append(processor_seconds(workspace, command))
    least = {name: min(seconds) for name, seconds in spent.items()}
    above, ratio = least["predict"] - least["tensorflow"], least["predict"] / least["bare"]
    cells = [f"{least[name]:.2f}" for name in commands]
    print(f"| {len(images)} | {' | '.join(cells)} | {above:+.2f} | {ratio:.2f} |", flush=True)


def processor_seconds(workspace: Workspace, command: list[str]) -> float:
    """Run a command in the workspace; return user and system time of it and its children."""
    before = os.times()
    done = subprocess.run(
        command,
        cwd=workspace.folder,
        env=workspace.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    # 1 also means that an image was refused; an error prints no table.
    if done.returncode and not done.stdout:
        raise SystemExit(f"{command[0]}: {done.stderr}")
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


if __name__ == "__main__":
    main()
