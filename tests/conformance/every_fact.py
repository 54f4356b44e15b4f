"""One of each kind of fact with every field set, and what each is replaced by."""

from dataclasses import fields, replace
from enum import Enum
from typing import Any, Final, NamedTuple, get_type_hints

from authz_service.domain.audit import AuditRecord
from authz_service.domain.billing_documents import PartKind
from authz_service.domain.billing_part import SETTINGS, part
from authz_service.domain.catalog import (
    Feature,
    FeatureKind,
    Limit,
    Period,
    Permission,
    Plan,
    Reset,
    Role,
)
from authz_service.domain.change import KEPT, Blocker, Fact, FactChange, ScheduledChangeset
from authz_service.domain.changeset import Changeset
from authz_service.domain.endpoint import Endpoint
from authz_service.domain.exception import ExceptionKind, TenantException
from authz_service.domain.grant import GrantOrigin, GrantSource, HeldBack, RoleGrant
from authz_service.domain.identity import Identity, IdentityKind
from authz_service.domain.invitation import Invitation
from authz_service.domain.kept import Kept
from authz_service.domain.key import ApiKey, KeyKind
from authz_service.domain.membership import ManagedBy, Membership, MembershipState
from authz_service.domain.tenant import (
    DatedLimit,
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import ALWAYS, FOREVER, Window
from authz_service.store.facts import Facts
from authz_service.usecases.changesets.commands import written
from tests.changesets import (
    ObjectKind,
    delete,
    end_exception,
    except_,
    give,
    hold_add_on,
    move_to_tier,
    put,
    revoke,
)

TEXT: Final = "Über 'quotes', \"commas\", back\\slashes % _ and 日本 🚀\nin two lines"

PERMISSION: Final = Permission(
    "doc:read", description=TEXT, deprecated=True, replaced_by="doc:list"
)
ROLE: Final = Role("viewer", frozenset({"doc:read", "doc:list"}), frozenset({"guest"}), TEXT)
TIER: Final = Plan(
    "tier/pro",
    extends="tier/free",
    permissions=frozenset({"doc:read", "doc:write"}),
    features=(Feature("sso", "true"), Feature("support", "e-mail", FeatureKind.TEXT, 2)),
    limits=(
        Limit("seats", 50, "seat"),
        Limit("calls", None, "call", Period.MONTH, Reset.BILLING),
        Limit("zero", 0, "thing"),
    ),
    assignable_roles=frozenset({"viewer", "editor"}),
    description=TEXT,
    suspended_free_seats=True,
)
TENANT: Final = Tenant(
    "acme",
    TEXT,
    periods=(
        StatePeriod(TenantState.TRIAL, Window(0, 1_000)),
        StatePeriod(TenantState.ACTIVE, Window(1_000)),
    ),
    suspensions=frozenset({SuspensionReason.BILLING, SuspensionReason.RISK}),
    subscription_items=(
        SubscriptionItem("tier/pro"),
        SubscriptionItem("addon/audit", Window(5, 9)),
    ),
    limits=(
        Limit("seats", 40, "seat"),
        Limit("calls", None, "call", Period.MONTH, Reset.ROLLING),
    ),
    created_at=7,
    ended_revision=3,
    dated_limits=(DatedLimit(Limit("rows", 9, "row"), Window(5, 9)),),
)

OWN_ROLE: Final = Role("acme/clerk", frozenset({"doc:read"}), frozenset({"viewer"}), TEXT, True)
MEMBER: Final = Membership(
    "acme",
    "user:al!#$%&'+.:;<=>?@^_`{|}~-1",
    MembershipState.INVITED,
    frozenset({SuspensionReason.ADMIN, SuspensionReason.SCIM}),
    owner=True,
    managed_by=ManagedBy.SCIM,
)
INVITATION: Final = Invitation(
    "i1",
    "acme",
    "o'brien+\"x@example.com",
    "user:new",
    ("acme/clerk", "viewer"),
    "0f" * 32,
    "service:ops",
    5,
    50,
    "2a" * 32,
)
GRANT: Final = RoleGrant(
    "acme",
    MEMBER.subject,
    "viewer",
    "project:42/document:7@acme",
    Window(10, 20),
    GrantSource.CONTRACT,
    TEXT,
    "g1",
)
HELD_BACK: Final = replace(
    GRANT,
    id="g3",
    window=Window(10, 30),
    origin=GrantOrigin.SUBSTITUTE,
    substitute_for="g1",
    held_back=HeldBack.NOT_OFFERED,
)
GRANTING: Final = TenantException(
    "x1",
    "acme",
    ExceptionKind.GRANT,
    frozenset({"doc:write", "doc:print"}),
    window=Window(10, 20),
    reason=TEXT,
    approver="user:boss",
)
DENYING: Final = TenantException(
    "x2",
    "acme",
    ExceptionKind.DENY,
    frozenset({"doc:read"}),
    MEMBER.subject,
    "project:42",
    Window(10, 20),
    TEXT,
    "user:boss",
)
REPLACING: Final = TenantException(
    "x3", "acme", ExceptionKind.REPLACE, frozenset({"doc:read", "doc:list"}), reason=TEXT
)
FEATURED: Final = TenantException(
    "x4",
    "acme",
    ExceptionKind.FEATURE,
    frozenset(),
    window=Window(10, 20),
    reason=TEXT,
    approver="user:boss",
    feature=Feature("support", "e-mail", FeatureKind.TEXT, 2),
)
KEY: Final = ApiKey("key-1", "0f" * 32, TEXT, 5, 50, KeyKind.JOB, "1e" * 32, 40)

IDENTITY: Final = Identity("idn-1", IdentityKind.TOKEN, "https://idp.example", "a|b c", TEXT, 5, 50)


ENDPOINT: Final = Endpoint(
    "end-1", "acme", "https://acme.example/hook?a=b", ("member.*", "role.created"), TEXT, "", 5
)
SCHEDULED: Final = ScheduledChangeset(
    "sch-1",
    2_000_000_000_000_000,
    written(
        Changeset(
            (
                put(PERMISSION),
                put(ROLE),
                put(OWN_ROLE),
                put(TIER),
                delete(ObjectKind.ADD_ON, "audit", "other"),
                give(GRANT),
                revoke("acme", "user:ada", "viewer", "project:1", GrantSource.SCIM),
                except_(GRANTING),
                end_exception("acme", "x2"),
                move_to_tier("acme", "pro"),
                hold_add_on("acme", "audit", held=False),
            )
        )
    ),
    "service:ops",
    "user:boss",
    TEXT,
    7,
    (
        FactChange(ROLE, replace(ROLE, permissions=frozenset())),
        FactChange(None, GRANT),
        FactChange(TENANT, replace(TENANT, subscription_items=())),
        FactChange(DENYING, None),
    ),
    (AuditRecord("role.updated", "acme", ("viewer",), {"id": "viewer"}, None, TEXT),),
)


class Life(NamedTuple):
    """A fact and its successor."""

    first: Fact
    second: Fact


EVERY_AMOUNT: Final = {
    "chairs": {"each": 1},
    "lines": {"each": 1000, "no_quantity": "tier"},
    "rooms": {"each": 2, "no_quantity": 7},
    "files": {"each": 3, "no_quantity": "unlimited"},
    "disks": 5,
    "mails": "unlimited",
}
ALL_SETTINGS: Final = {
    "first_admin": {"roles": ["admin", "viewer"]},
    "past_due": {"grace": "14d"},
    "trial": {"then": {"tier": "free"}},
    "cancelled": {"then": "offboarded"},
    "quantities": {"seats": "max", "calls": "sum"},
    "downgrade": {
        "order": ["free", "gold"],
        "when": "term_end",
        "limits": {"seats": "read_only_excess"},
        "roles": {"clerk": "none", "editor": "viewer"},
        "read_only_role": "viewer",
    },
    "breaker": {"share": 10, "at_least": 5, "window": "36h"},
}

LIVES: Final = {
    "permission": Life(PERMISSION, replace(PERMISSION, internal=True, description="")),
    "role": Life(ROLE, replace(ROLE, permissions=frozenset({"doc:read"}), includes=frozenset())),
    "tier": Life(
        TIER,
        replace(
            TIER,
            extends="",
            permissions=frozenset({"doc:write", "doc:print"}),
            features=(Feature("sso", "false"), Feature("days", "90", FeatureKind.NUMBER)),
            limits=(
                Limit("seats", None, "seat"),
                Limit("calls", 7, "call", Period.DAY, Reset.CALENDAR),
            ),
            assignable_roles=frozenset(),
        ),
    ),
    "tenant": Life(
        TENANT,
        replace(
            TENANT,
            periods=(StatePeriod(TenantState.OFFBOARDED, Window(1_000)),),
            suspensions=frozenset(),
            subscription_items=(SubscriptionItem("tier/pro", Window(3, 4)),),
            limits=(Limit("seats", None, "seat"), Limit("zero", 0, "thing")),
            dated_limits=(
                DatedLimit(Limit("rows", None, "row"), Window(5, 9)),
                DatedLimit(Limit("rows", 1, "row"), Window(9)),
            ),
        ),
    ),
    "own role": Life(OWN_ROLE, replace(OWN_ROLE, permissions=frozenset(), description="")),
    "membership": Life(MEMBER, Membership("acme", MEMBER.subject)),
    "invitation": Life(
        INVITATION, replace(INVITATION, email="", roles=(), token_hash="1f" * 32, expires_at=90)
    ),
    "role grant": Life(GRANT, replace(GRANT, window=ALWAYS, source=GrantSource.SSO, id="g2")),
    "role grant held back": Life(HELD_BACK, replace(HELD_BACK, held_back=HeldBack.NO)),
    "grant exception": Life(
        GRANTING, replace(GRANTING, permissions=frozenset({"doc:print"}), window=Window(10))
    ),
    "deny exception": Life(DENYING, replace(DENYING, subject="*", scope="")),
    "feature exception": Life(
        FEATURED, replace(FEATURED, feature=Feature("support", "phone", FeatureKind.TEXT, 3))
    ),
    "replace exception": Life(REPLACING, replace(REPLACING, permissions=frozenset())),
    "endpoint": Life(ENDPOINT, replace(ENDPOINT, kinds=("*",), disabled="gone", tenant="")),
    "scheduled policy": Life(
        SCHEDULED,
        replace(SCHEDULED, changes=(), records=(), blocker=Blocker("STILL_IN_USE", TEXT, "acme")),
    ),
    "identity": Life(IDENTITY, replace(IDENTITY, expires_at=FOREVER, display_name="")),
    "billing source": Life(
        part(PartKind.SOURCE, "crm", {"scheme": "hmac", "times": {"unit": "seconds"}, "id": TEXT}),
        part(PartKind.SOURCE, "crm", {"scheme": "trusted-rpc", "ignore": ["a.*", "b"]}),
    ),
    "billing price": Life(
        part(PartKind.PRICE, TEXT, {"tier": "gold", "limits": EVERY_AMOUNT}),
        part(PartKind.PRICE, TEXT, {"add_ons": ["audit", "sso"], "quantity": "ignored"}),
    ),
    "billing settings": Life(
        part(PartKind.SETTINGS, SETTINGS, ALL_SETTINGS),
        part(PartKind.SETTINGS, SETTINGS, {"trial": {"then": "active"}}),
    ),
    "api key": Life(KEY, replace(KEY, expires_at=FOREVER, previous_hash="", kind=KeyKind.APP)),
}
"""By kind, in the order in which they can be made: each may lean on those before it."""

_BY_TYPE: Final[dict[Any, tuple[Any, Any]]] = {
    str: (TEXT, "a"), int: (5, 7), bool: (True, False), tuple[str, ...]: (("a", TEXT), ())
}  # fmt: skip


def drawn(kind: type[Kept]) -> Life:
    """Make a life of a kind that has none above: each field has a value, then another."""
    values: dict[str, Any] = {
        name: tuple(type_) if isinstance(type_, type(Enum)) else _BY_TYPE[type_]
        for name, type_ in get_type_hints(kind).items()
        if name in {field.name for field in fields(kind)}
    }
    sides = [kind(**{name: value[side] for name, value in values.items()}) for side in (0, -1)]
    return Life(sides[0], replace(sides[1], id=sides[0].id))


_KINDS: Final = {type(life.first) for life in LIVES.values()}
LIVES.update({kind.__name__: drawn(kind) for kind in KEPT if kind not in _KINDS})

ALL: Final = tuple(life.first for life in LIVES.values())


def all_facts(facts: Facts) -> list[Fact]:
    """Read every fact of one revision, by kind; versions kept of tiers are left out."""
    who = {(grant.tenant, grant.subject) for grant in facts.role_grants("acme")}
    who.add((MEMBER.tenant, MEMBER.subject))
    return [
        *facts.permissions(),
        *facts.roles(),
        *(plan for plan in facts.plans() if not plan.is_kept),
        *facts.tenants(),
        *(membership for pair in sorted(who) for membership in facts.memberships(*pair)),
        *facts.invitations(),
        *facts.role_grants("acme"),
        *facts.exceptions(),
        *facts.scheduled(),
        *facts.kept(),
    ]
