"""Changes and audit entries in words: who reads them needs no manual."""

from dataclasses import replace

import pytest

from authz_service.domain.audit_changes import change_document
from authz_service.domain.audit_words import change_in_words, entry_in_words
from authz_service.domain.catalog import Limit, Plan, Role
from authz_service.domain.documents import Resource
from authz_service.domain.grant import RoleGrant
from authz_service.domain.key import ApiKey, KeyKind
from authz_service.domain.membership import Membership
from authz_service.domain.tenant import (
    StatePeriod,
    SubscriptionItem,
    SuspensionReason,
    Tenant,
    TenantState,
)
from authz_service.domain.window import Window
from tests.conformance import every_fact

DAY = 86_400_000_000
GRANT = RoleGrant("acme", "user:alice", "editor", window=Window(0, DAY), id="g1")
VERA = Membership("acme", "user:vera")
PRO = Plan("tier/pro", permissions=frozenset({"doc:read"}), limits=(Limit("seats", 5, "seat"),))
ACME = Tenant("acme", "Acme", subscription_items=(SubscriptionItem("tier/free"),))

CHANGES: dict[str, tuple[Resource | None, Resource | None, str]] = {
    "grant": (None, GRANT, "granted editor to user:alice until 1970-01-02T00:00:00Z"),
    "grant on a scope": (
        None,
        replace(GRANT, scope="project:1", window=Window()),
        "granted editor on project:1 to user:alice",
    ),
    "grant revoked": (GRANT, None, "revoked editor from user:alice"),
    "grant changed": (
        GRANT,
        replace(GRANT, reason="left"),
        "grant of editor to user:alice: reason unset → left",
    ),
    "member": (None, VERA, "created member user:vera (state active)"),
    "member gone": (VERA, None, "ended member user:vera"),
    "member suspended": (
        VERA,
        replace(VERA, suspensions=frozenset({SuspensionReason.ADMIN})),
        "member user:vera: state active → suspended; suspensions +admin",
    ),
    "tier": (
        PRO,
        replace(PRO, permissions=frozenset({"doc:write"}), limits=(Limit("seats", None, "seat"),)),
        "tier pro: permissions +doc:write, -doc:read; limits +seats unlimited seat, -seats 5 seat",
    ),
    "role": (
        Role("clerk"),
        Role("clerk", description="sorts"),
        "role clerk: description unset → sorts",
    ),
    "key": (
        ApiKey("key-1", "5ec2e7", "backend", kind=KeyKind.APP),
        None,
        "ended key 'backend' key-1",
    ),
    "account": (
        ACME,
        replace(ACME, periods=(StatePeriod(TenantState.TRIAL, Window(0, DAY)),)),
        "account acme: state active → trial; periods +trial until 1970-01-02T00:00:00Z, -active",
    ),
}


@pytest.mark.parametrize(("before", "after", "words"), CHANGES.values(), ids=CHANGES)
def test_change_in_words(before: Resource | None, after: Resource | None, words: str) -> None:
    assert change_in_words("some.thing", change_document(before, after, 7)) == words


def test_scheduled_changeset_names_its_commands_and_what_it_would_change() -> None:
    words = change_in_words("a.b", change_document(None, every_fact.SCHEDULED, 7))
    assert "rpcs CreateException, DeleteAddOn, DeleteException, GrantRole, " in words
    assert "objects deleted exception x2 of acme, updated role viewer, created role-grant " in words
    assert words.endswith(", updated tenant acme)")


def test_instants_are_written_as_their_reader_wants_them() -> None:
    change = change_document(None, GRANT, 7)
    assert change_in_words("role.granted", change, lambda _: "tomorrow").endswith("until tomorrow")


def test_change_that_shows_no_field_is_told_by_its_action() -> None:
    change = change_document(VERA, VERA, 7)
    assert change_in_words("member.link_made", change) == "member user:vera: link made"


def test_entries_in_words() -> None:
    read = {"action": "authz.role_grants:list", "targets": ["tenant:acme"]}
    assert entry_in_words(read) == "role grants: list tenant:acme"
    refused = {"action": "authz.roles:create", "refusal": "ERROR_REASON_PERMISSION_DENIED"}
    assert entry_in_words(refused) == "refused authz.roles:create (PERMISSION_DENIED)"
    applied = {"action": "policy.applied", "details": {"created": "2"}}
    assert entry_in_words(applied) == "policy applied (created 2)"
    changes = [change_document(None, GRANT, 7), change_document(VERA, None, 7)]
    assert entry_in_words({"action": "a.b", "changes": changes}).endswith(
        "; ended member user:vera"
    )


@pytest.mark.parametrize("name", every_fact.LIVES)
def test_every_kind_of_change_has_words(name: str) -> None:
    first, second = every_fact.LIVES[name]
    for before, after in ((None, first), (first, second), (second, None)):
        words = change_in_words("some.thing", change_document(before, after, 7))
        assert words
        for name_of_the_api in ("_STATE_", "_KIND_", "_REASON_", "_SOURCE_", "valid_", "_time "):
            assert name_of_the_api not in words


def test_a_line_names_the_first_of_many() -> None:
    granted = {"subject": "user:ann", "role": "viewer"}
    entry = {"action": "role.granted", "changes": [{"after": {"role_grant": granted}}] * 12}
    words = entry_in_words(entry)
    assert words.count("granted viewer to user:ann") == 10
    assert words.endswith("; and 2 more changes")
