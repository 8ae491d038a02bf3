"""No damaged file is read as if it were intact."""

import pytest

from tests.mutations import campaign


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # keras, saving
def test_a_thousand_damaged_files_are_refused_or_read_correctly() -> None:
    table = campaign(1000, seed=1)
    assert sum(sum(counts.values()) for counts in table.values()) == 1000
    assert {what for counts in table.values() for what in counts} == {"refused", "right"}
