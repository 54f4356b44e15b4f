"""Every way a command ends, and what a person does next."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """What a script can rely on; `authz --help` documents it."""

    DONE = 0
    DENIED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    NO_KEY = 5
    BUG = 70
    """`EX_SOFTWARE` of sysexits.h, so that no script takes a bug for a denial."""
    INTERRUPTED = 130


class Failure(Exception):
    """A command that cannot give what was asked for. `advice` says what to do about it."""

    def __init__(
        self,
        exit_code: ExitCode,
        reason: str,
        message: str,
        *,
        code: str = "",
        field: str = "",
        details: Mapping[str, str] | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code or exit_code.name
        self.reason = reason
        self.message = message
        self.field = field
        self.details = dict(details or {})
        self.advice = advice

    def as_json(self) -> dict[str, object]:
        """Return the document that `--output json` writes to standard error."""
        return {
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
            "field": self.field,
            "details": self.details,
            "advice": self.advice,
        }


def advice_on(reason: str) -> str:
    """Say what to do about a refusal of the service, or "" where its message says it all."""
    return _ADVICE.get(reason, "")


_MEND: Final = "mend the value and run the command again"
_LATER: Final = "nothing was changed; run the command again in a moment"

_ADVICE: Final[Mapping[str, str]] = {
    "INVALID_IDENTIFIER": _MEND,
    "INVALID_FIELD": _MEND,
    "INVALID_WINDOW": "let the window end after it starts: --from, --until",
    "BATCH_TOO_LARGE": "split it: one call carries at most 1,000",
    "INCLUSION_CYCLE": "take one of the inclusions out of the circle",
    "INCLUSION_TOO_DEEP": "include the needed names directly",
    "ROLE_WIDER_THAN_TIER": "take the permission out of the role, or run "
    "authz tenants set-tier TENANT TIER with a tier that has it",
    "CREDENTIALS_MISSING": "set AUTHZ_KEY, or AUTHZ_KEY_FILE to a file that holds a key",
    "CREDENTIALS_INVALID": "ask operations for a new key (authz keys create), or see "
    "that AUTHZ_KEY and AUTHZ_KEY_FILE belong to this server",
    "PERMISSION_DENIED": "use a key with the right role: authz keys list shows which key has which",
    "TENANT_NOT_FOUND": "see the names with authz tenants list",
    "MEMBER_NOT_FOUND": "see who belongs to it with authz members list TENANT",
    "PERMISSION_NOT_FOUND": "see the names with authz permissions list, or declare it "
    "with authz permissions put",
    "ROLE_NOT_FOUND": "see the names with authz roles list",
    "TIER_NOT_FOUND": "see the names with authz tiers list",
    "ROLE_GRANT_NOT_FOUND": "see the grants with authz grants list TENANT; scope and "
    "source must be the grant's own",
    "EXCEPTION_NOT_FOUND": "see the exceptions with authz exceptions list TENANT",
    "KEY_NOT_FOUND": "see the keys with authz keys list",
    "TENANT_EXISTS": "take another id, or see the account with authz tenants get TENANT",
    "MEMBER_EXISTS": "give the member more roles with authz grant TENANT SUBJECT ROLE",
    "ROLE_GRANT_EXISTS": "nothing to do: the grant is in force",
    "REQUEST_ID_REUSED": "leave --request-id out, or take a fresh one for each intent",
    "NOT_A_MEMBER": "run authz members add TENANT SUBJECT first",
    "ROLE_NOT_ASSIGNABLE": "see the tier's assignable roles with authz tiers get TIER",
    "STAFF_NOT_ALLOWED": "staff get into a customer's account by staff access alone",
    "TENANT_RESERVED": "callers of this service are managed with authz keys",
    "TENANT_STATE_CONFLICT": "see where it stands with authz tenants get TENANT",
    "SEATS_EXHAUSTED": "remove a member with authz members remove, or run "
    "authz tenants set-tier TENANT TIER with a larger tier",
    "REVISION_NOT_REACHED": "wait longer with --timeout, or ask without --min-revision",
    "DATABASE_UNAVAILABLE": _LATER,
    "DATABASE_BEHIND": "run authz migrate, then authz serve",
    "RATE_LIMITED": _LATER,
    "OVERLOADED": _LATER,
    "PLAINTEXT_REFUSED": "see the chapter TLS of docs/operating.md",
    "INTERNAL": "the server's log has the error; please report it",
}
