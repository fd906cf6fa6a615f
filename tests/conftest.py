"""What holds for every test: no clock decides, not the machine's and not Hypothesis's, and MLflow waits to be asked."""

import os

from hypothesis import settings

settings.register_profile("proven", deadline=None)
settings.load_profile("proven")
# A test that looks at MLflow calls `sync`; the others do not pay for its import and its database.
os.environ["PROVEN_MLFLOW"] = "later"
