"""Scheduled changes of policy to rows and back, and to the JSON of the change log."""

import json
from collections.abc import Callable
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Table

from authz_service.domain.audit import AuditRecord, plain
from authz_service.domain.change import Blocker, FactChange, ScheduledChangeset
from authz_service.store import schema

_RECORDS: Final = TypeAdapter(tuple[AuditRecord, ...])
_BLOCKER: Final = TypeAdapter(Blocker)

WriteChanges = Callable[[tuple[FactChange, ...]], list[Any]]
ReadChanges = Callable[[list[Any]], tuple[FactChange, ...]]


def to_json(fact: ScheduledChangeset, changes: WriteChanges) -> dict[str, Any]:
    """Write a schedule; `changes` writes the changes of facts."""
    return {
        **_plain_values(fact),
        "commands": fact.commands,
        "changes": changes(fact.changes),
        "records": plain(fact.records),
        "blocker": plain(fact.blocker),
    }


def from_json(value: dict[str, Any], changes: ReadChanges) -> ScheduledChangeset:
    """Read what `to_json` wrote."""
    blocker = value["blocker"]
    return ScheduledChangeset(
        id=value["scheduled"],
        at=value["at"],
        commands=value["commands"],
        actor=value["actor"],
        on_behalf_of=value["on_behalf_of"],
        reason=value["reason"],
        created_at=value["created_at"],
        changes=changes(value["changes"]),
        records=_RECORDS.validate_python(value["records"]),
        blocker=None if blocker is None else _BLOCKER.validate_python(blocker),
    )


def row_of(fact: ScheduledChangeset, changes: WriteChanges) -> tuple[Table, dict[str, Any]]:
    """Give the table and the values of a schedule's row."""
    written = to_json(fact, changes)
    packed = {name: json.dumps(written[name]) for name in _PACKED}
    return schema.scheduled_changeset, written | packed


def scheduled(row: Any, changes: ReadChanges) -> ScheduledChangeset:
    value = dict(row._mapping)
    return from_json(value | {name: json.loads(value[name]) for name in _PACKED}, changes)


_PACKED: Final = ("changes", "records", "blocker")


def _plain_values(fact: ScheduledChangeset) -> dict[str, Any]:
    return {
        "scheduled": fact.id,
        "at": fact.at,
        "actor": fact.actor,
        "on_behalf_of": fact.on_behalf_of,
        "reason": fact.reason,
        "created_at": fact.created_at,
    }
