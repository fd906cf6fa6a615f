"""What holds for every test: no clock decides, neither of the machine nor of Hypothesis."""

from hypothesis import settings

settings.register_profile("proven", deadline=None)
settings.load_profile("proven")
