"""Audit entries and changes in words, for command line, console and mails alike.

They read the JSON form of the messages in audit.proto, which all of these have at hand.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from authz_service.domain.audit import Document
from authz_service.domain.own_policy import OWN

Shown = Callable[[str], str]
"""Writes an RFC 3339 instant as its reader wants it."""

_ENUMS: Final = re.compile(
    "(?:TENANT_STATE|MEMBERSHIP_STATE|SUSPENSION_REASON|GRANT_SOURCE|EXCEPTION_KIND|KEY_KIND"
    "|IDENTITY_KIND|JOB_KIND|JOB_STATE|JOB_REASON|MANAGED_BY|HOLD_REASON|GRANT_ORIGIN"
    "|OBJECT_CHANGE_KIND|QUANTITY_RULE|EXCESS_RULE|LIMIT_PERIOD|LIMIT_RESET)_"
)
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T[0-9:.]+Z")

_IDENTIFYING: Final = frozenset({"id", "tenant", "subject", "role", "scope", "create_time"})
"""Fields that say which resource it is: the sentence names it already."""

_SPELT_OUT: Final = 10
"""Changes of an entry, and items of a list, that a line names."""

_BY_NAME: Final = ("key", "identity")
"""Kinds that people know by the display name."""

_NAMES: Final = {
    "tenant": "account",
    "add_on": "add-on",
    "role_grant": "grant",
    "endpoint": "webhook endpoint",
    "scheduled_changeset": "scheduled changeset",
    "billing_price": "price",
    "billing_source": "source of billing events",
    "billing_settings": "billing settings",
}


def entry_in_words(entry: Document, shown: Shown = str) -> str:
    """Say in one line what an `AuditEntry` tells of."""
    targets = ", ".join(entry.get("targets", ()))
    action = entry["action"]
    if refusal := entry.get("refusal", "").removeprefix("ERROR_REASON_"):
        return _joined(f"refused {action}", targets, f"({refusal})")
    changes = entry.get("changes", ())
    if not changes:
        details = ", ".join(f"{k} {v}" for k, v in sorted(entry.get("details", {}).items()))
        return _joined(_done(action), targets, f"({details})" if details else "")
    return _cut([change_in_words(action, change, shown) for change in changes], "; ", "changes")


def change_in_words(action: str, change: Document, shown: Shown = str) -> str:
    """Say in one line what a `FactChange` did."""
    kind, resource = _resource(change.get("after") or change["before"])
    match "before" in change, "after" in change, kind:
        case False, _, "role_grant":
            granted = f"granted {_grant(resource)} to {resource['subject']}"
            return _joined(granted, _window(resource, shown))
        case _, False, "role_grant":
            return f"revoked {_grant(resource)} from {resource['subject']}"
        case False, _, _:
            details = ", ".join(_facts(kind, resource, shown))
            return _joined(f"created {_named(kind, resource)}", f"({details})" if details else "")
        case _, False, _:
            return f"ended {_named(kind, resource)}"
    before = _resource(change["before"])[1]
    differences = "; ".join(_differences(before, resource, shown))
    return f"{_named(kind, resource)}: {differences or action.partition('.')[2].replace('_', ' ')}"


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _done(action: str) -> str:
    """Write `authz.role_grants:list` as `role grants: list`, and `tier.put` as `tier put`."""
    return action.removeprefix(OWN).replace("_", " ").replace(":", ": ").replace(".", " ")


def _resource(message: Document) -> tuple[str, Document]:
    """Take a `Resource` apart: which field is set, and to what."""
    kind = next(iter(message))
    return kind, message[kind]


def _named(kind: str, resource: Document) -> str:
    name = resource.get("display_name") if kind in _BY_NAME else ""
    identifier = resource.get("id") or resource.get("subject", "")
    if kind == "role_grant":
        return f"grant of {_grant(resource)} to {resource['subject']}"
    shown = f"{name!r} {identifier}" if name else identifier
    return f"{_NAMES.get(kind, kind)} {shown}"


def _grant(grant: Document) -> str:
    return f"{grant['role']} on {grant['scope']}" if grant.get("scope") else str(grant["role"])


def _window(resource: Document, shown: Shown) -> str:
    ends = (("from", "valid_from"), ("until", "valid_until"))
    return " ".join(f"{w} {shown(resource[field])}" for w, field in ends if field in resource)


def _facts(kind: str, resource: Document, shown: Shown) -> Iterator[str]:
    identifying = _IDENTIFYING | ({"display_name"} if kind in _BY_NAME else set())
    for field, value in resource.items():
        if field not in identifying:
            yield f"{_label(field)} {_value(value, shown)}"


def _differences(before: Document, after: Document, shown: Shown) -> Iterator[str]:
    for field in dict.fromkeys((*before, *after)):
        old, new = before.get(field), after.get(field)
        if old == new:
            continue
        if isinstance(old or new, list):
            yield f"{_label(field)} {_list_difference(old or [], new or [], shown)}"
        else:
            yield f"{_label(field)} {_value(old, shown)} → {_value(new, shown)}"


def _list_difference(old: list[Any], new: list[Any], shown: Shown) -> str:
    """Say what a list gained and lost; of named things, how each is now."""
    gained = [f"+{_value(item, shown)}" for item in new if item not in old]
    lost = [f"-{_value(item, shown)}" for item in old if item not in new]
    return _cut(gained + lost, ", ") or "in another order"


def _label(field: str) -> str:
    return field.removesuffix("_time").replace("_", " ")


def _value(value: Any, shown: Shown) -> str:
    match value:
        case None | "":
            return "unset"
        case bool():
            return "yes" if value else "no"
        case str() if _INSTANT.fullmatch(value):
            return shown(value)
        case str():
            return _ENUMS.sub("", value).lower() if _ENUMS.match(value) else value
        case Mapping() if "change" in value:
            return _object_change(value, shown)
        case Mapping():
            return _part(value, shown)
        case Iterable():
            return _cut([_value(item, shown) for item in value], ", ")
    return str(value)


def _cut(parts: list[str], between: str, of_what: str = "") -> str:
    """Join the first of many; a line is read, and the entry itself has all of them."""
    more = len(parts) - _SPELT_OUT
    end = [f"and {more} more {of_what}".rstrip()] if more > 0 else []
    return between.join(parts[:_SPELT_OUT] + end)


def _object_change(value: Document, shown: Shown) -> str:
    """Name an object of a scheduled changeset, as `updated role clerk of acme`; not its fields."""
    tenant = value.get("tenant", "")
    owner = f"of {tenant}" if tenant not in ("", value["id"]) else ""
    return _joined(_value(value["change"], shown), value["kind"], value["id"], owner)


def _part(value: Document, shown: Shown) -> str:
    """Write a part of a resource: `seats 40 seat`, `tier professional until 2026-12-01`."""
    window = _window(value, shown)
    rest = {name: part for name, part in value.items() if not name.startswith("valid_")}
    unlabelled = ("name", "value", "unit", "text", "number", "limit", "state", "feature")
    words = (
        "unlimited"
        if name == "unlimited"
        else _value(part, shown)
        if name in unlabelled
        else f"{_label(name)} {_value(part, shown)}"
        for name, part in rest.items()
    )
    return _joined(*words, window)
