"""Scheduled changes of policy to rows and back, and to the JSON of the change log."""

import json
from collections.abc import Callable
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Table

from authz_service.domain.audit import AuditRecord, plain
from authz_service.domain.change import FactChange
from authz_service.domain.scheduled_policy import Objection, ScheduledPolicyChange
from authz_service.store import schema, set_json

_RECORDS: Final = TypeAdapter(tuple[AuditRecord, ...])
_OBJECTION: Final = TypeAdapter(Objection)

WriteChanges = Callable[[tuple[FactChange, ...]], list[Any]]
ReadChanges = Callable[[list[Any]], tuple[FactChange, ...]]


def to_json(fact: ScheduledPolicyChange, changes: WriteChanges) -> dict[str, Any]:
    """Write a schedule; `changes` writes the changes of facts."""
    return {
        **_plain_values(fact),
        "wanted": set_json.write(fact.wanted),
        "planned": changes(fact.planned),
        "told": plain(fact.told),
        "objection": plain(fact.objection),
    }


def from_json(value: dict[str, Any], changes: ReadChanges) -> ScheduledPolicyChange:
    """Read what `to_json` wrote."""
    objection = value["objection"]
    return ScheduledPolicyChange(
        id=value["scheduled"],
        at=value["at"],
        wanted=set_json.read(value["wanted"]),
        actor=value["actor"],
        on_behalf_of=value["on_behalf_of"],
        reason=value["reason"],
        created_at=value["created_at"],
        planned=changes(value["planned"]),
        told=_RECORDS.validate_python(value["told"]),
        objection=None if objection is None else _OBJECTION.validate_python(objection),
    )


def row_of(fact: ScheduledPolicyChange, changes: WriteChanges) -> tuple[Table, dict[str, Any]]:
    """Give the table and the values of a schedule's row."""
    written = to_json(fact, changes)
    packed = {name: json.dumps(written[name]) for name in _PACKED}
    return schema.scheduled_policy_change, written | packed


def scheduled(row: Any, changes: ReadChanges) -> ScheduledPolicyChange:
    value = dict(row._mapping)
    return from_json(value | {name: json.loads(value[name]) for name in _PACKED}, changes)


_PACKED: Final = ("wanted", "planned", "told", "objection")


def _plain_values(fact: ScheduledPolicyChange) -> dict[str, Any]:
    return {
        "scheduled": fact.id,
        "at": fact.at,
        "actor": fact.actor,
        "on_behalf_of": fact.on_behalf_of,
        "reason": fact.reason,
        "created_at": fact.created_at,
    }
