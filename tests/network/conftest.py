"""Two threads for TensorFlow, and a warning of Keras that these tests ignore."""

from pathlib import Path

import pytest

from stages.engine.devices import configure

configure(threads=2)

# Keras saves a model through an older array protocol of NumPy.
KERAS = "ignore:__array__ implementation:DeprecationWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(KERAS))
