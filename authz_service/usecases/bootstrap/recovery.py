"""A way back in when no operator's key is left, for whoever holds the database."""

from authz_service.domain.call import Call
from authz_service.domain.key import KeyKind, digest
from authz_service.domain.own_policy import OPERATOR
from authz_service.store.unit_of_work import Store
from authz_service.usecases.bootstrap.declaring import SEEDER, declare
from authz_service.usecases.callers.caller_changes import CallerFields
from authz_service.usecases.callers.keys import CreateKey, make_key
from authz_service.usecases.callers.keys_now import KeyNow
from authz_service.usecases.kernel import preconditions


def mend(store: Store, reason: str, *, validate_only: bool) -> tuple[str, ...]:
    """Put back what the database lacks of the service's own policy; name what was."""
    return declare(store, _why(reason), validate_only=validate_only)


def new_operator(store: Store, secret: str, reason: str) -> KeyNow:
    """Make an operator's key. Raises: what `make_key` does."""
    call = Call(SEEDER, reason=_why(reason))
    with store.transaction(call) as tx:
        command = CreateKey(
            secret_hash=digest(secret),
            fields=CallerFields(roles=(OPERATOR,), display_name="recovered operator key"),
            kind=KeyKind.OPERATOR,
        )
        return make_key(tx, command)


def _why(reason: str) -> str:
    return preconditions.text(reason, "reason", required=True)
