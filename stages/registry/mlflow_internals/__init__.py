"""Everything that relies on what MLflow does not document: tables, page state, server behaviour.

After an upgrade of MLflow run `tests/registry/mlflow_internals`, then raise CHECKED_ON.
"""

CHECKED_ON = "3.17.2"
"""The version of MLflow that the modules of this package were checked on."""
