"""`policies/billing.yaml` to a `BillingPolicy`, or to a list of what is wrong with it."""

from pathlib import Path
from typing import Final

from authz_service.domain.billing_policy import NOTHING, BillingPolicy
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles import schema, yaml_text
from authz_service.policyfiles.billing_conversion import billing_policy
from authz_service.policyfiles.billing_inspection import inspect
from authz_service.policyfiles.billing_names import look_up
from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, PolicyFileError, Problem

BILLING: Final = "billing.yaml"


def read_folder(folder: Path, policy_set: PolicySet | None = None) -> BillingPolicy:
    """Read the file of a policy folder; without one, no event means anything.

    Raises:
        PolicyFileError: as `read`, or it cannot be read as UTF-8 text.
    """
    path = folder / BILLING
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        return NOTHING
    except OSError as error:
        raise _unreadable(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unreadable("not UTF-8: save the file as UTF-8") from error
    if len(content) > MAX_BYTES:
        raise _unreadable(TOO_LARGE)
    return read(text, policy_set)


def read(text: str, policy_set: PolicySet | None = None) -> BillingPolicy:
    """Read the file from its text.

    Names of tiers, add-ons, roles and limits are looked up in `policy_set`, if it is given.

    Raises:
        PolicyFileError: everything found wrong, in the order of lines.
    """
    document = yaml_text.parse(BILLING, text)
    policy = NOTHING
    if not document.broken:
        schema.inspect(document, "billing_file", "billing.schema.json")
        if not document.problems:
            policy = billing_policy(document, document.data)
            if policy_set is not None:
                look_up(document, policy, policy_set)
            inspect(document, policy)
    if document.problems:
        raise PolicyFileError(sorted(document.problems.values(), key=lambda p: (p.line, p.field)))
    return policy


def _unreadable(message: str) -> PolicyFileError:
    return PolicyFileError([Problem(BILLING, 1, "", message)])
