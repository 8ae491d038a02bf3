"""Rules for the decision threshold, compared on images that they were not fitted on."""

import numpy as np

from stages.network.operating_point import Pool
from stages.studies import thresholds


def _pool(seed: int, normal: float, patients: int = 300) -> Pool:
    """Logits of as many normals about `normal` as pneumonia images about 2, one image a patient."""
    rng = np.random.default_rng([seed])
    logits = np.concatenate([rng.normal(normal, 1, patients), rng.normal(2, 1, patients)])
    labels = np.repeat([0, 1], patients)
    return Pool(logits, labels, np.array([f"{label}-{n}" for n, label in enumerate(labels)]))


def test_where_the_normals_shift_the_pooled_rule_beats_the_random_one() -> None:
    pools = {"val": _pool(1, -2), "val_matched": _pool(2, -1), "val_tail": _pool(3, -0.5)}
    found = {name: thresholds.cross_fit(pools, rule) for name, rule in thresholds.RULES.items()}
    random, pooled = found["equal error, random normals"], found[list(found)[-1]]
    assert abs(random.sensitivity - random.specificity["val"]) < 0.02
    assert pooled.specificity["val_tail"] > random.specificity["val_tail"]
    assert abs(found["sensitivity 0.95"].sensitivity - 0.95) < 0.02
    strict = found["specificity 0.95, matched normals"]
    assert abs(strict.specificity["val_matched"] - 0.95) < 0.02
    assert strict.least == (strict.sensitivity + min(strict.specificity.values())) / 2


def test_no_image_is_judged_by_a_cut_that_it_helped_to_set() -> None:
    pool = _pool(1, -2, patients=50)
    pools = {"val": pool, "val_matched": pool}

    def highest(val: Pool, matched: Pool) -> float:
        assert set(val.patients) == set(matched.patients)
        return float(val.logits[val.labels == 0].max())

    found = thresholds.cross_fit(pools, highest)
    assert found.specificity["val"] < 1  # of the half it is fitted on, it calls every image normal


def test_the_table_has_one_row_per_rule_and_test_where_it_may_be_read() -> None:
    pools = {"val": _pool(1, -2, 60), "val_matched": _pool(2, -1, 60)}
    plain = thresholds.format_table(pools, None).splitlines()
    assert len(plain) == 2 + len(thresholds.RULES)
    assert plain[0].endswith("| Specificity, val_matched | Balanced accuracy, least |")
    stated = thresholds.format_table(pools, None, 0.9).splitlines()
    assert stated[:-1] == plain
    assert stated[-1].startswith("| sensitivity 0.9, train.decision_sensitivity | 0.")
    with_test = thresholds.format_table(pools, _pool(4, -1, 60)).splitlines()
    assert with_test[0].endswith("| test: sensitivity | specificity | balanced accuracy |")
    cut = float(with_test[2].split("|")[-3])
    assert cut == round(float(np.mean(_pool(4, -1, 60).logits[:60] < 0)), 3)
