"""The tenants of a case file as facts."""

from collections.abc import Collection, Iterator

from authz_service.domain import own_policy
from authz_service.domain.catalog import ADD_ON, TIER, Role, checked_inclusion
from authz_service.domain.change import Fact
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership, MembershipState
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import (
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import Window
from authz_service.errors import InvalidArgument
from authz_service.policyfiles.cases.place import Known, Place


def facts(tenants: Place, names: Known, policy: PolicySet) -> Iterator[Fact]:
    """Make the facts of all tenants, each tenant before what is in it; mistakes are blamed."""
    for tenant_id, place in tenants.entries():
        Place(place.document, place.steps, tenant_id).identifier("tenant")
        yield _tenant(tenant_id, place, names)
        own_roles = dict(_own_roles(tenant_id, place.at("roles"), names))
        _check_inclusions(own_roles, place.at("roles"), policy)
        yield from own_roles.values()
        roles = names.roles | own_roles.keys()
        for subject, member in place.at("members").entries():
            yield from _member(tenant_id, subject, member, roles)
        for exception_id, exception in place.at("exceptions").entries():
            yield from _exception(tenant_id, exception_id, exception, names)
            _check_reach(exception, place.at("members"))


def _tenant(tenant_id: str, place: Place, names: Known) -> Tenant:
    tier, state = place.at("tier"), place.at("state")
    tiers = list(_dated(tier, "tier"))
    for tier_place, _ in tiers:
        tier_place.declared("tier", names.tiers)
    periods = list(_dated(state, "state"))
    return Tenant(
        tenant_id,
        periods=tuple(StatePeriod(s, window) for p, window in periods for s in _state(p))
        or (StatePeriod(TenantState.ACTIVE),),
        suspensions=_suspensions(place),
        subscription_items=(
            *(SubscriptionItem(TIER + tier_place.text, window) for tier_place, window in tiers),
            *_add_ons(place.at("add_ons"), names),
        ),
    )


def _add_ons(place: Place, names: Known) -> Iterator[SubscriptionItem]:
    """Read names, and names with windows; unlike tiers, several hold at a time."""
    for item in place.items():
        add_on = item if item.text else item.at("add_on")
        yield SubscriptionItem(ADD_ON + add_on.declared("add-on", names.add_ons), item.window())


def _dated(place: Place, key: str) -> Iterator[tuple[Place, Window]]:
    """Read one name that always holds, or a list of names with windows; none may overlap."""
    if place.text:
        yield place, Window()
    before: list[Window] = []
    for item in place.items():
        window = item.window()
        if any(window.overlaps(other) for other in before):
            item.blame(f"its window overlaps an earlier one: one {key} holds at a time")
        before.append(window)
        yield item.at(key), window


def _state(place: Place) -> Iterator[TenantState]:
    return (state for state in TenantState if state == place.text)


def _suspensions(place: Place) -> frozenset[SuspensionReason]:
    reasons = {item.text for item in place.at("suspended").items()}
    return frozenset(reason for reason in SuspensionReason if reason in reasons)


def _own_roles(tenant_id: str, roles: Place, existing: Known) -> Iterator[tuple[str, Role]]:
    names = existing.roles | {f"{tenant_id}/{name}" for name, _ in roles.entries()}
    for name, place in roles.entries():
        role_id = f"{tenant_id}/{name}"
        permissions = place.at("permissions").declared_all("permission", existing.permissions)
        yield role_id, Role(role_id, permissions, place.at("includes").declared_all("role", names))


def _check_inclusions(own_roles: dict[str, Role], roles: Place, policy: PolicySet) -> None:
    every = {role.id: role for role in (*own_policy.ROLES, *policy.roles)} | own_roles
    graph = {name: sorted(role.includes) for name, role in every.items()}
    for role_id in own_roles:
        place = roles.at(role_id.partition("/")[2]).at("includes")
        try:
            checked_inclusion(graph, role_id, "includes")
        except InvalidArgument as wrong:
            place.blame(wrong.message)


def _member(tenant_id: str, subject: str, place: Place, roles: Collection[str]) -> Iterator[Fact]:
    who = Place(place.document, place.steps, subject)
    who.identifier("subject")
    if subject.startswith("staff:"):
        who.blame("vendor staff gets no membership in a customer's account: take it out")
    invited = place.at("state").text == MembershipState.INVITED
    lifecycle = MembershipState.INVITED if invited else MembershipState.ACTIVE
    yield Membership(tenant_id, subject, lifecycle, _suspensions(place))
    grants: set[RoleGrant] = set()
    listed = place if isinstance(place.value, list) else place.at("roles")
    for item in listed.items():
        grant = _grant(tenant_id, subject, item, roles)
        if grant in grants:
            item.blame("the same grant stands here twice: keep one")
        grants.add(grant)
        yield grant


def _grant(tenant_id: str, subject: str, place: Place, roles: Collection[str]) -> RoleGrant:
    role = place if place.text else place.at("role")
    scope = place.at("scope").identifier("scope")
    return RoleGrant(tenant_id, subject, role.declared("role", roles), scope, place.window())


def _exception(
    tenant_id: str, exception_id: str, place: Place, names: Known
) -> Iterator[TenantException]:
    Place(place.document, place.steps, exception_id).identifier("id")
    for kind in ExceptionKind:
        listed = place.at(kind.value)
        if listed.is_there:
            yield TenantException(
                exception_id,
                tenant_id,
                kind,
                listed.declared_all("permission", names.permissions),
                place.at("subject").identifier("subject") or EVERYONE,
                place.at("scope").identifier("scope"),
                place.window(),
                place.at("reason").text,
            )


def _check_reach(place: Place, members: Place) -> None:
    """Only a deny exception is narrowed, and to a member."""
    for key in ("subject", "scope"):
        narrowing = place.at(key)
        if narrowing.is_there and not place.at("deny").is_there:
            narrowing.blame("only a deny exception is narrowed: take it out")
    subject = place.at("subject")
    if subject.text and not members.at(subject.text).is_there:
        subject.blame(f"{subject.text} is not among the tenant's `members`: add it, or correct it")
