"""What holds for every test: no clock decides, not the machine's and not Hypothesis's, and MLflow waits to be asked."""

import os
import sys

import pytest
from hypothesis import settings

from tests.journeys.commands import warm

settings.register_profile("proven", deadline=None)
settings.load_profile("proven")
# A test that looks at MLflow calls `sync`; the others do not pay for its import and its database.
os.environ["PROVEN_MLFLOW"] = "later"


@pytest.fixture
def forked(monkeypatch):
    """Have the processes beside a run forked from one that has loaded what they need."""
    monkeypatch.setattr(sys, "executable", str(warm().launcher))


def pytest_configure(config):
    """Workers share the processes that commands are forked from, which take as long to load as to collect the tests."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        warm()


def pytest_xdist_auto_num_workers(config):
    """One worker more than processors: journeys wait for providers that answer late or not at all."""
    return (os.cpu_count() or 1) + 1
