"""The page that `dvc plots` fills, and the tables that evaluate writes for it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.metrics import curves
from tests.metrics.sample_images import answers

TEMPLATES = Path(__file__).parents[3] / ".dvc" / "plots"
CONFUSION = """\
plots:
  - Confusion:
      template: confusion_counts
      x: predicted
      y:
        confusion.csv: actual
  - ROC:
      template: simple
      x: fpr
      y:
        roc.csv: tpr
"""


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = (TEMPLATES / "offline.html").read_text(encoding="utf-8")
    assert page.count("{plot_divs}") == 1
    assert "{scripts}" not in page  # DVC would put links to its own copies there
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", page)
    assert "sourceMappingURL" not in page


@pytest.mark.slow
def test_dvc_fills_the_page(tmp_path: Path) -> None:
    def dvc(*arguments: str) -> None:
        command = [sys.executable, "-m", "dvc", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)

    dvc("init", "--no-scm", "--quiet")
    folder = tmp_path / ".dvc" / "plots"
    folder.mkdir()
    for template in TEMPLATES.iterdir():
        (folder / template.name).write_bytes(template.read_bytes())
    dvc("config", "plots.html_template", "plots/offline.html")
    (tmp_path / "dvc.yaml").write_text(CONFUSION)
    label, given = np.array([0, 0, 1, 1]), answers([0.1, 0.6, 0.7, 0.9], refused=[3])
    for name, text in curves.plot_tables(
        label, given, 0.5, 10, 0.5, ("intact", "fracture")
    ).items():
        (tmp_path / name).write_text(text)
    dvc("plots", "show", "--out", "plots")
    page = (tmp_path / "plots" / "index.html").read_text(encoding="utf-8")
    assert page.count("vegaEmbed('#") == 2
    for called in ("fracture", "refused"):
        assert f'"predicted": "{called}"' in page
    assert not re.search(r"<script[^>]*src", page)
