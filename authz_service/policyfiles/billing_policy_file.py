"""`policies/billing.yaml` to a `BillingPolicy`, or to a list of what is wrong with it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from authz_service.domain.billing_policy import NOTHING, BillingPolicy
from authz_service.domain.policy_set import PolicySet
from authz_service.policyfiles import schema, yaml_text
from authz_service.policyfiles.billing_conversion import billing_policy
from authz_service.policyfiles.billing_inspection import inspect
from authz_service.policyfiles.billing_names import look_up
from authz_service.policyfiles.problem import MAX_BYTES, TOO_LARGE, PolicyFileError, Problem
from authz_service.policyfiles.yaml_text import Document, Steps

BILLING: Final = "billing.yaml"


def read_folder(folder: Path, policy_set: PolicySet | None = None) -> BillingPolicy:
    """Read the file of a policy folder; without one, no event means anything.

    Raises:
        PolicyFileError: as `read`, or it cannot be read as UTF-8 text.
    """
    data = read_data(folder, policy_set)
    return NOTHING if data is None else ready(data)


def read_data(folder: Path, policy_set: PolicySet | None = None) -> dict[str, Any] | None:
    """Read what the file of a policy folder says, as it stands there; None if there is none.

    Raises:
        PolicyFileError: as `read_folder`.
    """
    path = folder / BILLING
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _unreadable("not UTF-8: save the file as UTF-8") from error
    if len(content) > MAX_BYTES:
        raise _unreadable(TOO_LARGE)
    return checked(text, policy_set)


def read(text: str, policy_set: PolicySet | None = None) -> BillingPolicy:
    """Read the file from its text. Raises: PolicyFileError."""
    return ready(checked(text, policy_set))


def ready(data: Mapping[str, Any]) -> BillingPolicy:
    """Make ready for use what was found good before."""
    return billing_policy(Document(BILLING), data)


def checked(text: str, policy_set: PolicySet | None = None) -> dict[str, Any]:
    """Read the text of a file as it stands there, once nothing is wrong with it.

    Names of tiers, add-ons, roles and limits are looked up in `policy_set`, if it is given.

    Raises:
        PolicyFileError: everything found wrong, in the order of lines.
    """
    document = _examined(text, policy_set)
    if document.problems:
        raise PolicyFileError(sorted(document.problems.values(), key=lambda p: (p.line, p.field)))
    data: Any = document.data
    return dict(data)


def violations(data: Mapping[str, Any], policy_set: PolicySet) -> Iterator[tuple[Steps, str]]:
    """Find what would be wrong with a file of this data: where, and what. Files say no more than
    what YAML can, so the data is read as the file would be.
    """
    document = _examined(json.dumps(data, ensure_ascii=False, indent=1), policy_set)
    yield from ((steps, problem.message) for (steps, _), problem in document.problems.items())


def _examined(text: str, policy_set: PolicySet | None) -> Document:
    document = yaml_text.parse(BILLING, text)
    if not document.broken:
        schema.inspect(document, "billing_file", "billing.schema.json")
        if not document.problems:
            policy = billing_policy(document, document.data)
            if policy_set is not None:
                look_up(document, policy, policy_set)
            inspect(document, policy)
    return document


def write(data: Mapping[str, Any]) -> str:
    """Write the file; reading it gives the same data back."""
    text = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=100)
    return f"# yaml-language-server: $schema=billing.schema.json\n{text}"


def _unreadable(message: str) -> PolicyFileError:
    return PolicyFileError([Problem(BILLING, 1, "", message)])
