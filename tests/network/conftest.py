"""What the tests of this room bear with from the libraries."""

from pathlib import Path

import pytest

from stages.engine.devices import configure

configure(threads=2)

# Keras converts its variables by an older protocol of NumPy when it saves a model.
KERAS = "ignore:__array__ implementation:DeprecationWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(KERAS))
