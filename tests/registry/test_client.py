"""The typed client has the methods and parameters of MLflow's."""

import inspect

import pytest

from stages.registry.client import Client

METHODS = [name for name in vars(Client) if not name.startswith("_")]


def test_every_method_is_listed() -> None:
    assert len(METHODS) > 30


@pytest.mark.parametrize("name", METHODS)
def test_a_method_exists_with_these_parameters(name: str, mlflow_imported: None) -> None:
    from mlflow import MlflowClient

    actual = inspect.signature(getattr(MlflowClient, name)).parameters
    expected = inspect.signature(getattr(Client, name)).parameters
    assert set(expected) <= set(actual)
    # Parameters that are passed by position stand in the same order.
    positional = [
        key for key, value in expected.items() if value.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert list(actual)[: len(positional)] == positional
    assert {
        key for key, value in actual.items() if value.default is inspect.Parameter.empty
    } <= set(expected)
