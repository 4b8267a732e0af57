"""What every type of event declares, and the registry of all types and versions.

A type's schema never changes once it is released: a changed schema is a new class with a higher version, and the class
of the former version stays, so that stored events remain readable (`tests/unit/storage/events/test_registry.py`).
"""

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from storage.errors import BackupError

#: Message ids in one event: 500 take 9.5 KB. A commit of more messages publishes several events.
IDS_PER_EVENT = 500


class UnknownEventType(BackupError):
    """There is no event of this type. List the types."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"There is no event type {self.name[:100]!r}: see `gbm events types` or GET /api/v1/events/types."


class EventData(BaseModel, frozen=True, extra="forbid"):
    """The data of an event: base class of all types. No event contains mail text, subjects, addresses or tokens.

    type: the CloudEvents type. version: of the schema. about_user: whether it concerns one mailbox, and is published
    with its user id. fleet: whether operators see it. private: fields that only the mailbox's owner sees.
    superseded_by: the type that is published instead; the class stays for stored events.
    """

    type: ClassVar[str]
    version: ClassVar[int] = 1
    about_user: ClassVar[bool] = True
    fleet: ClassVar[bool] = False
    private: ClassVar[frozenset[str]] = frozenset()
    superseded_by: ClassVar[str | None] = None

    @classmethod
    def schema_uri(cls) -> str:
        """The CloudEvents attribute `dataschema`."""
        return f"urn:gmail-backup-manager:event:{cls.type}:{cls.version}"

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON Schema of the data."""
        return {"$id": cls.schema_uri(), **cls.model_json_schema()}


Model = TypeVar("Model", bound=type[EventData])


class Registry:
    """Event types by name and version."""

    def __init__(self, models: Iterable[type[EventData]]) -> None:
        self._models: dict[tuple[str, int], type[EventData]] = {}
        for model in models:
            key = (model.type, model.version)
            if key in self._models:
                raise ValueError(f"two event types are {model.type} version {model.version}")
            self._models[key] = model

    def all(self) -> list[type[EventData]]:
        """Every type and version, by name."""
        return [self._models[key] for key in sorted(self._models)]

    def get(self, name: str, version: int) -> type[EventData] | None:
        """One type; None: a newer release published it."""
        return self._models.get((name, version))

    def names(self) -> list[str]:
        """The names of all types."""
        return sorted({name for name, _ in self._models})

    def of_fleet(self) -> list[str]:
        """The names of the types that operators see."""
        return sorted({model.type for model in self._models.values() if model.fleet})

    def selected(self, wanted: str | None) -> list[str] | None:
        """The types that a filter selects: names, or prefixes that end with ".*", separated by commas; None: all.

        Raises:
            UnknownEventType: a name or prefix selects nothing.
        """
        if wanted is None:
            return None
        found: set[str] = set()
        for one in (part.strip() for part in wanted.split(",")):
            prefix = one.removesuffix("*") if one.endswith(".*") else None
            some = {name for name in self.names() if (name.startswith(prefix) if prefix else name == one)}
            if not some:
                raise UnknownEventType(one)
            found |= some
        return sorted(found)
