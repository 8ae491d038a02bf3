"""Stage `register`: log the finished run in the tracking store and register its model.

DVC cannot look into a registry, so this stage always runs, and usually has nothing to add.
"""

from stages.engine.file_memory import FileMemory
from stages.engine.files import read_json, sha256_file, write_json
from stages.engine.root import project_root
from stages.engine.stage import run
from stages.history import chain
from stages.history.finished import finished
from stages.registry.publish import publish
from stages.registry.store import find_store
from stages.settings import outside, params, paths


def main() -> None:
    """Write data/release.json from the files alone, then publish the release.

    What lies here must be what dvc.lock records; DVC has written it for every stage before.
    """
    everything = params.load()
    chain.require_closed()
    memory = FileMemory(project_root() / ".cache/inputs.json", sha256_file)
    outside.require_recorded(everything, read_json(paths.INPUTS), memory)
    release = finished(everything)
    write_json(paths.RELEASE, release.facts())
    print(publish(release, find_store(project_root())))


if __name__ == "__main__":
    run(main)
