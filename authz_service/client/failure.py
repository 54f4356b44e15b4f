"""Every way a command ends, and what a person does next."""

from collections.abc import Mapping, Sequence
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
    CHANGES = 6
    BUG = 70
    """`EX_SOFTWARE` of sysexits.h, so that no script takes a bug for a denial."""
    INTERRUPTED = 130


class Failure(Exception):
    """A command that cannot give what was asked for. `advice` says what to do about it.

    `violations` are all fields at fault, each with what is wrong with it.
    """

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
        violations: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code or exit_code.name
        self.reason = reason
        self.message = message
        self.field = field
        self.details = dict(details or {})
        self.advice = advice
        self.violations = tuple(violations)

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
    "COMMANDS_COLLIDE": "keep one of the two commands",
    "FINGERPRINT_MISMATCH": "plan again with authz plan, and apply that plan",
    "INCLUSION_CYCLE": "take one of the inclusions out of the circle",
    "INCLUSION_TOO_DEEP": "include the needed names directly",
    "ROLE_WIDER_THAN_TIER": "take the permission out of the role, or run "
    "authz tenants set-tier TENANT TIER with a tier that has it",
    "PERMISSION_DEPRECATED": "see what replaces it with authz permissions show PERMISSION",
    "CREDENTIALS_MISSING": "set AUTHZ_KEY, or AUTHZ_KEY_FILE to a file that holds a key",
    "CREDENTIALS_INVALID": "ask operations for a new key (authz keys create), or see "
    "that AUTHZ_KEY and AUTHZ_KEY_FILE belong to this server",
    "PERMISSION_DENIED": "use a key with the right role: authz keys list shows which key has which",
    "TENANT_NOT_FOUND": "see the names with authz tenants list",
    "MEMBER_NOT_FOUND": "see who belongs to it with authz members list TENANT",
    "PERMISSION_NOT_FOUND": "see the names with authz permissions list, or declare it "
    "with authz permissions create",
    "ROLE_NOT_FOUND": "see the names with authz roles list",
    "TIER_NOT_FOUND": "see the names with authz tiers list",
    "ROLE_GRANT_NOT_FOUND": "see the grants with authz grants list TENANT; scope and "
    "source must be the grant's own",
    "EXCEPTION_NOT_FOUND": "see the exceptions with authz exceptions list TENANT",
    "KEY_NOT_FOUND": "see the keys with authz keys list",
    "IDENTITY_NOT_FOUND": "see the identities with authz identities list",
    "IDENTITY_EXISTS": "end it first with authz identities remove ID",
    "GRANT_EXCEEDS_OWN_RIGHTS": "give less, or for less long, or use a key that holds the rights",
    "INVITATION_NOT_FOUND": "see the open ones with authz invitations list TENANT",
    "INVITATION_TOKEN_REFUSED": "make a new token with authz invitations resend TENANT ID",
    "ADD_ON_NOT_FOUND": "see the names with authz add-ons list",
    "FEATURE_NOT_FOUND": "see who sets it with authz features list --name NAME",
    "LIMIT_NOT_FOUND": "see who sets it with authz limits list --name NAME",
    "TENANT_EXISTS": "take another id, or see the account with authz tenants show TENANT",
    "MEMBER_EXISTS": "give the member more roles with authz grant TENANT SUBJECT ROLE",
    "INVITATION_EXISTS": "send it again with authz invitations resend TENANT ID, or end it "
    "with authz invitations revoke TENANT ID",
    "OWNER_EXISTS": "run authz members transfer-ownership TENANT SUBJECT",
    "PERMISSION_EXISTS": "change it with authz permissions update",
    "ROLE_EXISTS": "change it with authz roles update",
    "TIER_EXISTS": "change it with authz tiers update",
    "ADD_ON_EXISTS": "change it with authz add-ons update",
    "FEATURE_EXISTS": "change it with authz features update",
    "LIMIT_EXISTS": "change it with authz limits update",
    "ROLE_GRANT_EXISTS": "nothing to do: the grant is in force",
    "REQUEST_ID_REUSED": "leave --request-id out, or take a fresh one for each intent",
    "NOT_A_MEMBER": "run authz members add TENANT SUBJECT first",
    "ROLE_NOT_ASSIGNABLE": "see the tier's assignable roles with authz tiers show TIER",
    "STAFF_NOT_ALLOWED": "staff get into a customer's account by staff access alone",
    "TENANT_RESERVED": "callers of this service are managed with authz keys",
    "TENANT_STATE_CONFLICT": "see where it stands with authz tenants show TENANT",
    "SEATS_EXHAUSTED": "remove a member with authz members remove, or run "
    "authz tenants set-tier TENANT TIER with a larger tier",
    "CHANGESET_OUTDATED": "look again with authz plan, and apply that plan",
    "CHANGESET_BLOCKED": "name what takes its place: --replace KIND:OLD=NEW",
    "TIER_VERSION_NOT_FOUND": "see the versions kept with authz tiers versions TIER",
    "REVISION_MISMATCH": "it has changed since: look at it again, and repeat with its revision",
    "STILL_IN_USE": "take it out there, or name what takes its place: --replacement NAME",
    "OPERATORS_LOCKED_OUT": "make another key that holds the right first: authz keys create NAME "
    "--role authz.operator",
    "NAME_RESERVED": "names that begin with `authz.` are the service's own: choose another name",
    "LAST_ADMIN": "make somebody else an admin first: authz grant TENANT SUBJECT ROLE",
    "MEMBER_IS_OWNER": "run authz members transfer-ownership TENANT SUBJECT first",
    "MEMBER_MANAGED": "change the member in the customer's directory",
    "MEMBER_STATE_CONFLICT": "see the member's state with authz members show TENANT SUBJECT; "
    "lift a suspension with authz members resume TENANT SUBJECT --for REASON",
    "SCHEDULE_IN_PAST": "name a later instant, such as +30d, or leave it out for now",
    "INVITATION_SENDER_LACKS_RIGHT": "run authz invitations resend TENANT ID, or invite again",
    "MEMBER_OUTRANKS": "let an admin of the account do it, or use a key of operations",
    "TENANT_SUSPENDED": "see why with authz tenants show TENANT; then authz tenants resume TENANT",
    "NOT_THE_OWNER": "let the owner hand the account over, or use a key of operations",
    "FEATURE_KIND_MISMATCH": "see who sets it, and to what, with authz features list --name NAME",
    "FEATURE_RANK_CONFLICT": "see its texts and ranks with authz features list --name NAME",
    "FEATURE_SET": "see it with authz exceptions list TENANT --kind feature; change that one with "
    "authz exceptions update",
    "LIMIT_UNIT_MISMATCH": "see the unit with authz limits list, and of one tenant's own with "
    "authz tenants entitlements TENANT",
    "SCHEDULED_CHANGE_NOT_FOUND": "see what lies ahead with authz tenants scheduled TENANT, and of "
    "policy with authz schedule list",
    "TOO_MANY_SCHEDULED": "see what lies ahead with authz schedule list, and cancel one of it",
    "ADD_ON_HELD": "see its window with authz tenants show TENANT; begin where it ends: --from",
    "ADD_ON_NOT_HELD": "see what it holds with authz tenants show TENANT",
    "LIMIT_NOT_SET": "see its own limits with authz tenants show TENANT",
    "REVISION_NOT_REACHED": "wait longer with --timeout, or ask without --min-revision",
    "DATABASE_UNAVAILABLE": _LATER,
    "REPLICA_STALE": "ask another server, or see with authz doctor why the database is silent",
    "CALL_LOST": _LATER,
    "CLOCK_AHEAD": "set that server's clock, or ask another server",
    "REVISION_OF_OTHER_HISTORY": "leave out --min-revision, and read again what you knew",
    "DATABASE_BEHIND": "run authz migrate, then authz serve",
    "RATE_LIMITED": _LATER,
    "OVERLOADED": _LATER,
    "TOO_MANY_OPEN_CALLS": _LATER,
    "SEALING_KEY_MISSING": "see the chapter At rest of docs/operating.md",
    "MESSAGE_NOT_RECEIVED": _LATER,
    "PLAINTEXT_REFUSED": "see the chapter TLS of docs/operating.md",
    "LAST_OPERATOR_KEY": "make another with authz keys create NAME --role authz.operator first; if "
    "all "
    "are lost, authz recover",
    "KEY_KIND_CONFLICT": "make a key of its own with authz keys create NAME --role authz.operator",
    "KEY_NOT_ROTATED": "see the keys with authz keys list; authz keys revoke KEY ends it whole",
    "KEY_EXPIRED": "run authz keys update KEY --until WHEN first",
    "EVENT_NOT_FOUND": "see the events with authz billing events list",
    "EVENT_SOURCE_NOT_FOUND": "see the sources with authz billing sources list",
    "BILLING_PRICE_EXISTS": "see it with authz billing prices show PRICE, change it with authz "
    "billing map",
    "BILLING_PRICE_NOT_FOUND": "see the prices with authz billing prices list",
    "BILLING_SOURCE_EXISTS": "change it with authz billing sources update",
    "EVENT_SUBJECT_MAPPED": "see that it is meant, and repeat with --replace",
    "EVENT_STATE_CONFLICT": "see where it stands with authz billing events show SOURCE ID",
    "INVALID_BILLING_POLICY": "compare authz billing prices list with authz limits list",
    "JOB_NOT_FOUND": "see the jobs with authz jobs list",
    "JOB_STATE_CONFLICT": "see where it stands with authz jobs show ID",
    "TEMPLATE_INVALID": "correct the template and update it again",
    "TEMPLATE_NOT_FOUND": "nothing to do: the shipped template is in use",
    "ENDPOINT_NOT_FOUND": "see the endpoints with authz webhooks list --tenant TENANT",
    "ENDPOINT_URL_REFUSED": "name an https URL without a user and a password",
    "ENDPOINT_DISABLED": "enable it first with authz webhooks update",
    "TOO_MANY_ENDPOINTS": "delete one that is not needed with authz webhooks delete",
    "INTERNAL": "the server's log has the error; please report it",
}
