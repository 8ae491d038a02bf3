import numpy as np
import pytest
from sklearn import metrics as library

from stages.metrics import curves
from stages.metrics.probability import ece
from tests.metrics.sample_images import make

RECORDS, PROBABILITY = make(1, 60, 80)
RECORDS["role"] = "test"
LABEL = RECORDS["label"].to_numpy()
CLASSES = ("intact", "fracture")


def columns(text: str) -> np.ndarray:
    """The numbers of a CSV text, float64 (columns, rows)."""
    return np.array([line.split(",") for line in text.splitlines()[1:]], np.float64).T


def test_roc_equals_scikit_learns() -> None:
    fpr, tpr, threshold = columns(curves.roc(LABEL, PROBABILITY))
    expected = library.roc_curve(LABEL, PROBABILITY, drop_intermediate=False)
    np.testing.assert_allclose(fpr, expected[0], atol=1e-6)
    np.testing.assert_allclose(tpr, expected[1], atol=1e-6)
    np.testing.assert_allclose(threshold[1:], expected[2][1:], atol=1e-6)


def test_precision_and_recall_equal_scikit_learns() -> None:
    recall, precision, threshold = columns(curves.precision_recall(LABEL, PROBABILITY))
    expected = library.precision_recall_curve(LABEL, PROBABILITY)
    # The library adds a last point (0, 1) that no threshold reaches, and runs upwards.
    np.testing.assert_allclose(precision, expected[0][:-1][::-1], atol=1e-6)
    np.testing.assert_allclose(recall, expected[1][:-1][::-1], atol=1e-6)
    np.testing.assert_allclose(threshold, expected[2][::-1], atol=1e-6)


def test_long_curves_are_thinned_and_keep_ends_and_area() -> None:
    generator = np.random.default_rng(1)
    label = generator.integers(0, 2, 5000)
    probability = 1 / (1 + np.exp(-generator.normal(label * 2.0, 1.0)))
    fpr, tpr, _ = columns(curves.roc(label, probability))
    assert len(fpr) <= curves.MAX_POINTS
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
    assert abs(library.auc(fpr, tpr) - library.roc_auc_score(label, probability)) < 0.005


def test_the_confusion_table_has_one_row_per_image() -> None:
    text = curves.confusion([0, 1, 1], [False, True, False], CLASSES)
    assert text == "actual,predicted\nintact,intact\nfracture,fracture\nfracture,intact\n"


def test_reliability_bins_hold_every_image_once() -> None:
    prior = float(LABEL.mean())
    predicted, observed, perfect, images = columns(
        curves.reliability(LABEL, PROBABILITY, 10, prior)
    )
    assert images.sum() == len(LABEL)
    first = PROBABILITY < 0.1
    assert images[0] == first.sum()
    assert predicted[0] == pytest.approx(PROBABILITY[first].mean(), abs=1e-6)
    assert observed[0] == pytest.approx(LABEL[first].mean(), abs=1e-6)
    np.testing.assert_array_equal(perfect, predicted)
    error = float(images @ np.abs(predicted - observed)) / len(LABEL)
    once = np.ones((1, len(LABEL)))
    assert error == pytest.approx(ece(LABEL, PROBABILITY, once, 10)[0], abs=1e-6)


def test_tables_have_the_same_bytes_every_time() -> None:
    first, again = (curves.plot_tables(LABEL, PROBABILITY, 0.5, 10, 0.5, CLASSES) for _ in "ab")
    assert first == again
    assert sorted(first) == ["calibration.csv", "confusion.csv", "precision_recall.csv", "roc.csv"]
    assert first["roc.csv"].startswith("fpr,tpr,threshold\n0.000000,0.000000,1.000000\n")


def test_predictions_name_every_image() -> None:
    text = curves.predictions(RECORDS, np.zeros(len(LABEL), np.float32), PROBABILITY, 0.5)
    lines = text.splitlines()
    assert lines[0] == "id,patient,kind,label,logit,probability,decision,split"
    assert len(lines) == 1 + len(LABEL)
    first = RECORDS.iloc[0]
    assert lines[1] == (
        f"{first['id']},{first['patient']},normal,0,0.000000,{PROBABILITY[0]:.6f},"
        f"{int(PROBABILITY[0] >= 0.5)},test"
    )
