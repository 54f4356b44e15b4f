"""What the proto files publish and what the code says are the same."""

import re
from enum import Enum, IntEnum
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from google.rpc import code_pb2

from authz_service.domain.billing_event import EventReason, EventState, Stage
from authz_service.domain.decision import CLASSES, DecisionReason, ReasonClass
from authz_service.domain.exception import ExceptionKind
from authz_service.domain.grant import GrantSource
from authz_service.domain.membership import MembershipState
from authz_service.domain.tenant import SuspensionReason, TenantState
from authz_service.errors import AuthzError, ErrorReason
from authz_service.gen.authz.v1 import error_reason_pb2
from authz_service.rpc.errors import CODES, to_status
from authz_service.rpc.messages import billing, exceptions, members, role_grants, tenants
from tests.rpc.published import CODE_OF, PROTO, enum_values

ERRORS: Final = enum_values("error_reason.proto", "ErrorReason")
NUMBERED: Final[dict[str, tuple[str, type[IntEnum]]]] = {
    "DecisionReason": ("authorization.proto", DecisionReason),
    "ReasonClass": ("authorization.proto", ReasonClass),
}
NAMED: Final[dict[str, tuple[str, type[Enum], dict[Enum, int]]]] = {
    "GrantSource": ("role_grant.proto", GrantSource, role_grants.SOURCES),  # type: ignore[dict-item]
    "ExceptionKind": ("exception.proto", ExceptionKind, exceptions._EXCEPTIONS),  # type: ignore[dict-item]
    "TenantState": ("tenant.proto", TenantState, tenants.STATES),  # type: ignore[dict-item]
    "SuspensionReason": ("suspension.proto", SuspensionReason, members.SUSPENSIONS),  # type: ignore[dict-item]
    "MembershipState": ("member.proto", MembershipState, members.STATES),  # type: ignore[dict-item]
    "BillingEventState": ("billing.proto", EventState, billing.STATES),  # type: ignore[dict-item]
    "BillingEventStage": ("billing.proto", Stage, billing.STAGES),  # type: ignore[dict-item]
    "BillingEventReason": ("billing.proto", EventReason, billing.REASONS),  # type: ignore[dict-item]
}
CLASS_CODES: Final = {
    kind.__name__: re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).upper()
    for kind in AuthzError.__subclasses__()
    if kind.__module__ == AuthzError.__module__
}
"""A class of error has the name of its gRPC code: `NotFound`, `NOT_FOUND`."""


def test_every_reason_is_published_and_none_beside() -> None:
    assert {reason.name for reason in ErrorReason} == set(ERRORS)
    assert all(reason.name == reason.value for reason in ErrorReason)


@pytest.mark.parametrize("reason", ErrorReason)
def test_generated_number_of_a_reason_is_the_published_one(reason: ErrorReason) -> None:
    number = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason.name}")
    assert number == ERRORS[reason.name][0]


@pytest.mark.parametrize("reason", ErrorReason)
def test_comment_of_a_reason_begins_with_the_code_that_is_sent(reason: ErrorReason) -> None:
    _, comment = ERRORS[reason.name]
    assert comment.startswith(f"{code_pb2.Code.Name(CODES[reason])}. ")
    assert len(comment.split()) > 3


@pytest.mark.parametrize("reason", ErrorReason)
def test_comment_of_a_reason_has_an_example(reason: ErrorReason) -> None:
    assert " Example: " in ERRORS[reason.name][1]


def test_table_of_codes_is_total() -> None:
    assert set(CODES) == set(ErrorReason)


def test_every_class_of_error_has_the_name_of_its_code() -> None:
    assert set(CLASS_CODES.values()) <= set(code_pb2.Code.keys())
    assert set(CLASS_CODES.values()) == set(CODE_OF.values())


def raised_in_the_code() -> dict[tuple[str, str], str]:
    """Find `Class(ErrorReason.REASON` wherever an error is made."""
    names = "|".join(CLASS_CODES)
    pattern = re.compile(rf"\b({names})\(\s*ErrorReason\.([A-Z_]+)")
    package = PROTO.parents[2] / "authz_service"
    return {
        found: str(path.relative_to(package))
        for path in package.rglob("*.py")
        for found in pattern.findall(path.read_text())
    }


def test_error_is_raised_as_the_class_whose_code_its_reason_has() -> None:
    found = raised_in_the_code()
    assert len(found) > 25
    wrong = {
        (kind, reason): place
        for (kind, reason), place in found.items()
        if CLASS_CODES[kind] != CODE_OF[reason]
    }
    assert wrong == {}


@pytest.mark.parametrize("name", NUMBERED)
def test_numbers_of_an_enum_are_those_of_the_code(name: str) -> None:
    file, ours = NUMBERED[name]
    published = {word: number for word, (number, _) in enum_values(file, name).items()}
    assert published == {each.name: each.value for each in ours}


@pytest.mark.parametrize("name", NAMED)
def test_words_of_an_enum_are_those_of_the_code(name: str) -> None:
    file, ours, table = NAMED[name]
    published = {word: number for word, (number, _) in enum_values(file, name).items()}
    assert published == {each.name: table[each] for each in ours}
    assert {each.name.lower() for each in ours} == {each.value for each in ours}


@pytest.mark.parametrize(
    ("file", "name"), [(file, name) for name, (file, *_) in (NUMBERED | NAMED).items()]
)
def test_every_value_of_an_enum_is_documented(file: str, name: str) -> None:
    for word, (_, comment) in enum_values(file, name).items():
        assert comment.strip(), word


def test_every_reason_of_a_decision_has_a_class() -> None:
    assert set(CLASSES) == set(DecisionReason)
    assert set(CLASSES.values()) == set(ReasonClass)


@cache
def words_of_all_tests() -> frozenset[str]:
    """Find the reasons that tests speak of: `ErrorReason.X`, or "X" as a caller hears it."""
    tests = Path(__file__).resolve().parents[1]
    others = (path for path in tests.rglob("test_*.py") if path != Path(__file__).resolve())
    pattern = re.compile(r"""ErrorReason\.([A-Z_]+)\b|"([A-Z_]+)"[^:]""")
    return frozenset(
        word for path in others for pair in pattern.findall(path.read_text()) for word in pair
    )


@pytest.mark.parametrize("reason", ErrorReason)
def test_every_reason_is_provoked_by_some_test(reason: ErrorReason) -> None:
    assert reason.name in words_of_all_tests()


GIVEN_BY_NAME: Final = {
    *("PERMISSION_EXISTS", "ROLE_EXISTS", "TIER_EXISTS", "ADD_ON_EXISTS"),
    *("FEATURE_EXISTS", "LIMIT_EXISTS"),
    *("FEATURE_NOT_FOUND", "LIMIT_NOT_FOUND"),
    *("BILLING_PRICE_EXISTS", "BILLING_PRICE_NOT_FOUND", "BILLING_SOURCE_EXISTS"),
    "FEATURE_RANK_CONFLICT",
}
"""Reasons that the code hands to a function which makes the error."""


def test_every_reason_is_given_somewhere_in_the_code() -> None:
    given = {reason for _, reason in raised_in_the_code()}
    assert given | GIVEN_BY_NAME == set(ERRORS)


@pytest.mark.parametrize("reason", ErrorReason)
def test_refusal_carries_no_more_than_it_says(reason: ErrorReason) -> None:
    refusal = AuthzError(reason, "told", field="a.b", details={"x": "1"})
    status = to_status(refusal, "call-1")
    assert status.code.name == CODE_OF[reason]
    assert status.details == "told"
    assert b"Traceback" not in str(status.trailing_metadata).encode()
