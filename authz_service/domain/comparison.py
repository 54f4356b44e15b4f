"""How two states of one object differ, field by field, for people and programs alike."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

from authz_service.domain.audit import plain
from authz_service.domain.billing_part import BillingPart
from authz_service.domain.catalog import Permission, Plan, Role
from authz_service.domain.change import Fact, FactChange, ScheduledChangeset
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import Tenant

_UNTOLD: Final = frozenset({"id", "revision", "version"})
"""Fields that say which object it is and when it was written, not what it is."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: a text before and after, or what a list gains and loses."""

    field: str
    """Example: `permissions`, `limits.seats`, `description`."""
    before: str = ""
    after: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object made (`existed` false), changed, or ended (`exists` false)."""

    kind: str
    """`permission`, `role`, `tier`, `add-on`, `tenant`, `role-grant`, `exception`."""
    id: str
    tenant: str
    """The account it belongs to; "" for what is everybody's."""
    existed: bool
    exists: bool
    fields: tuple[FieldChange, ...]

    @property
    def outcome(self) -> Literal["CREATED", "UPDATED", "DELETED"]:
        if not self.existed:
            return "CREATED"
        return "UPDATED" if self.exists else "DELETED"


def merged(changes: Iterable[FactChange]) -> list[FactChange]:
    """Take the changes of one object together: its first state and its last, in order of name."""
    by_name: dict[tuple[str, str, str], FactChange] = {}
    for change in changes:
        name = named(change.fact)
        first = by_name.get(name, change)
        by_name[name] = FactChange(first.before, change.after)
    alike = (item for item in sorted(by_name.items(), key=lambda item: item[0]))
    return [change for _, change in alike if change.before != change.after]


def compared(change: FactChange) -> ObjectChange:
    """Tell what a change does to its object."""
    kind, tenant, name = named(change.fact)
    before = _fields(change.before) if change.before is not None else {}
    after = _fields(change.after) if change.after is not None else {}
    fields = tuple(_differences(before, after))
    existed, exists = change.before is not None, change.after is not None
    return ObjectChange(kind, name, tenant, existed, exists, fields)


def objects(changes: Iterable[FactChange]) -> tuple[ObjectChange, ...]:
    """Compare each object before and after, in order of name."""
    return tuple(compared(change) for change in merged(changes))


def named(fact: Fact) -> tuple[str, str, str]:
    """Name an object: its kind, its account ("" for none) and its id there.

    A grant is named by what it says, not by its id: one that is made anew is the same grant.
    """
    match fact:
        case Permission(id=name):
            return "permission", "", name
        case Role(id=name, tenant=tenant):
            return "role", tenant, name
        case Plan(id=name):
            return fact.kind, "", fact.name
        case Tenant(id=name):
            return "tenant", name, name
        case RoleGrant():
            where = f" in {fact.scope}" if fact.scope else ""
            name = f"{fact.subject} {fact.role}{where} ({fact.source})"
            return "role-grant", fact.tenant, name
        case TenantException(id=name, tenant=tenant):
            return "exception", tenant, name
        case Membership(subject=subject, tenant=tenant):
            return "member", tenant, subject
        case Invitation() | ScheduledChangeset() | Kept():
            kind = f"billing-{fact.kind}" if isinstance(fact, BillingPart) else ""
            return kind or type(fact).__name__.lower(), "", fact.id
        case _:
            assert_never(fact)


def _fields(fact: Fact) -> dict[str, Any]:
    """Flatten a fact: texts and lists by field, named parts as `limits.seats`."""
    if isinstance(fact, BillingPart):
        return dict(_flat("", fact.data))
    flat: dict[str, Any] = {}
    for field, value in plain(fact).items():
        if field in _UNTOLD:
            continue
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            flat |= dict(_parts(field, value))
        elif isinstance(value, list):
            flat[field] = tuple(value)
        elif isinstance(value, Mapping):
            flat |= {name: _text(part) for name, part in value.items()}
        else:
            flat[field] = _text(value)
    return flat


def _flat(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Flatten what a part of the billing policy says: `limits.seats.each`, `events[2].do`."""
    match value:
        case Mapping():
            for name, part in value.items():
                yield from _flat(f"{place}.{name}" if place else name, part)
        case list() if any(isinstance(item, Mapping) for item in value):
            for at, item in enumerate(value):
                yield from _flat(f"{place}[{at}]", item)
        case list():
            yield place, tuple(map(_text, value))
        case _:
            yield place, _text(value)


def _parts(field: str, values: list[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Write features and limits by name, and what has no name as a list of texts."""
    if all("name" in value for value in values):
        for value in values:
            rest = [v for k, v in value.items() if k not in ("name", "kind") and v != ""]
            if value.get("rank") == 0:  # nobody ranked it
                rest.pop()
            yield f"{field}.{value['name']}", " ".join(_amount(v) for v in rest)
        return
    yield field, tuple(" ".join(_words(value)) for value in values)


def _words(value: Mapping[str, Any]) -> Iterator[str]:
    for name, part in value.items():
        if isinstance(part, Mapping):
            yield from (f"{n} {_text(p)}" for n, p in part.items() if p is not None)
        elif part:
            yield _text(part) if name in ("plan", "state") else f"{name} {_text(part)}"


def _amount(value: Any) -> str:
    return "unlimited" if value is None else _text(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
    return str(value)


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldChange]:
    for field in sorted(before.keys() | after.keys()):
        old, new = before.get(field), after.get(field)
        if old == new:
            continue
        if isinstance(old, tuple) or isinstance(new, tuple):
            olds, news = set(old or ()), set(new or ())
            added, removed = tuple(sorted(news - olds)), tuple(sorted(olds - news))
            if added or removed:
                yield FieldChange(field, added=added, removed=removed)
        elif (old or "") != (new or ""):
            yield FieldChange(field, before=old or "", after=new or "")
