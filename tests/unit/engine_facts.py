"""One small customer, for the tests of the engine: each test adds the facts that it is about.

`user:a` is an active member of `acme` without any role; `acme` holds the tier `pro`, which
extends `free`.
"""

from authz_service.domain.catalog import Limit, Permission, Plan, Role
from authz_service.domain.change import Fact
from authz_service.domain.decision import DecisionReason, Question, Usage
from authz_service.domain.exception import EVERYONE, ExceptionKind, TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.domain.identifiers import enclosing
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import SubscriptionItem, Tenant
from authz_service.domain.window import ALWAYS, FOREVER, Instant, Window
from authz_service.engine.builder import build
from authz_service.engine.decide import decide
from authz_service.engine.index import Index

NOW: Instant = 1_000
PAST = Window(100, NOW)
"""Ended at this very instant: it is over."""
PRESENT = Window(NOW, NOW + 1)
"""Begins at this very instant, and its last microsecond is this one."""
FUTURE = Window(NOW + 1, FOREVER)

CUSTOMER: tuple[Fact, ...] = (
    Permission("doc:read"),
    Permission("doc:write"),
    Permission("doc:audit"),
    Permission("ops:run", internal=True),
    Role("reader", frozenset({"doc:read"})),
    Role("editor", frozenset({"doc:write"}), frozenset({"reader"})),
    Role("auditor", frozenset({"doc:audit"})),
    Role("operator", frozenset({"ops:run"})),
    Plan("tier/free", "", frozenset({"doc:read"}), limits=(Limit("seats", 3, "seat"),)),
    Plan("tier/pro", "tier/free", frozenset({"doc:write"})),
    Plan("addon/audit", "", frozenset({"doc:audit"}), limits=(Limit("seats", 2, "seat"),)),
    Tenant("acme", subscription_items=(SubscriptionItem("tier/pro"),)),
    Membership("acme", "user:a"),
)


def index(*facts: Fact) -> Index:
    """Build the customer's index; a given fact replaces the customer's own of the same name."""
    return build([*CUSTOMER, *facts], 1)


def ask(
    *facts: Fact,
    permission: str = "doc:read",
    subject: str = "user:a",
    tenant: str = "acme",
    scope: str = "",
    usage: Usage | None = None,
    at: Instant = NOW,
) -> DecisionReason:
    """Ask a question about the customer with some more facts."""
    question = Question(tenant, subject, permission, enclosing(scope), usage)
    return decide(index(*facts), question, at).reason


def grant(
    role: str = "reader", scope: str = "", window: Window = ALWAYS, tenant: str = "acme"
) -> RoleGrant:
    return RoleGrant(tenant, "user:a", role, scope, window)


def deny(subject: str = EVERYONE, scope: str = "", window: Window = ALWAYS) -> TenantException:
    permissions = frozenset({"doc:read"})
    return TenantException("deny", "acme", ExceptionKind.DENY, permissions, subject, scope, window)


def entitle(*permissions: str, window: Window = ALWAYS) -> TenantException:
    return TenantException(
        "grant", "acme", ExceptionKind.GRANT, frozenset(permissions), window=window
    )


def replacing(*permissions: str, window: Window = ALWAYS, name: str = "only") -> TenantException:
    return TenantException(
        name, "acme", ExceptionKind.REPLACE, frozenset(permissions), window=window
    )


def acme(*subscription_items: SubscriptionItem) -> Tenant:
    return Tenant("acme", subscription_items=subscription_items)
