"""Paths relative to the root of the repository.

Only stages, settings, history, studies and commands use them; other packages are given paths.
"""

from pathlib import Path

PARAMS = Path("params.yaml")
LOCK = Path("requirements.lock")
INPUTS = Path("data/inputs.json")
ROLES = Path("data/roles.csv")
RAW = Path("data/raw")
SHARDS = Path("data/shards")
AUDIT = Path("data/audit")
SOURCE = Path("data/source.json")
MODEL = Path("data/model")
TRAINED_WITH = MODEL / "trained_with.json"
VALIDATION = Path("data/validation.json")
REPORT = Path("data/report")
METRICS = REPORT / "metrics.json"
CARD = REPORT / "model_card.md"
RELEASE = Path("data/release.json")
CHECKPOINTS = Path(".cache/train")
PIXELS = Path(".cache/pixels")
