"""Field types: what a task file may say about a field of each type, what the model is told, how it is compared."""

# pyright: reportIncompatibleVariableOverride=false
# Sections are frozen, so that a subclass may narrow the type of a key.

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic
from pydantic import AfterValidator, Field, model_validator

from core.catalog import Catalog, did_you_mean
from core.section import ChosenBy, Section
from metrics.comparators import COMPARATORS, Comparator


def _known(name: str) -> str:
    if name not in COMPARATORS:
        hint = did_you_mean(name, COMPARATORS.names)
        raise ValueError(f"allowed: {', '.join(COMPARATORS.names)}{f' ({hint})' if hint else ''}")
    return name


ComparatorName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*COMPARATORS.names]})]


class FieldSpec(Section):
    """What every output field may say, whatever its type.

    A type is a subclass: its keys, ``compared_by`` (the comparator that it has where none is named), the Python type
    that the model is asked for, and its closed set of values where it has one.
    """

    compared_by: ClassVar[str]

    type: str
    description: str = ""
    weight: float = Field(default=1.0, gt=0, description="How much the field counts in the mean.")
    comparator: ComparatorName | None = Field(default=None, description="How it is compared; follows from the type.")

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        self.comparison()
        return self

    def comparison(self) -> Comparator:
        """The comparator that is named, else the natural one, with its settings.

        Raises:
            ValueError: If the comparator needs a key that the field does not have.
        """
        return COMPARATORS.get(self.comparator or self.compared_by).of(self)

    def annotation(self, title: str) -> Any:
        """The Python type that is declared to the model; ``title`` names a type that has to be made."""
        raise NotImplementedError

    @property
    def values(self) -> tuple[str, ...] | None:
        """The closed set of values, as text; None where any value may come."""
        return None

    def refused(self, value: Any) -> Any | None:
        """The part of a gold value that the field cannot hold; None when it holds all of it. Null is no value."""
        return None


class TextField(FieldSpec):
    """Free text, compared by its words."""

    compared_by: ClassVar[str] = "text"

    type: Literal["text"] = "text"

    def annotation(self, title: str) -> Any:
        """Text."""
        return str


class CategoricalField(FieldSpec):
    """One of some labels."""

    compared_by: ClassVar[str] = "categorical"

    type: Literal["categorical"]
    labels: tuple[str, ...] | None = Field(default=None, description="Allowed values of a categorical field.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("labels are repeated")
        return self

    def annotation(self, title: str) -> Any:
        """The labels, or text where there are none."""
        return Literal[self.labels] if self.labels else str

    @property
    def values(self) -> tuple[str, ...] | None:
        """The labels."""
        return self.labels or None

    def refused(self, value: Any) -> Any | None:
        """A value that is not one of the labels."""
        return value if self.labels and value is not None and value not in self.labels else None


class BooleanField(FieldSpec):
    """A truth value."""

    compared_by: ClassVar[str] = "boolean"

    type: Literal["boolean"]

    def annotation(self, title: str) -> Any:
        """Truth value."""
        return bool

    @property
    def values(self) -> tuple[str, ...] | None:
        """Both."""
        return ("False", "True")


class NumberField(FieldSpec):
    """A number."""

    compared_by: ClassVar[str] = "number"

    type: Literal["number"]
    tolerance: float | None = Field(default=None, ge=0, description="Allowed absolute difference of a number.")

    def annotation(self, title: str) -> Any:
        """Number."""
        return float


class DateField(FieldSpec):
    """A calendar day."""

    compared_by: ClassVar[str] = "date"

    type: Literal["date"]

    def annotation(self, title: str) -> Any:
        """Text."""
        return str


class ArrayField(FieldSpec):
    """A list of texts, compared as a set."""

    compared_by: ClassVar[str] = "set_jaccard"

    type: Literal["array"]
    item_labels: tuple[str, ...] | None = Field(default=None, description="Allowed elements of an array.")

    def annotation(self, title: str) -> Any:
        """List of the labels, or of texts."""
        return list[Literal[self.item_labels]] if self.item_labels else list[str]  # type: ignore[valid-type]

    def refused(self, value: Any) -> Any | None:
        """The first element that is not one of the labels."""
        items = value if isinstance(value, list) else [] if value is None else [value]
        return next((item for item in items if self.item_labels and item not in self.item_labels), None)


class RecordsField(FieldSpec):
    """A list of records, matched one to one."""

    compared_by: ClassVar[str] = "records"

    type: Literal["records"]
    fields: dict[str, AnyField] = Field(default_factory=dict, description="Fields of each record, for type records.")

    def annotation(self, title: str) -> Any:
        """List of a record type made of the fields."""
        fields: dict[str, Any] = {key: (spec.annotation(key), ...) for key, spec in self.fields.items()}
        record = pydantic.create_model(class_name(title), **fields)
        return list[record]  # type: ignore[valid-type]

    def refused(self, value: Any) -> Any | None:
        """The first value in a record that its field cannot hold."""
        records = [record for record in value if isinstance(record, dict)] if isinstance(value, list) else []
        found = (spec.refused(record.get(key)) for record in records for key, spec in self.fields.items())
        return next((part for part in found if part is not None), None)


def class_name(title: str) -> str:
    """A field's or task's name as the name of a class."""
    return "".join(part.capitalize() for part in re.split(r"[-_]", title)) or "Record"


@dataclass(frozen=True)
class FieldType:
    """A type that a field may have; ``section`` is what a task file may say about such a field."""

    name: str
    summary: str
    section: type[FieldSpec]


FIELD_TYPES: Catalog[FieldType] = Catalog(
    "field type",
    (
        FieldType("text", "free text, compared by its words", TextField),
        FieldType("categorical", "one of some labels, compared by equality", CategoricalField),
        FieldType("boolean", "a truth value", BooleanField),
        FieldType("number", "a number, equal within a tolerance", NumberField),
        FieldType("date", "a calendar day", DateField),
        FieldType("array", "a list of texts, compared as a set", ArrayField),
        FieldType("records", "a list of records, compared under the best matching", RecordsField),
    ),
)
AnyField = Annotated[FieldSpec, ChosenBy("type", FIELD_TYPES, "text")]
RecordsField.model_rebuild()


def _known_type(name: str) -> str:
    if name not in FIELD_TYPES:
        hint = did_you_mean(name, FIELD_TYPES.names)
        raise ValueError(f"allowed: {', '.join(FIELD_TYPES.names)}{f' ({hint})' if hint else ''}")
    return name


class InputSpec(Section):
    """What a task file may say about an input: the model is shown it as text."""

    type: Annotated[str, AfterValidator(_known_type), Field(json_schema_extra={"enum": [*FIELD_TYPES.names]})] = "text"
    description: str = ""
