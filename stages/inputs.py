"""Stage `inputs`: what params name outside the repository, by content, in data/inputs.json.

The words of the section `task` stand there too: a params.yaml may leave them out, and DVC wants
every key that a stage depends on.
"""

from stages.engine.files import read_json, write_json
from stages.engine.stage import run
from stages.images.frozen_roles import read_frozen_roles
from stages.network.pretrained import published
from stages.settings import fetch_inputs, outside, params, paths


def main() -> None:
    """Check the whole of params.yaml, and data/roles.csv; then record digests of outside files."""
    everything = params.load()
    # Before DVC removes what preprocess wrote, or stops at a missing file without a remedy.
    read_frozen_roles(paths.ROLES)
    recorded = read_json(paths.INPUTS) if paths.INPUTS.exists() else {}
    published.prepare(everything.train, recorded.get("train", {}).get("weights"))
    memory = fetch_inputs.large_files()
    found = outside.record(everything, recorded, memory)
    memory.save()
    write_json(paths.INPUTS, {"format": outside.FORMAT, **found})


if __name__ == "__main__":
    run(main)
