"""The root is found from anywhere, the same for an experiment in another folder."""

from pathlib import Path

from stages.engine.root import project_root


def test_dvc_root_is_used_in_any_folder(tmp_path: Path) -> None:
    assert project_root(Path("/"), {"DVC_ROOT": str(tmp_path)}) == tmp_path.resolve()


def test_the_root_is_found_from_a_folder_inside_it(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "docs").mkdir()
    assert project_root(tmp_path / "docs", {}) == tmp_path.resolve()


def test_an_experiments_folder_belongs_to_its_repository(tmp_path: Path) -> None:
    inside = tmp_path / ".dvc/tmp/exps/standalone/tmp1"
    (inside / ".dvc").mkdir(parents=True)
    assert project_root(inside, {}) == tmp_path.resolve()
