import numpy as np
import pytest
from sklearn import metrics as library

from stages.metrics import curves
from stages.metrics.probability import ece
from tests.metrics.sample_images import answers, make

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
    called, refused = [False, True, False, True], [False, False, False, True]
    text = curves.confusion([0, 1, 1, 0], called, refused, CLASSES)
    assert text == (
        "actual,predicted\nintact,intact\nfracture,fracture\nfracture,intact\nintact,refused\n"
    )


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
    given = answers(PROBABILITY, refused=[3])
    first, again = (curves.plot_tables(LABEL, given, 0.5, 10, 0.5, CLASSES) for _ in "ab")
    assert first == again
    assert first["confusion.csv"].count(",refused\n") == 1
    assert first["roc.csv"] == curves.roc(LABEL, PROBABILITY)  # with the refused image
    assert sorted(first) == ["calibration.csv", "confusion.csv", "precision_recall.csv", "roc.csv"]
    assert first["roc.csv"].startswith("fpr,tpr,threshold\n0.000000,0.000000,1.000000\n")


def test_predictions_name_every_image() -> None:
    text = curves.predictions(RECORDS, answers(PROBABILITY, refused=[1]), 0.5)
    lines = text.splitlines()
    columns = "id,patient,kind,label,logit,probability,decision,domain_score,refused,split"
    assert lines[0] == columns
    assert len(lines) == 1 + len(LABEL)
    ids, patients = RECORDS["id"], RECORDS["patient"]
    stated = f"{ids[0]},{patients[0]},normal,0,0.000000,{PROBABILITY[0]:.6f}"
    assert lines[1] == f"{stated},{int(PROBABILITY[0] >= 0.5)},0.500000,0,test"
    stated = f"{ids[1]},{patients[1]},normal,0,0.000000,{PROBABILITY[1]:.6f}"
    assert lines[2] == f"{stated},,2.500000,1,test"
