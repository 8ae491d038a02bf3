"""Stage `register`: log the finished run in the tracking store and register its model.

DVC cannot look into a registry, so this stage always runs, and usually has nothing to add.
"""

from stages.engine.console import print_text
from stages.engine.files import write_json
from stages.engine.root import project_root
from stages.engine.stage import run
from stages.history import chain
from stages.history.finished import finished
from stages.registry.publish import publish
from stages.registry.store import find_store
from stages.settings import params, paths


def main() -> None:
    """Write data/release.json from the files alone, then publish the release.

    What lies here must be what dvc.lock and data/inputs.json record; DVC has written both.
    """
    everything = params.load()
    chain.require_closed()
    release = finished(everything)
    write_json(paths.RELEASE, release.facts())
    print_text(publish(release, find_store(project_root())))


if __name__ == "__main__":
    run(main)
