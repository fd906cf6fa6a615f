"""The base of everything that a task file may say: closed, frozen schemas, declared by the parts they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Section(BaseModel):
    """A section of a task file: unknown keys are mistakes, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Kind(Protocol):
    """A member of a catalog that has a schema of its own."""

    @property
    def name(self) -> str:
        """What people type."""
        ...

    @property
    def section(self) -> type[Section]:
        """What a task file may say about it."""
        ...


class Kinds(Protocol):
    """A catalog of such members."""

    def __iter__(self) -> Iterator[Any]: ...


def _as_typed(name: str) -> str:
    return name


@dataclass(frozen=True, eq=False)
class ChosenBy:
    """Annotates a section with the key that chooses its schema, and the catalog whose members have one each.

    ``Annotated[FieldSpec, ChosenBy("type", FIELD_TYPES, "text")]`` is read as the section of the member that ``type``
    names. A mistake in it is reported under ``type=NAME``, which is no key of the file; see :func:`without_choices`.

    Attributes:
        key: The key that chooses.
        kinds: The catalog; each member has a ``name`` and a ``section``.
        default: The name where the key is not there.
        member_of: From what the key says to the member's name, where they differ.
    """

    key: str
    kinds: Kinds
    default: str
    member_of: Callable[[str], str] = _as_typed

    @property
    def sections(self) -> Mapping[str, type[Section]]:
        """The sections by the tag under which mistakes are reported."""
        return {f"{self.key}={kind.name}": kind.section for kind in cast(Iterator[Kind], self.kinds)}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {tag: handler.generate_schema(section) for tag, section in self.sections.items()}
        return core_schema.tagged_union_schema(cast(Any, choices), self._tag)

    def _tag(self, value: Any) -> str:
        given: Any = cast(Mapping[str, Any], value).get(self.key) if isinstance(value, Mapping) else None
        chosen = given if given is not None else getattr(value, self.key, self.default)
        return f"{self.key}={self.member_of(chosen) if isinstance(chosen, str) else chosen}"


def without_choices(place: tuple[str, ...]) -> tuple[str, ...]:
    """The place of a mistake as keys of the file, without the tags of :class:`ChosenBy`."""
    return tuple(part for part in place if "=" not in part)
