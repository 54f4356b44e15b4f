"""The first revision: the shipped policy, the tenant `system`, and an operator's key."""

from collections.abc import Callable

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.catalog import TIER
from authz_service.domain.key import KeyKind, digest, write
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import SYSTEM, Holding, Tenant
from authz_service.store.unit_of_work import Store
from authz_service.usecases.callers.keys import CreateKey, make_key
from authz_service.usecases.catalog.apply_policy import put_all

SEEDER = Actor("service:authz")
"""The service itself, in the audit."""

INTERNAL_TIER = "internal"
OPERATOR = "operator"


def seed(store: Store, policy: PolicySet) -> bool:
    """Put the policy and the tenant `system` into an empty database, in one transaction.

    Returns False, and does nothing, if the database has any revision already.
    """
    call = Call(SEEDER, reason="first start")
    with store.transaction(call) as tx:
        if tx.index.revision:
            return False
        put_all(tx, policy)
        system = Tenant(SYSTEM, "authz-service", holdings=(Holding(TIER + INTERNAL_TIER),))
        tx.change(None, system)
        tx.record(AuditRecord("tenant.onboarded", SYSTEM, (SYSTEM,), None, system, call.reason))
    return True


def first_key(store: Store, secret: str, keep: Callable[[str], None]) -> None:
    """Make an operator's key and hand it to `keep`; do nothing if there is any key already.

    It is kept before it is committed: a crash in between leaves a key that opens nothing and a
    database that makes another one, never a database that nobody can open.
    """
    call = Call(SEEDER, reason="first operator key")
    with store.transaction(call) as tx:
        if tx.index.keys:
            return
        wanted = CreateKey(
            secret_hash=digest(secret),
            roles=(OPERATOR,),
            display_name="first operator key",
            kind=KeyKind.OPERATOR,
        )
        keep(write(KeyKind.OPERATOR, make_key(tx, wanted).id, secret))
