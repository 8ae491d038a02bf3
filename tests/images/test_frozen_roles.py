"""data/roles.csv is written whole, names nobody, and is refused where anything in it is wrong."""

from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.images.frozen_roles import (
    NOTHING_FROZEN,
    ContradictionError,
    RecordedGroup,
    agrees,
    read_frozen_roles,
    read_recorded_groups,
)
from tests.workspace import NO_ROLES as HEADER

FOUND = [
    RecordedGroup("person7", False, "train"),
    RecordedGroup("person7", True, "test"),
    RecordedGroup("Åse, 4", False, "val_tail"),
    RecordedGroup("hospital/12", False, "val"),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "roles.csv"
    frozen = NOTHING_FROZEN.with_groups(FOUND)
    frozen.write(path)
    assert read_frozen_roles(path) == frozen
    lines = path.read_text().splitlines()
    assert lines[0] + "\n" == HEADER
    assert lines[1:] == sorted(lines[1:])
    assert len(lines) == 5
    assert not any("person7" in line or "12," in line for line in lines)
    again = tmp_path / "again.csv"
    NOTHING_FROZEN.with_groups(FOUND[::-1]).write(again)
    assert again.read_bytes() == path.read_bytes()


def test_golden_hash() -> None:
    # It moves only with the rule; then no frozen role is found any more.
    assert NOTHING_FROZEN.hash_of("person7") == "d1c3a28f73d74a8118b1"


def test_a_later_promotion_keeps_the_first_number() -> None:
    first = NOTHING_FROZEN.with_groups(FOUND[:2])
    second = first.with_groups(FOUND)
    assert [second.find("person7"), second.find("hospital/12")] == [("train", 1), ("val", 2)]
    assert second.with_groups(FOUND) == second
    with pytest.raises(ContradictionError, match="1 groups of data/shards are in another role"):
        second.with_groups([RecordedGroup("hospital/12", False, "test")])


def test_a_warning_where_most_frozen_groups_are_missing() -> None:
    frozen = NOTHING_FROZEN.with_groups(FOUND)
    assert frozen.describe(here=2, new=5) == [
        "roles: 4 groups of patients are frozen in data/roles.csv, 2 of them not here; 5 new ones"
    ]
    _, warning = frozen.describe(here=1, new=5)
    assert warning.startswith("warning: most frozen groups are not here. If these are other")
    _, warning = frozen.describe(here=3, new=5, new_sources=["nice", "rome"])
    assert warning.startswith("warning: 1 frozen groups are not here, and none is frozen of nice, ")
    assert len(frozen.describe(here=4, new=5, new_sources=["nice"])) == 1  # it was added
    assert NOTHING_FROZEN.describe(here=0, new=5) == []


def test_it_agrees_only_where_every_group_has_its_role() -> None:
    frozen = NOTHING_FROZEN.with_groups(FOUND)
    assert agrees(frozen, FOUND)
    assert not agrees(frozen, [*FOUND, RecordedGroup("new", False, "train")])
    assert not agrees(frozen, [RecordedGroup("person7", False, "val")])
    assert not agrees(NOTHING_FROZEN, FOUND)


def test_groups_are_read_from_records_under_their_own_names(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    path.write_text(
        "id,role,split_group,source_split\n"
        "a,train,p1,train\nb,test,p1,test\nc,val_tail,p3,train\nc,val_tail,p2,train\n"
        "c,val,p2,train\nc,val_matched,p2,train\nd,val_tail,p2,train\n"
    )
    assert read_recorded_groups(path, {"p9": "p1", "p8": "p2"}) == [
        ("p1", False, "train"),
        ("p1", True, "test"),
        ("p2", False, "val"),
        ("p3", False, "val_tail"),
        ("p8", False, "val"),
        ("p9", False, "train"),
    ]
    with pytest.raises(InputError, match=r"none\.csv: expected a file, found none"):
        read_recorded_groups(tmp_path / "none.csv", {})


KEY = "0123456789abcdef0123"
ROW, OTHER_ROW = f"{KEY},train,1,4a49f547", f"{KEY},val,1,1f78d823"
BAD = {
    "an empty file": ("", "received an empty file"),
    "another header": ("group,role\n", "columns group,role,since,check, received 'group,role'"),
    "another format": ('{"format": 2}\n', "columns group,role,since,check, received"),
    "a byte order mark": ("\ufeff" + HEADER, "expected the columns"),
    "no last line break": (HEADER + ROW, "its last line is cut off"),
    "an unknown role": (HEADER + f"{KEY},dev,1,0\n", "line 2: expected the role train, val"),
    "a name": (HEADER + "person7,train,1,0\n", "line 2: expected 20 digits 0-9a-f, received 'per"),
    "upper case": (HEADER + f"{ROW.upper()}\n", "line 2: expected 20 digits"),
    "a field less": (HEADER + f"{KEY},train,1\n", "line 2: expected 4 fields, received 3"),
    "a field more": (HEADER + f"{ROW},2\n", "line 2: expected 4 fields, received 5"),
    "an empty line": (HEADER + "\n", "line 2: expected 4 fields, received 1"),
    "no promotion": (HEADER + f"{KEY},train,0,0\n", "line 2: expected the number of a promotion"),
    "a group twice": (HEADER + f"{ROW}\n" * 2, f"line 3: expected each group once, .* {KEY}"),
    "a group in two roles": (
        f"{HEADER}{ROW}\n{OTHER_ROW}\n",
        "line 3: expected each group once, .* two roles, train and val",
    ),
    "another role": (
        HEADER + f"{ROW}\n".replace("train", "test"),
        "line 2: expected the checksum of what was frozen, received '4a49f547'",
    ),
    "another promotion": (HEADER + f"{ROW}\n".replace(",1,", ",2,"), "line 2: expected the check"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    text, problem = BAD[name]
    path = tmp_path / "roles.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=problem) as raised:
        read_frozen_roles(path)
    assert f"restore it by `git checkout {path}`" in str(raised.value)


@pytest.mark.parametrize("mark", ["<<<<<<< HEAD", "=======", ">>>>>>> other"])
def test_a_merge_conflict_is_named(mark: str, tmp_path: Path) -> None:
    path = tmp_path / "roles.csv"
    path.write_text(f"{HEADER}{ROW}\n{mark}\n")
    with pytest.raises(InputError, match="line 3 is a mark of a merge conflict") as raised:
        read_frozen_roles(path)
    assert "keep the lines of both sides" in str(raised.value)
    assert f"`git checkout HEAD {path}`" in str(raised.value)


def test_lines_of_two_branches_stand_together(tmp_path: Path) -> None:
    path, other = tmp_path / "roles.csv", tmp_path / "other.csv"
    NOTHING_FROZEN.with_groups(FOUND[:3]).write(path)
    NOTHING_FROZEN.with_groups(FOUND[3:]).write(other)
    path.write_text(path.read_text() + other.read_text().removeprefix(HEADER))
    assert read_frozen_roles(path) == NOTHING_FROZEN.with_groups(FOUND)


def test_a_missing_file_and_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "roles.csv"
    with pytest.raises(InputError, match="expected a file, found none; restore it"):
        read_frozen_roles(path)
    path.write_bytes(HEADER.encode() + b"\xff\n")
    with pytest.raises(InputError, match="expected text in UTF-8"):
        read_frozen_roles(path)


def test_line_ends_of_another_system_change_nothing(tmp_path: Path) -> None:
    path = tmp_path / "roles.csv"
    frozen = NOTHING_FROZEN.with_groups(FOUND)
    frozen.write(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_frozen_roles(path) == frozen
