"""The audit tells who did what, in chains that show when somebody has tampered with them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, update

from authz_service.domain.audit import Actor, AuditRecord
from authz_service.domain.call import Call
from authz_service.domain.catalog import Permission, Role
from authz_service.domain.grant import RoleGrant
from authz_service.domain.membership import Membership
from authz_service.domain.window import instant
from authz_service.errors import AuthzError
from authz_service.store import schema
from authz_service.store.unit_of_work import Transaction
from tests.conformance import every_fact, ledger
from tests.conformance.callers import GUEST, VIEWER, calling, granted, seed
from tests.conformance.store_world import CALL, NOON, OPS, StoreWorld

LOG = schema.audit_entry


@pytest.fixture
def audited(store_world: StoreWorld) -> StoreWorld:
    """Write chains of 4 and 6 entries, two of each in one transaction."""
    for at in range(4):
        store_world.commit(tenant="acme")
        store_world.put(Permission(f"doc:p{at}"))
    with store_world.store.transaction(CALL) as tx:
        for tenant in ("system", "other", "system"):
            tx.record(AuditRecord("test.read", tenant, ()))
    return store_world


def seqs(world: StoreWorld) -> dict[str, list[int]]:
    chains = ledger.chains(world.database)
    return {tenant: [entry.seq for entry in chain] for tenant, chain in chains.items()}


def tampered(world: StoreWorld, seq: int, **values: Any) -> None:
    with world.database.engine.begin() as connection:
        mine = (LOG.c.tenant == "acme", LOG.c.seq == seq)
        statement = (
            update(LOG).where(*mine).values(**values) if values else delete(LOG).where(*mine)
        )
        connection.execute(statement)


def last(world: StoreWorld, tenant: str) -> ledger.Entry:
    return ledger.chains(world.database)[tenant][-1]


def test_seq_counts_from_one_without_gaps_in_each_tenant(audited: StoreWorld) -> None:
    assert seqs(audited) == {
        "acme": [1, 2, 3, 4],
        "system": [1, 2, 3, 4, 5, 6],
        "other": [1],
    }


def test_chains_of_all_tenants_verify(audited: StoreWorld) -> None:
    ledger.assert_whole(audited.database)


def test_chains_go_on_after_a_restart(audited: StoreWorld) -> None:
    audited.another().commit(tenant="acme")
    assert seqs(audited)["acme"] == [1, 2, 3, 4, 5]
    ledger.assert_whole(audited.database)


def test_a_rolled_back_transaction_leaves_no_gap(audited: StoreWorld) -> None:
    def body(tx: Transaction) -> None:
        tx.record(AuditRecord("test.read", "acme", ()))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        audited.run(body)
    audited.commit(tenant="acme")
    assert seqs(audited)["acme"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_a_missing_entry_is_found(audited: StoreWorld, seq: int) -> None:
    tampered(audited, seq)
    assert ledger.broken(ledger.chains(audited.database)["acme"]) == seq


@pytest.mark.parametrize("seq", [1, 2, 3, 4])
def test_an_altered_entry_is_found(audited: StoreWorld, seq: int) -> None:
    entry = ledger.chains(audited.database)["acme"][seq - 1].entry
    tampered(audited, seq, entry=entry.replace("test.changed", "test.nothing"))
    assert ledger.broken(ledger.chains(audited.database)["acme"]) == seq


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_an_entry_sealed_anew_is_found_by_the_next(audited: StoreWorld, seq: int) -> None:
    chain = ledger.chains(audited.database)["acme"]
    forged = chain[seq - 1].entry.replace("test.changed", "test.nothing")
    tampered(audited, seq, entry=forged, hash=ledger.sealed(forged))
    assert ledger.broken(ledger.chains(audited.database)["acme"]) == seq + 1


def test_swapped_entries_are_found(audited: StoreWorld) -> None:
    second, third = ledger.chains(audited.database)["acme"][1:3]
    tampered(audited, 2, entry=third.entry, hash=third.hash)
    tampered(audited, 3, entry=second.entry, hash=second.hash)
    assert ledger.broken(ledger.chains(audited.database)["acme"]) == 2


def test_an_entry_tells_who_did_what_to_whom_and_when(store_world: StoreWorld) -> None:
    seed(store_world)
    store_world.put(
        Permission("authz.actors:name", internal=True),
        Role("namer", frozenset({"authz.actors:name"})),
        RoleGrant("system", OPS.subject, "namer", id="namer"),
        Role("boss", frozenset({"authz.role_grants:create", "doc:read"})),
        Membership("acme", "user:boss"),
        RoleGrant("acme", "user:boss", "boss", id="boss"),
    )
    actor = Actor(OPS.subject, on_behalf_of="user:boss", source_address="ipv4:10.0.0.1:5")
    answer = granted(store_world, Call(actor, "r1", "c"), "project:1")
    entry = last(store_world, "acme")
    document = entry.document
    assert document.pop("changes") == [{"after": {"role_grant": document["after"]}}]
    assert document == {
        "tenant": "acme",
        "seq": 1,
        "entry_time": instant(NOON),
        "actor": OPS.subject,
        "on_behalf_of": "user:boss",
        "action": "role.granted",
        "outcome": "done",
        "targets": ["user:alice"],
        "before": None,
        "after": {
            "tenant": "acme",
            "subject": "user:alice",
            "role": "viewer",
            "scope": "project:1",
            "source": "GRANT_SOURCE_MANUAL",
            "origin": "GRANT_ORIGIN_GRANTED",
            "id": answer.value.id,
        },
        "details": {},
        "reason": "",
        "request_id": "r1",
        "source_address": "ipv4:10.0.0.1:5",
        "revision": answer.revision,
        "prev_hash": "0" * 64,
    }


def test_an_entry_is_stored_in_its_canonical_form(store_world: StoreWorld) -> None:
    """RFC 8785: sorted keys, no space, characters as they are."""
    with store_world.store.transaction(CALL) as tx:
        for fact in every_fact.ALL:
            tx.record(
                AuditRecord("test.read", "acme", (every_fact.TEXT,), None, fact, every_fact.TEXT)
            )
    for entry in ledger.chains(store_world.database)["acme"]:
        plain = json.dumps(
            json.loads(entry.entry), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
        assert entry.entry == plain
    ledger.assert_whole(store_world.database)


def test_a_refusal_is_audited_in_a_transaction_of_its_own(store_world: StoreWorld) -> None:
    revision = seed(store_world)
    granted(store_world, calling(""))
    with pytest.raises(AuthzError):
        granted(store_world, calling(""))
    refused = last(store_world, "acme")
    assert refused.document["outcome"] == "ROLE_GRANT_EXISTS"
    assert refused.revision == revision + 1 == ledger.head(store_world.database)
    ledger.assert_whole(store_world.database)


def test_a_stranger_is_audited_where_no_customer_reads(store_world: StoreWorld) -> None:
    seed(store_world)
    with pytest.raises(AuthzError):
        granted(store_world, calling("r1", actor=GUEST))
    entry = last(store_world, "system")
    assert entry.actor == GUEST.subject
    assert entry.document["outcome"] == "PERMISSION_DENIED"
    assert entry.document["targets"] == ["tenant:acme"]
    assert "acme" not in ledger.chains(store_world.database)


def test_a_refused_rehearsal_leaves_no_trace(store_world: StoreWorld) -> None:
    seed(store_world)
    granted(store_world, calling(""))
    before = ledger.contents(store_world.database)
    with pytest.raises(AuthzError):
        granted(store_world, replace(calling(""), validate_only=True))
    assert ledger.contents(store_world.database) == before


def test_no_secret_stands_in_the_audit(store_world: StoreWorld) -> None:
    with store_world.store.transaction(CALL) as tx:
        tx.change(None, every_fact.KEY)
        tx.record(AuditRecord("key.created", "system", ("key-1",), None, every_fact.KEY))
    assert every_fact.KEY.secret_hash not in last(store_world, "system").entry
    assert "secret" not in last(store_world, "system").entry
    assert VIEWER.grant.tenant not in ledger.chains(store_world.database)
