"""Deltas as they stand in the change log: JSON, each fact tagged with its kind."""

from typing import Any, Final, get_args

from pydantic import TypeAdapter

from authz_service.domain.change import (
    KEPT,
    Delta,
    Fact,
    FactChange,
    Revision,
    ScheduledChangeset,
)
from authz_service.domain.kept import Kept
from authz_service.domain.window import Instant
from authz_service.store import scheduled_rows

_KINDS: Final[dict[str, TypeAdapter[Any]]] = {
    kind.__name__: TypeAdapter(kind)
    for kind in {*get_args(Fact), *KEPT} - {Kept, ScheduledChangeset}
}
_SCHEDULED: Final = ScheduledChangeset.__name__
_WIRE: Final = TypeAdapter(list[tuple[str, Any, Any]])


def write(changes: tuple[FactChange, ...]) -> str:
    """Write the changes of one revision: a list of [kind, before or null, after or null]."""
    return _WIRE.dump_json(items(changes)).decode()


def read(revision: Revision, text: str, at: Instant) -> Delta:
    """Read the changes of one revision. Raises: ValueError if this version cannot make them out."""
    return Delta(revision, changes_of(_WIRE.validate_json(text)), at)


def items(changes: tuple[FactChange, ...]) -> list[Any]:
    """Write changes as JSON has them: [kind, before or null, after or null]."""
    return [_change(change) for change in changes]


def changes_of(written: list[Any]) -> tuple[FactChange, ...]:
    """Read what `items` wrote. Raises: ValueError."""
    return tuple(_read(*item) for item in written)


def item(fact: Fact) -> tuple[str, Any]:
    """Write one fact as JSON has it: its kind, and its value."""
    return type(fact).__name__, _written(fact)


def fact(kind: str, value: Any) -> Fact:
    """Read what `item` wrote. Raises: ValueError."""
    written = _known(kind, value)
    if written is None:
        raise ValueError(f"a {kind} that is nothing")
    return written


def _change(change: FactChange) -> tuple[str, Any, Any]:
    return type(change.fact).__name__, _written(change.before), _written(change.after)


def text_of(fact: Kept) -> str:
    """Write a fact that is only kept."""
    return _KINDS[type(fact).__name__].dump_json(fact).decode()


def fact_of(kind: str, text: str) -> Kept:
    """Read what `text_of` wrote."""
    fact: Kept = _KINDS[kind].validate_json(text, strict=False)
    return fact


def _written(fact: Fact | None) -> Any:
    if fact is None:
        return None
    if isinstance(fact, ScheduledChangeset):
        return scheduled_rows.to_json(fact, items)
    return _KINDS[type(fact).__name__].dump_python(fact, mode="json")


def _read(kind: str, before: Any, after: Any) -> FactChange:
    return FactChange(_known(kind, before), _known(kind, after))


def _known(kind: str, value: Any) -> Fact | None:
    if kind not in _KINDS and kind != _SCHEDULED:
        raise ValueError(f"{kind!r} is no kind of fact that this version knows")
    if value is None:
        return None
    if kind == _SCHEDULED:
        return scheduled_rows.from_json(value, changes_of)
    # Not strict: JSON has lists where facts have tuples and sets, words where they have enums.
    known: Fact = _KINDS[kind].validate_python(value)
    return known
