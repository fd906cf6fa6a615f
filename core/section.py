"""The base of everything that a task file may say: a closed, frozen schema that a part declares beside its class."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section of a task file: unknown keys are mistakes, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
