"""Facts to rows and back. Both directions side by side, no decisions inside."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Table

from authz_service.domain.catalogue import Feature, Limit, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import GrantSource, RoleGrant
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.rules import UNLIMITED, Rule, rules_of
from authz_service.domain.tenant import (
    Holding,
    StatePeriod,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import Window
from authz_service.store import schema


class Row(NamedTuple):
    """A row without its id and revisions; equal rows are the same fact."""

    table: Table
    values: tuple[tuple[str, Any], ...]


def rows_of(fact: Fact) -> list[Row]:
    """List the rows a fact stands for, its Casbin rules last."""
    rows = [Row(table, tuple(values.items())) for table, values in _own_rows(fact)]
    rules = rules_of(fact)
    if rules:
        context = _rule_context(fact)
        ordered = sorted(rules, key=lambda rule: (rule.ptype, rule.values))
        rows += (_rule_row(rule, context) for rule in ordered)
    return rows


def _own_rows(fact: Fact) -> Iterator[tuple[Table, dict[str, Any]]]:
    match fact:
        case Permission():
            yield (
                schema.permission,
                {
                    "permission": fact.id,
                    "internal": fact.internal,
                    "description": fact.description,
                },
            )
        case Role():
            values = {"role": fact.id, "tenant": fact.tenant, "description": fact.description}
            yield schema.role, values
        case Plan():
            yield schema.plan, {"plan": fact.id, "description": fact.description}
        case Tenant():
            yield from _tenant_rows(fact)
        case Membership():
            yield (
                schema.member,
                {
                    "tenant": fact.tenant,
                    "subject": fact.subject,
                    "lifecycle": fact.lifecycle.value,
                    "suspensions": _joined(fact.suspensions),
                },
            )
        case TenantException():
            yield schema.exception, _exception_values(fact)
        case ApiKey():
            yield (
                schema.api_key,
                {
                    "key": fact.id,
                    "secret_hash": fact.secret_hash,
                    "display_name": fact.display_name,
                    "created_at": fact.created_at,
                    "expires_at": fact.expires_at,
                },
            )


def _tenant_rows(fact: Tenant) -> Iterator[tuple[Table, dict[str, Any]]]:
    yield (
        schema.tenant,
        {
            "tenant": fact.id,
            "display_name": fact.display_name,
            "suspensions": _joined(fact.suspensions),
        },
    )
    for period in fact.periods:
        yield (
            schema.tenant_period,
            {"tenant": fact.id, "state": period.state.value, **_window_values(period.window)},
        )


def _exception_values(fact: TenantException) -> dict[str, Any]:
    return {
        "exception": fact.id,
        "tenant": fact.tenant,
        "kind": fact.kind.value,
        "subject": fact.subject,
        "scope": fact.scope,
        **_window_values(fact.window),
        "reason": fact.reason,
        "approver": fact.approver,
    }


def _rule_context(fact: Fact) -> dict[str, str]:
    context = dict.fromkeys(
        ("tenant", "subject", "scope", "source", "reason", "grant_id", "exception_id"), ""
    )
    match fact:
        case Tenant():
            context["tenant"] = fact.id
        case Role():
            context["tenant"] = fact.tenant
        case RoleGrant():
            context |= {
                "tenant": fact.tenant,
                "subject": fact.subject,
                "scope": fact.scope,
                "source": fact.source.value,
                "reason": fact.reason,
                "grant_id": fact.id,
            }
        case TenantException():
            context |= {"tenant": fact.tenant, "exception_id": fact.id}
    return context


def _rule_row(rule: Rule, context: Mapping[str, str]) -> Row:
    padded = (*rule.values, *("",) * (6 - len(rule.values)))
    values: dict[str, Any] = {"ptype": rule.ptype}
    values |= {f"v{i}": value for i, value in enumerate(padded)}
    values |= context
    values |= _window_values(rule.window)
    return Row(schema.rule, tuple(values.items()))


def _window_values(window: Window) -> dict[str, int]:
    return {"valid_from": window.valid_from, "valid_until": window.valid_until}


def _joined(suspensions: Iterable[SuspensionReason]) -> str:
    return ",".join(sorted(reason.value for reason in suspensions))


def suspensions(joined: str) -> frozenset[SuspensionReason]:
    return frozenset(SuspensionReason(word) for word in joined.split(",") if word)


def window(row: Any) -> Window:
    return Window(row.valid_from, row.valid_until)


def permission(row: Any) -> Permission:
    return Permission(row.permission, bool(row.internal), row.description)


def role(row: Any, rules: Iterable[Any]) -> Role:
    """Read a role from its row and its rules, those whose v0 is `role/<id>`."""
    listed, included = set(), set()
    for rule in rules:
        match rule.ptype:
            case "p":
                listed.add(rule.v2)
            case "g":
                included.add(rule.v1.removeprefix("role/"))
    return Role(row.role, frozenset(listed), frozenset(included), row.description)


def plan(row: Any, rules: Iterable[Any]) -> Plan:
    """Read a plan from its row and its rules, those whose v0 is the plan's id."""
    parts: dict[str, Any] = {"permissions": set(), "roles": set(), "features": [], "limits": []}
    extends = ""
    for rule in rules:
        kind, slash, name = rule.v1.partition("/")
        match rule.ptype, kind:
            case "g2", _ if slash:
                extends = rule.v1
            case "g2", _:
                parts["permissions"].add(rule.v1)
            case "p2", "feature":
                parts["features"].append(Feature(name, rule.v2, rule.v3))
            case "p2", "limit":
                amount = None if rule.v2 == UNLIMITED else int(rule.v2)
                parts["limits"].append(Limit(name, amount, rule.v3))
            case "p2", "role":
                parts["roles"].add(name)
    return Plan(
        id=row.plan,
        extends=extends,
        permissions=frozenset(parts["permissions"]),
        features=tuple(sorted(parts["features"], key=lambda feature: feature.name)),
        limits=tuple(sorted(parts["limits"], key=lambda limit: limit.name)),
        assignable_roles=frozenset(parts["roles"]),
        description=row.description,
    )


def tenant(row: Any, periods: Iterable[Any], rules: Iterable[Any]) -> Tenant:
    """Read a tenant from its row, its periods and its `g2` rules to plans."""
    return Tenant(
        id=row.tenant,
        display_name=row.display_name,
        periods=tuple(StatePeriod(TenantState(p.state), window(p)) for p in periods),
        suspensions=suspensions(row.suspensions),
        holdings=tuple(Holding(rule.v1, window(rule)) for rule in rules),
    )


def membership(row: Any) -> Membership:
    return Membership(
        row.tenant, row.subject, MembershipState(row.lifecycle), suspensions(row.suspensions)
    )


def role_grant(row: Any) -> RoleGrant:
    """Read a grant from its `g` rule."""
    return RoleGrant(
        tenant=row.tenant,
        subject=row.subject,
        role=row.v1.removeprefix("role/"),
        scope=row.scope,
        window=window(row),
        source=GrantSource(row.source),
        reason=row.reason,
        id=row.grant_id,
    )


def exception(row: Any, rules: Iterable[Any]) -> TenantException:
    """Read an exception from its row and its rules."""
    kind = ExceptionKind(row.kind)
    position = "v2" if kind is ExceptionKind.DENY else "v1"
    named = {getattr(rule, position) for rule in rules}
    return TenantException(
        id=row.exception,
        tenant=row.tenant,
        kind=kind,
        permissions=frozenset(name for name in named if ":" in name),
        subject=row.subject,
        scope=row.scope,
        window=window(row),
        reason=row.reason,
        approver=row.approver,
    )


def api_key(row: Any) -> ApiKey:
    return ApiKey(row.key, row.secret_hash, row.display_name, row.created_at, row.expires_at)
