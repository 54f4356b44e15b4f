"""The first revisions: the service's own policy, the product's, and an operator's key."""

from collections.abc import Callable, Mapping
from typing import Any

from authz_service.domain.audit import AuditRecord
from authz_service.domain.billing_part import parts_of
from authz_service.domain.call import Call
from authz_service.domain.key import KeyKind, digest, write
from authz_service.domain.own_policy import OPERATOR
from authz_service.domain.policy_set import PolicySet
from authz_service.domain.tenant import SYSTEM, Tenant
from authz_service.store.unit_of_work import Store
from authz_service.usecases.bootstrap.declaring import SEEDER, declare_in
from authz_service.usecases.callers.caller_changes import CallerFields
from authz_service.usecases.callers.keys import CreateKey, make_key
from authz_service.usecases.catalog.definitions import write_policy


def seed(store: Store, policy: PolicySet, billing: Mapping[str, Any] | None = None) -> bool:
    """Put the tenant `system`, the service's own policy and the product's into an empty database.

    `billing` is what billing.yaml says, found good beside the policy.

    Returns False, and does nothing, if the database has any revision already.
    """
    call = Call(SEEDER, reason="first start")
    with store.transaction(call) as tx:
        if tx.index.revision:
            return False
        system = Tenant(SYSTEM, "authz-service")
        tx.change(None, system)
        declare_in(tx)
        write_policy(tx, policy.product)
        for part in parts_of(billing) if billing is not None else ():
            tx.change(None, part)
        tx.record(AuditRecord("tenant.onboarded", SYSTEM, (SYSTEM,), None, system, call.reason))
    return True


def first_key(store: Store, secret: str, keep: Callable[[str], None], key_id: str = "") -> None:
    """Make an operator's key and hand it to `keep`; do nothing if there is any key already.

    `key_id` is the id of a key that was made before; "" makes one.

    It is kept before it is committed: a crash in between leaves a key that opens nothing and a
    database that makes another one, never a database that nobody can open.
    """
    call = Call(SEEDER, reason="first operator key")
    with store.transaction(call) as tx:
        if tx.index.keys:
            return
        command = CreateKey(
            secret_hash=digest(secret),
            fields=CallerFields(roles=(OPERATOR,), display_name="first operator key"),
            kind=KeyKind.OPERATOR,
            id=key_id,
        )
        keep(write(KeyKind.OPERATOR, make_key(tx, command).id, secret))
