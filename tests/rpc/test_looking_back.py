"""Explain, the lists and the entitlements answer for any instant and any earlier revision."""

from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from tests.rpc.account import DENY, Account, subject_of, timestamp
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server

YEAR_2100: Final = 4_102_444_800


def permissions(account: Account, who: str, **moment: Any) -> list[str]:
    request = checks.ListSubjectPermissionsRequest(
        tenant=account.id, subject=subject_of(who), page_size=1000, **moment
    )
    return list(account.operator.checks.ListSubjectPermissions(request).permissions)


def subjects(account: Account, permission: str, **moment: Any) -> list[str]:
    request = checks.ListSubjectsRequest(tenant=account.id, permission=permission, **moment)
    return list(account.operator.checks.ListSubjects(request).subjects)


def bought(account: Account, **moment: Any) -> tuple[str, list[str]]:
    request = checks.GetEntitlementsRequest(tenant=account.id, **moment)
    answer = account.operator.checks.GetEntitlements(request)
    return answer.tier, [each.permission for each in answer.permissions]


def everything(account: Account, **moment: Any) -> tuple[Any, ...]:
    told = account.explain("vera", "invoices:create", **moment)
    return (
        (told.allowed, told.reason, [each.summary for each in told.layers]),
        permissions(account, "vera", **moment),
        subjects(account, "invoices:create", **moment),
        bought(account, **moment),
    )


def test_what_was_answered_at_a_revision_is_answered_as_known_at_it(any_server: Server) -> None:
    account = Account(any_server, fresh_name("looking-back"))
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    given = {any_server.revision: everything(account)}
    for change in (
        lambda: account.grant("vera", "editor"),
        lambda: account.except_(DENY, "invoices:create", subject="user:vera"),
        account.suspend,
        account.offboard,
    ):
        change()
        given[any_server.revision] = everything(account)
    assert len({str(each) for each in given.values()}) == len(given)
    for revision, answer in given.items():
        assert everything(account, as_known_at=revision) == answer


def test_a_tenant_that_was_not_there_yet_is_not_found_as_known_then(account: Account) -> None:
    revision = account.server.revision
    account.onboard(ada=["admin"])
    told = account.explain("ada", "invoices:view", as_known_at=revision)
    assert told.reason == checks.DECISION_REASON_UNKNOWN_TENANT
    request = checks.GetEntitlementsRequest(tenant=account.id, as_known_at=revision)
    account.server.refuses(request, ErrorReason.TENANT_NOT_FOUND, "tenant")


def test_an_instant_to_come_is_answered_by_what_is_known_today(account: Account) -> None:
    account.onboard("professional", ada=["admin"], vera=[])
    account.grant("vera", "editor", valid_from=timestamp(YEAR_2100))
    for at, allowed in ((YEAR_2100 - 1, False), (YEAR_2100, True)):
        told = account.explain("vera", "invoices:create", at_time=timestamp(at))
        assert (told.allowed, told.at_time.seconds) == (allowed, at)
        listed = permissions(account, "vera", at_time=timestamp(at))
        assert ("invoices:create" in listed) is allowed
        holders = subjects(account, "invoices:create", at_time=timestamp(at))
        assert ("user:vera" in holders) is allowed


def test_as_known_at_an_old_revision_time_goes_on(account: Account) -> None:
    """The two are told apart: what was known then, asked about an instant since."""
    account.onboard("professional", ada=["admin"], vera=[])
    account.grant("vera", "editor", valid_until=timestamp(YEAR_2100))
    known = account.server.revision
    account.grant("vera", "admin")
    told = account.explain(
        "vera", "invoices:create", as_known_at=known, at_time=timestamp(YEAR_2100)
    )
    assert told.reason == checks.DECISION_REASON_GRANT_EXPIRED


def test_the_rights_asked_are_those_of_now(account: Account) -> None:
    """A key of today asks about a time when it did not exist, one that is revoked asks nothing."""
    account.onboard("professional", ada=["admin"])
    known = account.server.revision
    young = account.server.caller(account.server.new_key("authz.checker"))
    request = checks.ListSubjectPermissionsRequest(
        tenant=account.id, subject="user:ada", as_known_at=known
    )
    assert young.checks.ListSubjectPermissions(request).revision == known
    other = Account(account.server, f"{account.id[:50]}-b")
    other.onboard(ada=["admin"])
    stranger = account.server.caller(account.server.new_key("authz.checker", tenants=(other.id,)))
    account.server.refuses(request, ErrorReason.PERMISSION_DENIED, by=stranger)


def test_pages_of_one_moment_belong_together(account: Account) -> None:
    account.onboard("professional", ada=["admin"])
    known = account.server.revision
    account.add("bob", "admin")
    ask = account.operator.checks.ListSubjects

    def page(**more: Any) -> checks.ListSubjectsResponse:
        request = checks.ListSubjectsRequest(
            tenant=account.id, permission="invoices:view", page_size=1, **more
        )
        return ask(request)

    token = page().next_page_token
    assert token
    other = checks.ListSubjectsRequest(
        tenant=account.id, permission="invoices:view", as_known_at=known, page_token=token
    )
    account.server.refuses(other, ErrorReason.INVALID_PAGE_TOKEN, "page_token")
    assert page(as_known_at=known).next_page_token == ""


def test_a_moment_that_is_not_there_is_refused(account: Account) -> None:
    account.onboard("professional", ada=["admin"])
    ahead = account.server.revision + 1
    asked: tuple[tuple[Any, dict[str, str]], ...] = (
        (checks.ExplainRequest, {"subject": "user:ada", "permission": "invoices:view"}),
        (checks.ListSubjectPermissionsRequest, {"subject": "user:ada"}),
        (checks.ListSubjectsRequest, {"permission": "invoices:view"}),
        (checks.GetEntitlementsRequest, {}),
    )
    for kind, more in asked:
        for moment, field in (
            ({"as_known_at": ahead}, "as_known_at"),
            ({"as_known_at": -1}, "as_known_at"),
            ({"at_time": timestamp(-1)}, "at_time"),
            ({"at_time": timestamp(10**12)}, "at_time"),
        ):
            request = kind(tenant=account.id, **more, **moment)
            account.server.refuses(request, ErrorReason.INVALID_FIELD, field)


def test_a_revision_can_be_named_by_the_instant_at_which_it_was_the_newest(
    any_server: Server,
) -> None:
    account = Account(any_server, fresh_name("known-time"))
    account.onboard("professional", ada=["admin"], vera=["viewer"])
    given: list[tuple[Timestamp, Any]] = []
    for role in ("editor", "admin"):
        given.append((account.explain("ada", "invoices:view").at_time, everything(account)))
        account.grant("vera", role)
    account.suspend()
    for at, answer in given:
        assert everything(account, as_known_at_time=at) == answer


def test_a_revision_is_named_once_and_not_before_the_first(account: Account) -> None:
    account.onboard("professional", ada=["admin"])
    for moment in (
        {"as_known_at": 3, "as_known_at_time": timestamp(YEAR_2100)},
        {"as_known_at_time": timestamp(1)},
        {"as_known_at_time": timestamp(-1)},
    ):
        request = checks.GetEntitlementsRequest(tenant=account.id, **moment)
        account.server.refuses(request, ErrorReason.INVALID_FIELD, "as_known_at_time")
