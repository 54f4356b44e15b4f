"""Every way to ask many questions gives the answers that Check gives, at one revision."""

from typing import Any, Final

import pytest

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import permission_pb2
from tests.rpc.account import DENY, GRANT, REPLACE, Account, subject_of, timestamp, usage
from tests.rpc.harness import Server
from tests.sweeps import share_of

PAST: Final[dict[str, Any]] = {"valid_until": timestamp(1_000_000_000)}
FUTURE: Final[dict[str, Any]] = {"valid_from": timestamp(4_000_000_000)}
SUBJECTS: Final = ("ada", "edgar", "vera", "scoped", "inner", "gone", "late", "own", "stranger")
SCOPES: Final = ("", "project:42", "project:42/document:7", "project:43")


def open_account(account: Account) -> None:
    """Onboard members whose rights come in every way there is."""
    account.onboard("professional", ada=["admin"], edgar=["editor"], vera=["viewer"])
    for name in ("scoped", "inner", "gone", "late"):
        account.add(name)
    account.put_role("own", "invoices:void", includes=("viewer",))
    account.add("own", f"{account.id}/own")
    account.grant("scoped", "editor", "project:42")
    account.grant("inner", "editor", "project:42/document:7")
    account.grant("gone", "admin", **PAST)
    account.grant("late", "admin", **FUTURE)
    account.add("service:robot", "billing-admin")


def except_(account: Account) -> None:
    account.except_(GRANT, "sso:configure")
    account.except_(GRANT, "reports:schedule", **PAST)
    account.except_(DENY, "invoices:export", subject="user:ada")
    account.except_(DENY, "projects:view", scope="project:42")
    account.except_(DENY, "team:view", **FUTURE)


@pytest.fixture(params=["plain", "excepted", "replaced", "suspended"])
def varied(request: pytest.FixtureRequest, account: Account) -> Account:
    """Open an account in each state that makes lists answer on a path of their own."""
    open_account(account)
    if request.param == "excepted":
        except_(account)
    if request.param == "replaced":
        account.except_(REPLACE, "team:view", "sso:configure", "invoices:view")
    if request.param == "suspended":
        account.suspend()
    return account


def catalogue(server: Server) -> list[str]:
    request = permission_pb2.ListPermissionsRequest(page_size=1000, include_reserved=True)
    return [each.id for each in server.operator.permissions.ListPermissions(request).permissions]


def everything(account: Account) -> list[tuple[str, str, str]]:
    return [
        (who, permission, scope)
        for who in (*SUBJECTS, "service:robot")
        for permission in catalogue(account.server)
        for scope in SCOPES
    ]


def allowed_by_batch(account: Account) -> set[tuple[str, str, str]]:
    questions = everything(account)
    answers: list[bool] = []
    for start in range(0, len(questions), 1000):
        part = questions[start : start + 1000]
        answers += account.operator.checks.BatchCheck(batch(account, part)).allowed
    return {question for question, answer in zip(questions, answers, strict=True) if answer}


def batch(account: Account, wanted: list[tuple[str, str, str]]) -> checks.BatchCheckRequest:
    return checks.BatchCheckRequest(
        questions=[
            checks.Question(
                tenant=account.id, subject=subject_of(who), permission=permission, scope=scope
            )
            for who, permission, scope in wanted
        ]
    )


def allowed_by_one_subject(account: Account) -> set[tuple[str, str, str]]:
    found = set()
    names = catalogue(account.server)
    for who in (*SUBJECTS, "service:robot"):
        for scope in SCOPES:
            request = checks.CheckPermissionsRequest(
                tenant=account.id, subject=subject_of(who), scope=scope, permissions=names
            )
            answers = account.operator.checks.CheckPermissions(request).allowed
            pairs = zip(names, answers, strict=True)
            found |= {(who, name, scope) for name, allowed in pairs if allowed}
    return found


def listed_permissions(account: Account) -> set[tuple[str, str, str]]:
    found = set()
    for who in (*SUBJECTS, "service:robot"):
        for scope in SCOPES:
            request = checks.ListSubjectPermissionsRequest(
                tenant=account.id, subject=subject_of(who), scope=scope, page_size=1000
            )
            listed = account.operator.checks.ListSubjectPermissions(request).permissions
            found |= {(who, name, scope) for name in listed}
    return found


def listed_subjects(account: Account) -> set[tuple[str, str, str]]:
    found = set()
    for permission in catalogue(account.server):
        for scope in SCOPES:
            request = checks.ListSubjectsRequest(
                tenant=account.id, permission=permission, scope=scope, page_size=1000
            )
            listed = account.operator.checks.ListSubjects(request).subjects
            found |= {(who.removeprefix("user:"), permission, scope) for who in listed}
    return found


def test_every_way_to_ask_gives_the_answer_of_check(varied: Account) -> None:
    expected = allowed_by_batch(varied)
    for question in share_of(everything(varied)):
        assert varied.may(*question) is (question in expected), question
    assert allowed_by_one_subject(varied) == expected
    assert listed_permissions(varied) == expected
    assert listed_subjects(varied) == expected


def test_batch_gives_the_reason_that_check_gives(account: Account) -> None:
    open_account(account)
    except_(account)
    wanted = [(who, "sso:configure", scope) for who in SUBJECTS for scope in SCOPES]
    wanted += [(who, "invoices:export", scope) for who in SUBJECTS for scope in SCOPES]
    answer = account.operator.checks.BatchCheck(batch(account, wanted))
    assert list(answer.reasons) == [account.ask(*question).reason for question in wanted]


def test_batch_mixes_tenants_and_answers_in_the_order_of_its_questions(account: Account) -> None:
    other = Account(account.server, f"{account.id}2")
    account.onboard("free", ada=["admin"])
    other.onboard("enterprise", ada=["admin"])
    asked = [("ada", "sso:configure", "")]
    mixed = batch(account, asked)
    mixed.questions.extend(batch(other, asked).questions)
    mixed.questions.extend(batch(account, [("ada", "invoices:view", "")]).questions)
    assert list(account.operator.checks.BatchCheck(mixed).allowed) == [False, True, True]


def test_batch_of_a_thousand_is_answered_at_one_revision(account: Account) -> None:
    changed = account.onboard("free", ada=["admin"]).revision
    asked = batch(account, [("ada", "invoices:view", "")] * 1000)
    answer = account.operator.checks.BatchCheck(asked)
    assert answer.revision == changed
    assert list(answer.allowed) == [True] * 1000


def test_question_of_a_batch_may_carry_its_usage(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    asked = batch(account, [("ada", "projects:create", "")] * 2)
    asked.questions[0].usage.CopyFrom(usage("projects", 1))
    asked.questions[1].usage.CopyFrom(usage("projects", 2))
    answer = account.operator.checks.BatchCheck(asked)
    assert list(answer.reasons) == [
        checks.DECISION_REASON_ALLOWED,
        checks.DECISION_REASON_LIMIT_REACHED,
    ]


def test_undeclared_permission_is_denied_to_everyone(account: Account) -> None:
    account.onboard("enterprise", ada=["admin"])
    answer = account.ask("ada", "invoices:shred")
    assert not answer.allowed
    assert answer.reason_class == checks.REASON_CLASS_UNKNOWN_PERMISSION


def test_staff_is_denied_as_long_as_there_is_no_staff_access(account: Account) -> None:
    account.onboard("enterprise", ada=["admin"])
    assert account.reason("staff:sam", "invoices:view") == "NOT_A_MEMBER"


def test_subjects_of_an_undeclared_permission_are_not_listed(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    request = checks.ListSubjectsRequest(tenant=account.id, permission="invoices:shred")
    account.server.refuses(
        request, ErrorReason.PERMISSION_NOT_FOUND, at="permission", says="is not declared"
    )


def test_stranger_has_no_permissions_to_list(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    request = checks.ListSubjectPermissionsRequest(tenant=account.id, subject="user:stranger")
    assert not account.operator.checks.ListSubjectPermissions(request).permissions
