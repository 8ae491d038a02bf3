"""Section fetch in its two forms: one source, or a list of them."""

import copy
from typing import Any

import pytest
import yaml

from stages.engine.errors import InvalidSettings
from stages.settings import params
from stages.sources.options import SourceOptions
from tests.workspace import ROOT

TREE: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
PHANTOM = TREE["fetch"]["phantom"]
DRAWN = {"name": "drawn", "kind": "phantom", "phantom": PHANTOM}
LYON = {"name": "lyon", "kind": "archive", "path": "lyon.zip"}


def load(fetch: Any) -> params.Params:
    return params.check({**copy.deepcopy(TREE), "fetch": fetch})


def test_the_form_of_one_source_is_a_list_of_one_named_after_its_kind() -> None:
    (source,) = params.check(TREE).fetch.listed
    assert source == SourceOptions.model_validate({**DRAWN, "name": "phantom"})
    archive = {**TREE["fetch"], "source": "archive", "path": "a.zip", "labels": "b.csv"}
    (source,) = load(archive).fetch.listed
    assert (source.name, source.use, source.path, source.labels) == (
        "archive",
        "train",
        "a.zip",
        "b.csv",
    )
    assert source.phantom is None


def test_a_list_keeps_its_order_and_what_it_leaves_out_is_nothing() -> None:
    fetch = load({"sources": [LYON, {**DRAWN, "use": "judge"}]}).fetch
    assert [(each.name, each.use) for each in fetch.listed] == [
        ("lyon", "train"),
        ("drawn", "judge"),
    ]
    lyon = fetch.listed[0]
    assert (lyon.labels, lyon.url, lyon.sha256, lyon.hash_names) == (None, None, None, False)


@pytest.mark.parametrize(
    ("fetch", "message"),
    [
        ({**TREE["fetch"], "sources": [LYON]}, "fetch.sources: expected a list of sources or the "),
        ({"sources": []}, "fetch.sources: expected a list of 1 or more values, each a mapping"),
        ({"sources": None}, "fetch.sources: expected a list of 1 or more values, each a mapping"),
        ({"sources": ["lyon"]}, "fetch.sources[0]: expected a mapping with the keys name, kind"),
        (
            {"sources": [LYON], "same_patient": 1},
            "fetch: unknown key `same_patient`; did you mean `same_patients`",
        ),
        ({"sources": [LYON], "same_patients": ""}, "fetch.same_patients: expected the path of a"),
        ({"sources": [LYON, LYON]}, "fetch.sources: expected a different name for each source, re"),
        ({"sources": [{**LYON, "use": "judge"}]}, "fetch.sources: expected a source with use: tr"),
        ({"sources": [{**LYON, "use": "test"}]}, "fetch.sources[0].use: expected one of 'train'"),
        ({"sources": [{**LYON, "name": "Lyon"}]}, "fetch.sources[0].name: expected 1 to 40 of a-"),
        ({"sources": [{**LYON, "name": "a/b"}]}, "fetch.sources[0].name: expected 1 to 40 of a-z"),
        ({"sources": [{**LYON, "name": "-a"}]}, "fetch.sources[0].name: expected 1 to 40 of a-z,"),
        ({"sources": [{**LYON, "kind": "archiv"}]}, "fetch.sources[0].kind: expected one of 'pha"),
        ({"sources": [{**LYON, "pth": "a"}]}, "fetch.sources[0]: unknown key `pth`; did you mean"),
        ({"sources": [{**LYON, "path": None}]}, "fetch.sources[0].path: expected the path of an "),
        ({"sources": [{**LYON, "sha256": "1"}]}, "fetch.sources[0].sha256: expected 64 digits of"),
        ({"sources": [{**LYON, "phantom": PHANTOM}]}, "fetch.sources[0].phantom: expected no val"),
        ({"sources": [LYON, {**DRAWN, "path": "a"}]}, "fetch.sources[1].path: expected no value "),
        ({"sources": [{"name": "a", "kind": "phantom"}]}, "fetch.sources[0].phantom: the key is "),
        ({"sources": [{"kind": "kermany"}]}, "fetch.sources[0].name: the key is missing; add 1 t"),
        (
            {"sources": [{"name": "a", "kind": "kermany", "url": "https://h/f?sig=s3cr3t"}]},
            "fetch.sources[0].url: expected an address without user, password or key",
        ),
    ],
)
def test_a_wrong_list_is_named(fetch: Any, message: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        load(fetch)
    assert f"params.yaml: {message}" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
