"""Who changed what and why can be listed, and a chain that was tampered with is found out."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, update

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.catalog import Permission
from authz_service.domain.change import FactChange
from authz_service.domain.documents import document
from authz_service.domain.membership import Membership
from authz_service.domain.window import Window, instant
from authz_service.errors import ErrorReason
from authz_service.store import schema
from authz_service.store.audit_log import Filters, Revisions
from authz_service.usecases.audit import auditing
from authz_service.usecases.audit.auditing import (
    ListAuditEntries,
    ListChanges,
    Verified,
    VerifyAudit,
)
from authz_service.usecases.grants.role_grants import (
    DeleteRoleGrant,
    GetRoleGrant,
    UpdateRoleGrant,
    delete_role_grant,
    get_role_grant,
    update_role_grant,
)
from authz_service.usecases.kernel.execution import Answer
from authz_service.usecases.kernel.paging import PageRequest
from tests.conformance import granting, ledger
from tests.conformance.granting import ONLY_ACME, bulk_grant, calling, grant, refused
from tests.conformance.store_world import NOON, OPS, StoreWorld

LOG = schema.audit_entry


@pytest.fixture
def world(store_world: StoreWorld) -> StoreWorld:
    """Grant two roles, amend one and end it, each in a minute of its own."""
    granting.seed(store_world)
    actor = Actor(OPS.subject)
    call = calling(actor, request_id="r1", fingerprint="f")
    first, _ = bulk_grant(store_world, grant(reason="work"), grant("bob"), call=call).value
    tell(store_world, update_role_grant, amended(first.id), "shorter")
    tell(store_world, delete_role_grant, DeleteRoleGrant(tenant="acme", id=first.id), "left")
    return store_world


def tell(world: StoreWorld, case: Any, wanted: Any, reason: str) -> Answer[Any]:
    world.clock.now += 60_000_000
    return world.executor.change(calling(reason=reason), case, wanted)


def amended(grant_id: str) -> UpdateRoleGrant:
    return UpdateRoleGrant(
        tenant="acme", id=grant_id, mask=("valid_until",), window=Window(0, NOON * 2), reason=""
    )


def changes(
    world: StoreWorld,
    tenant: str = "acme",
    size: int = 0,
    filters: dict[str, Any] | None = None,
    **how: Any,
) -> list[Any]:
    """List every change, page by page."""
    found: list[Any] = []
    token = ""
    while not found or token:
        query = ListChanges(
            filters=Filters(tenant, oldest_first=True, **(filters or {})),
            page=PageRequest(size, token),
            revisions=Revisions(**how),
        )
        page = world.executor.read(OPS, auditing.list_changes, query).value
        found, token = [*found, *page.items], page.next_token
        if not found:
            break
    return found


def revision(change: Any) -> int:
    return int(change.entry["revision"])


def entries(world: StoreWorld, size: int = 0, **how: Any) -> list[Any]:
    """List every entry, page by page."""
    found: list[Any] = []
    token = ""
    while True:
        filters = Filters(**({"oldest_first": True} | how))
        query = ListAuditEntries(filters=filters, page=PageRequest(size, token))
        page = world.executor.read(OPS, auditing.list_audit_entries, query).value
        found, token = [*found, *(item.entry for item in page.items)], page.next_token
        if not token:
            return found


def verify(world: StoreWorld, tenant: str = "acme", **how: Any) -> Verified:
    wanted = VerifyAudit(tenant=tenant, **how)
    return world.executor.read(OPS, auditing.verify_audit, wanted).value


def test_changes_tell_what_by_whom_and_why_oldest_first(world: StoreWorld) -> None:
    found = [each for each in changes(world) if each.entry["action"] != "test.changed"]
    assert [(each.entry["action"], each.entry.get("reason", "")) for each in found] == [
        ("role.granted", "work"),
        ("role.granted", ""),
        ("role_grant.updated", "shorter"),
        ("role.revoked", "left"),
    ]
    granted, _, shortened, ended = found
    assert "before" not in granted.change
    assert shortened.change["after"] == ended.change["before"]
    assert shortened.change["after"]["role_grant"]["valid_until"] == instant(NOON * 2)
    assert "after" not in ended.change
    who = ("actor", "request_id", "entry_time")
    assert [granted.entry[name] for name in who] == [OPS.subject, "r1", instant(NOON)]
    assert ended.entry["entry_time"] == instant(NOON + 120_000_000)


def test_changes_are_those_between_two_revisions(world: StoreWorld) -> None:
    last = ledger.head(world.database)
    revisions = [revision(each) for each in changes(world)]
    assert revisions == sorted(revisions)
    assert {revision(each) for each in changes(world, after=last - 1)} == {last}
    assert {revision(each) for each in changes(world, until=last - 1)} == set(revisions) - {last}
    assert {revision(c) for c in changes(world, after=last - 2, until=last - 1)} == {last - 1}
    assert changes(world, after=last) == []
    assert changes(world, after=2**63 - 1) == []


def test_changes_are_the_same_in_pages_of_any_size(world: StoreWorld) -> None:
    for tenant in ("acme", "system"):
        whole = changes(world, tenant)
        assert len(whole) > 3
        for size in (1, 2, len(whole) - 1):
            assert changes(world, tenant, size) == whole


def test_changes_of_one_customer_say_nothing_of_another(world: StoreWorld) -> None:
    bulk_grant(world, grant(), grant("bob", tenant="beta"))
    found = changes(world, "beta")
    granted = [each for each in found if each.entry["action"] == "role.granted"]
    assert [each.change["after"]["role_grant"]["subject"] for each in granted] == ["user:bob"]
    assert {each.entry["tenant"] for each in found} == {"beta"}


def test_change_of_the_catalogue_is_a_change_of_system(world: StoreWorld) -> None:
    world.put(Permission("doc:print"), Membership("system", "service:other"))
    resources = [each.change["after"] for each in changes(world, "system")][-2:]
    written = (Permission("doc:print"), Membership("system", "service:other"))
    assert resources == [document(fact, NOON) for fact in written]


def test_changes_of_all_accounts_are_in_the_order_in_which_they_were_made(
    world: StoreWorld,
) -> None:
    bulk_grant(world, grant(), grant("bob", tenant="beta"))
    everything = changes(world, "")
    revisions = [revision(each) for each in everything]
    assert revisions == sorted(revisions)
    assert {each.entry["tenant"] for each in everything} == {"acme", "beta", "system"}
    assert changes(world, "", 2) == everything
    newest = ListChanges(filters=Filters(), page=PageRequest(1000), revisions=Revisions())
    listed = world.executor.read(OPS, auditing.list_changes, newest).value.items
    assert [revision(each) for each in listed] == revisions[::-1]


def test_changes_are_found_by_who_when_and_what(world: StoreWorld) -> None:
    def actions(**filters: Any) -> list[str]:
        return [each.entry["action"] for each in changes(world, filters=filters)]

    assert actions(action_prefix="role_grant") == ["role_grant.updated"]
    assert actions(action_prefix="role.") == ["role.granted", "role.granted", "role.revoked"]
    assert actions(start=NOON + 60_000_000) == ["role_grant.updated", "role.revoked"]
    assert "role_grant.updated" not in actions(end=NOON + 60_000_000)
    assert actions(actor="service:nobody") == actions(on_behalf_of="user:nobody") == []
    assert "role.revoked" in actions(actor=OPS.subject)


def test_revisions_that_make_no_sense_are_refused(world: StoreWorld) -> None:
    wrong: dict[str, list[dict[str, Any]]] = {
        "after_revision": [{"after": -1}],
        "until_revision": [{"until": -1}, {"after": 5, "until": 4}],
    }
    for how, field in ((each, field) for field, found in wrong.items() for each in found):
        error = refused(partial(changes, world, **how))
        assert (error.reason, error.field) == (ErrorReason.INVALID_FIELD, field)


def test_entries_are_listed_as_they_were_sealed(world: StoreWorld) -> None:
    chain = ledger.chains(world.database)["acme"]
    found = entries(world, tenant="acme")
    assert [tuple(each) for each in found] == [tuple(each) for each in chain]


@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("tenant", ["acme", ""])
def test_entries_come_to_an_end_though_every_look_adds_one(
    world: StoreWorld, tenant: str, oldest_first: bool
) -> None:
    whole = entries(world, tenant=tenant, oldest_first=oldest_first)
    own = tenant or "system"
    looks = [each for each in entries(world, 1, tenant=tenant) if each not in whole]
    assert {(each.tenant, each.action) for each in looks} == {(own, "authz.audit:list")}
    assert len(looks) == 1
    again = entries(world, 1, tenant=tenant, oldest_first=oldest_first)
    assert [each for each in again if each in whole] == whole


def test_entries_are_filtered(world: StoreWorld) -> None:
    refused(partial(bulk_grant, world, grant("nobody"), call=calling(ONLY_ACME)))

    def found(**how: Any) -> list[str]:
        return [each.action for each in entries(world, tenant="acme", **how)]

    assert found(action_prefix="role.revoked") == ["role.revoked"]
    assert found(actor=ONLY_ACME.subject) == ["authz.role_grants:create"]
    assert found(outcome="refused") == found(outcome="NOT_A_MEMBER") == ["authz.role_grants:create"]
    assert found(outcome="PERMISSION_DENIED") == []
    assert "authz.role_grants:create" not in found(outcome="done")
    assert found(start=NOON + 1)[0] == "role_grant.updated"
    assert found(end=NOON + 1) == ["role.granted", "role.granted"]
    assert found(start=NOON + 60_000_000, end=NOON + 120_000_000) == ["role_grant.updated"]


def test_outcome_is_not_taken_from_what_a_caller_wrote(world: StoreWorld) -> None:
    text = '"outcome":"NOT_A_MEMBER","prev_hash":"'
    bulk_grant(world, grant(reason=text), call=calling(reason=text))
    assert entries(world, tenant="acme", outcome="NOT_A_MEMBER") == []


def test_outcome_is_not_taken_from_what_an_entry_is_about(world: StoreWorld) -> None:
    about = {"outcome": "NOT_A_MEMBER", "seq": "1"}
    world.run(lambda tx: tx.record(AuditRecord("test.read", "acme", (), details=about)))
    assert entries(world, tenant="acme", outcome="NOT_A_MEMBER") == []


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"actor": "nobody"}, "actor"),
        ({"action_prefix": "%' OR 1"}, "action_prefix"),
        ({"on_behalf_of": "nobody"}, "on_behalf_of"),
        ({"outcome": "fine"}, "outcome"),
        ({"start": -1}, "start_time"),
    ],
)
def test_filter_that_nothing_can_answer_is_refused(
    world: StoreWorld, filters: dict[str, Any], field: str
) -> None:
    assert refused(partial(entries, world, **filters)).field == field


def test_whole_chain_is_told_with_its_end(world: StoreWorld) -> None:
    for tenant in ("acme", "system"):
        chain = ledger.chains(world.database)[tenant]
        last = chain[-1]
        assert verify(world, tenant) == Verified(0, len(chain), last.seq, last.hash)


@pytest.mark.parametrize("seq", [1, 2, 3])
@pytest.mark.parametrize("how", ["missing", "altered", "column"])
def test_chain_breaks_where_it_was_tampered_with(world: StoreWorld, seq: int, how: str) -> None:
    chain = ledger.chains(world.database)["acme"]
    mine = (LOG.c.tenant == "acme", LOG.c.seq == seq)
    done = {
        "missing": delete(LOG).where(*mine),
        "altered": update(LOG).where(*mine).values(entry=chain[seq - 1].entry.replace("o", "0")),
        "column": update(LOG).where(*mine).values(actor="service:mallory"),
    }
    with world.database.engine.begin() as connection:
        connection.execute(done[how])
    good = chain[seq - 2] if seq > 1 else None
    last = (good.seq, good.hash) if good else (0, "0" * 64)
    assert verify(world) == Verified(seq, seq - 1, *last)


def test_chain_that_was_cut_off_or_sealed_anew_is_shown_by_a_hash_kept_elsewhere(
    world: StoreWorld,
) -> None:
    kept = verify(world)
    anchor: dict[str, Any] = {"after_seq": kept.last_seq, "after_hash": kept.last_hash}
    since = verify(world, **anchor)
    assert (since.broken_seq, since.verified) == (0, 1)
    assert verify(world, after_seq=kept.last_seq, after_hash="0" * 64).broken_seq == kept.last_seq
    with world.database.engine.begin() as connection:
        connection.execute(delete(LOG).where(LOG.c.tenant == "acme", LOG.c.seq >= kept.last_seq))
    assert verify(world).broken_seq == 0
    assert verify(world, **anchor).broken_seq == kept.last_seq


@pytest.mark.parametrize("how", [{"after_seq": 1}, {"after_hash": "0" * 64}, {"after_seq": -1}])
def test_half_an_anchor_is_refused(world: StoreWorld, how: dict[str, Any]) -> None:
    assert refused(partial(verify, world, **how)).field == "after_seq"


def test_refused_read_leaves_an_entry_that_names_what_was_looked_for(world: StoreWorld) -> None:
    wanted = GetRoleGrant(tenant="acme", id="gone")
    refused(lambda: world.executor.read(OPS, get_role_grant, wanted))
    last = ledger.chains(world.database)["acme"][-1].document
    assert (last["action"], last["outcome"]) == ("authz.role_grants:get", "ROLE_GRANT_NOT_FOUND")
    assert last["targets"] == ["tenant:acme", "gone"]


def test_read_entry_names_the_object_that_was_read(world: StoreWorld) -> None:
    made = bulk_grant(world, grant("carol")).value[0]
    world.executor.read(OPS, get_role_grant, GetRoleGrant(tenant="acme", id=made.id))
    last = ledger.chains(world.database)["acme"][-1].document
    assert (last["outcome"], last["targets"]) == ("done", ["tenant:acme", made.id])


def test_page_tokens_that_nobody_was_given_are_refused(world: StoreWorld) -> None:
    for key in ("acme", "1/acme/x/1", "1/a c/1/1", "-1/acme/1/1", "1/acme/1/" + "9" * 30):
        error = refused(partial(auditing._place, key, "revision/tenant/seq/number"))
        assert error.reason is ErrorReason.INVALID_PAGE_TOKEN


def test_a_change_is_explained_by_the_entry_about_it(world: StoreWorld) -> None:
    """One call may say why for each thing that it does."""
    wanted = (grant("bob", "editor", reason="one"), grant("carol", reason="two"))
    revision = bulk_grant(world, *wanted).revision
    found = list(changes(world, after=revision - 1))
    told = [(c.change["after"]["role_grant"]["subject"], c.entry["reason"]) for c in found]
    assert told == [("user:bob", "one"), ("user:carol", "two")]


def test_change_without_an_entry_about_it_is_explained_by_the_call(world: StoreWorld) -> None:
    alice = Membership("acme", "user:alice")
    world.commit(FactChange(alice, None), tenant="acme")
    assert changes(world)[-1].entry["action"] == "test.changed"
