"""The audit chain: canonical, linked, and without secrets."""

import json

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
from authz_service.domain.key import ApiKey
from authz_service.domain.window import Window

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="ascii")), inner),
    max_leaves=20,
)
ACTOR = Actor("service:key-1", on_behalf_of="user:eve", source_address="ipv4:127.0.0.1:5")


@given(VALUES)
def test_canonical_json_is_that_of_rfc_8785(value: object) -> None:
    assert canonical(value).encode() == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_an_entry_says_who_what_when_where_and_why() -> None:
    record = AuditRecord(
        "role.granted", "acme", ("user:alice",), None, {"role": "editor"}, "asked for"
    )
    entry = json.loads(_seal(record).entry)
    assert entry == {
        "tenant": "acme",
        "seq": 1,
        "at": "1970-01-01T00:00:00.000007Z",
        "actor": "service:key-1",
        "on_behalf_of": "user:eve",
        "action": "role.granted",
        "outcome": "done",
        "targets": ["user:alice"],
        "before": None,
        "after": {"role": "editor"},
        "reason": "asked for",
        "request_id": "r-1",
        "source_address": "ipv4:127.0.0.1:5",
        "revision": 3,
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


def test_an_entry_never_holds_the_hash_of_a_secret() -> None:
    key = ApiKey("key-1", secret_hash="5ec2e7", display_name="backend")
    entry = _seal(AuditRecord("key.created", "system", ("key-1",), None, key)).entry
    assert "5ec2e7" not in entry
    assert "backend" in entry


def test_windows_read_as_instants_and_no_end_as_null() -> None:
    entry = _seal(AuditRecord("role.granted", "acme", (), None, Window(1_000_000))).entry
    window = {"valid_from": "1970-01-01T00:00:01.000000Z", "valid_until": None}
    assert json.loads(entry)["after"] == window


def _seal(record: AuditRecord, seq: int = 1, prev_hash: str = GENESIS) -> AuditEntry:
    return seal(record, ACTOR, seq=seq, prev_hash=prev_hash, at=7, request_id="r-1", revision=3)


def _chain(length: int) -> list[AuditEntry]:
    chain: list[AuditEntry] = []
    for seq in range(1, length + 1):
        record = AuditRecord("role.granted", "acme", (f"user:{seq}",), reason="asked for")
        chain.append(_seal(record, seq, chain[-1].hash if chain else GENESIS))
    return chain


def _links(chain: list[AuditEntry]) -> list[tuple[int, str, str]]:
    return [(e.seq, e.entry, e.hash) for e in chain]
