"""The audit chain: canonical, linked, and without secrets."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from authz_service.domain.audit import (
    GENESIS,
    Actor,
    AuditEntry,
    AuditRecord,
    broken_link,
    canonical,
    seal,
)
from authz_service.domain.audit_changes import change_document, told_by
from authz_service.domain.change import FactChange
from authz_service.domain.key import ApiKey
from authz_service.domain.membership import Membership

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)
KEY = ApiKey("key-1", "5ec2e7")
ACTOR = Actor("service:key-1", on_behalf_of="user:eve", source_address="ipv4:127.0.0.1:5")


@given(VALUES)
def test_canonical_json_is_that_of_rfc_8785(value: object) -> None:
    assert canonical(value).encode() == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_an_entry_says_who_what_when_where_and_why() -> None:
    record = AuditRecord(
        "role.granted", "acme", ("user:alice",), reason="asked for", details={"a": "b", "c": ""}
    )
    change = {"after": {"role_grant": {"role": "editor"}}}
    entry = json.loads(_seal(record, changes=[change]).entry)
    assert entry == {
        "tenant": "acme",
        "seq": "1",
        "entry_time": "1970-01-01T00:00:00.000007Z",
        "actor": "service:key-1",
        "on_behalf_of": "user:eve",
        "action": "role.granted",
        "outcome": "AUDIT_OUTCOME_DONE",
        "targets": ["user:alice"],
        "changes": [change],
        "details": {"a": "b"},
        "reason": "asked for",
        "request_id": "r-1",
        "source_address": "ipv4:127.0.0.1:5",
        "revision": "3",
        "prev_hash": GENESIS,
    }


def test_a_whole_chain_has_no_broken_link() -> None:
    assert broken_link(_links(_chain(5))) is None


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_an_altered_entry_breaks_the_chain_where_it_stands(seq: int) -> None:
    chain = _chain(5)
    entry = chain[seq - 1].entry.replace("asked for", "nobody asked")
    chain[seq - 1] = chain[seq - 1]._replace(entry=entry)
    assert broken_link(_links(chain)) == seq


def test_a_missing_entry_breaks_the_chain_at_its_place() -> None:
    chain = _chain(5)
    del chain[2]
    assert broken_link(_links(chain)) == 3


def test_a_stretch_is_verified_from_the_entry_that_it_follows() -> None:
    chain = _chain(5)
    assert broken_link(_links(chain[2:]), (2, chain[1].hash)) is None
    assert broken_link(_links(chain[2:]), (2, chain[0].hash)) == 3


def test_a_refusal_says_why() -> None:
    record = AuditRecord("authz.role_grants:create", "acme", (), outcome="PERMISSION_DENIED")
    entry = json.loads(_seal(record).entry)
    assert entry["outcome"] == "AUDIT_OUTCOME_REFUSED"
    assert entry["refusal"] == "ERROR_REASON_PERMISSION_DENIED"
    assert "changes" not in entry


def test_a_change_never_holds_the_hash_of_a_secret() -> None:
    key = ApiKey("key-1", secret_hash="5ec2e7", display_name="backend")
    change = str(change_document(None, key, 7))
    assert "5ec2e7" not in change
    assert "backend" in change


def test_every_change_is_told_by_its_record_or_by_the_first_of_its_tenant() -> None:
    alice, bob, key = Membership("acme", "user:alice"), Membership("acme", "user:bob"), KEY
    records = [
        AuditRecord("key.created", "system", (), None, key),
        AuditRecord("batch.done", "acme", ()),
        AuditRecord("member.removed", "acme", (), bob, None),
    ]
    changes = [FactChange(None, alice), FactChange(bob, None), FactChange(None, replace(key))]
    assert told_by(records, changes, 7) == [
        [change_document(None, key, 7)],
        [change_document(None, alice, 7)],
        [change_document(bob, None, 7)],
    ]


def _seal(
    record: AuditRecord,
    seq: int = 1,
    prev_hash: str = GENESIS,
    changes: Sequence[dict[str, Any]] = (),
) -> AuditEntry:
    return seal(
        record,
        list(changes),
        ACTOR,
        seq=seq,
        prev_hash=prev_hash,
        at=7,
        request_id="r-1",
        revision=3,
    )


def _chain(length: int) -> list[AuditEntry]:
    chain: list[AuditEntry] = []
    for seq in range(1, length + 1):
        record = AuditRecord("role.granted", "acme", (f"user:{seq}",), reason="asked for")
        chain.append(_seal(record, seq, chain[-1].hash if chain else GENESIS))
    return chain


def _links(chain: list[AuditEntry]) -> list[tuple[int, str, str]]:
    return [(e.seq, e.entry, e.hash) for e in chain]
