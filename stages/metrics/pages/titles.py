"""Titles of figures and baselines on pages, and which figures stand where."""

TITLES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "log_loss": "Log loss (nats)",
}
"""Title of each figure that stands at the top of a role's tree, in reading order."""

HEADLINES = ("auroc", "accuracy", "sensitivity", "specificity")
"""Figures of the README's table; `pneumonia verify` looks at these first."""

CHARTED = (
    "auroc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "brier",
    "log_loss",
    "ece",
)
"""Figures of which MLflow draws a chart, for each role. All others, and all intervals, are in the
run's `figures.html`: a chart of each would be 600 and more."""

BASELINE_TITLES = {
    "always_positive": "always positive",
    "always_pneumonia": "always positive",  # its key in records of earlier versions
    "encoding": "file encoding alone",
    "shape": "image size and shape alone",
    "frame": "outer frame alone",
    "thumbnail": "24 x 24 thumbnail, linear",
}
"""Title of each trivial baseline."""
