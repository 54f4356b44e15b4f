"""Facts that are only kept and found: nothing of them is compiled into the index.

A kind of them is a class in a module of its own, a line of `domain.change.KEPT` and a field of
the message `Resource`. Rows, reading, the change log, the index, audit and comparison follow.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from authz_service.domain.audit import Document
from authz_service.domain.window import FOREVER, Instant, instant


@dataclass(frozen=True, slots=True)
class Kept:
    """A fact that the store keeps as one row and the index as it is, by its `key`."""

    MESSAGE: ClassVar[str]
    """The field of `Resource` in audit.proto that holds it: `endpoint`."""

    id: str
    """No two of a kind that are in force have the same."""

    @property
    def key(self) -> Hashable:
        """What the index finds it by."""
        return self.id

    def as_of(self, _revision: int, /) -> Self:
        """Give it with the revision that wrote it, where it has a field for that."""
        return self

    def document(self, at: Instant, /) -> Document:
        """Write its message as it stands at `at`, without secrets and addresses of people."""
        raise NotImplementedError


def present(**fields: Any) -> dict[str, Any]:
    """Leave out what is unset, as protobuf does."""
    return {name: value for name, value in fields.items() if value}


def end(at: Instant) -> str:
    """Write when something ends; nothing for what has no end."""
    return "" if at == FOREVER else instant(at)
