"""Every RPC has a caller: what comes without a good key is told no more than that."""

from collections.abc import Callable
from functools import partial
from typing import Final

import pytest
from google.protobuf.message_factory import GetMessageClass

from authz_service.domain.key import KeyKind, parse, write
from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import role_grant_pb2
from tests.rpc.account import Account
from tests.rpc.harness import Caller, Server, refusal
from tests.rpc.requests import GOOD, made_ready
from tests.services import RPCS


def bearer(key: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {key}")


def altered(key: str, at: int) -> str:
    """Change one character."""
    parts = list(key)
    parts[at] = "A" if parts[at] != "A" else "B"
    return "".join(parts)


def other_secret(server: Server) -> str:
    """Join one key's id to another's secret, so that the checksum is right."""
    name, other = parse(server.operator_key), parse(server.new_key("authz.operator"))
    assert name is not None
    assert other is not None
    return write(KeyKind.OPERATOR, name[0], other[1])


def hash_for_secret(server: Server) -> str:
    """Write what whoever reads the database could."""
    key = next(iter(server.service.replica.index.keys.values()))
    return write(KeyKind.OPERATOR, key.id, key.secret_hash)


def revoked(server: Server) -> str:
    made = server.operator.keys.CreateKey(
        keys.CreateKeyRequest(key=keys.Key(roles=["authz.operator"]))
    )
    server.operator.keys.RevokeKey(keys.RevokeKeyRequest(id=made.key.id))
    return made.credential


MISSING: Final[dict[str, Callable[[Server], tuple[tuple[str, str], ...]]]] = {
    "no-metadata": lambda _: (),
    "empty": lambda _: (("authorization", ""),),
    "bearer-of-nothing": lambda _: (bearer(""),),
    "no-scheme": lambda s: (("authorization", s.operator_key),),
    "other-scheme": lambda s: (("authorization", f"Basic {s.operator_key}"),),
    "other-name": lambda s: (("x-api-key", s.operator_key),),
}
WRONG: Final[dict[str, Callable[[Server], str]]] = {
    "no-key-of-ours": lambda _: "sk-0123456789",
    "prefix-alone": lambda _: "authz_",
    "no-secret": lambda s: s.operator_key.rpartition("_")[0] + "_",
    "unknown-id": lambda _: "authz_key-0000_" + "A" * 43,
    "first-of-the-secret": lambda s: altered(s.operator_key, s.operator_key.index("_", 6) + 1),
    "last-of-the-secret": lambda s: altered(s.operator_key, -1),
    "one-more": lambda s: s.operator_key + "A",
    "one-less": lambda s: s.operator_key[:-1],
    "space-before": lambda s: " " + s.operator_key,
    "other-kind": lambda s: s.operator_key.replace("authz_op_", "authz_app_"),
    "hash-for-secret": hash_for_secret,
    "another-keys-secret": other_secret,
    "revoked": revoked,
}


@pytest.mark.parametrize("metadata", MISSING.values(), ids=MISSING)
def test_call_without_a_key_is_refused(
    account: Account, metadata: Callable[[Server], tuple[tuple[str, str], ...]]
) -> None:
    account.onboard("free", ada=["admin"])
    caller = account.server.caller_with(*metadata(account.server))
    for request in (checks.CheckRequest(tenant=account.id), keys.ListKeysRequest()):
        account.server.refuses(
            request, ErrorReason.CREDENTIALS_MISSING, says="authorization: Bearer", by=caller
        )


@pytest.mark.parametrize("key", WRONG.values(), ids=WRONG)
def test_call_with_a_wrong_key_is_refused(server: Server, key: Callable[[Server], str]) -> None:
    caller = server.caller(key(server))
    for request in (checks.CheckRequest(tenant="acme"), keys.ListKeysRequest()):
        server.refuses(request, ErrorReason.CREDENTIALS_INVALID, says="ask operations", by=caller)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_scheme_is_read_in_any_case(server: Server, scheme: str) -> None:
    caller = server.caller_with(("authorization", f"{scheme} {server.operator_key}"))
    assert caller.keys.ListKeys(keys.ListKeysRequest()).keys


def test_of_two_authorizations_neither_is_read(server: Server) -> None:
    good, other = bearer(server.operator_key), ("authorization", "Basic eDp5")
    for metadata in ((good, good), (good, other), (other, good), (good, ("authorization", ""))):
        caller = server.caller_with(*metadata)
        for request in (checks.CheckRequest(tenant="acme"), keys.ListKeysRequest()):
            server.refuses(request, ErrorReason.CREDENTIALS_INVALID, by=caller)


def test_text_of_a_key_says_its_kind_even_where_its_checksum_is_right(server: Server) -> None:
    _, _, key_id, rest = server.operator_key.split("_")
    for kind in (KeyKind.APP, KeyKind.JOB, KeyKind.SCIM):
        caller = server.caller(write(kind, key_id, rest[:-8]))
        server.refuses(keys.ListKeysRequest(), ErrorReason.CREDENTIALS_INVALID, by=caller)


def test_all_wrong_keys_are_told_the_same(server: Server) -> None:
    callers = [server.caller(key(server)) for key in WRONG.values()]
    told = [refusal(partial(each.keys.ListKeys, keys.ListKeysRequest())) for each in callers]
    assert told == [told[0]] * len(told)


@pytest.mark.parametrize("name", GOOD)
def test_no_rpc_answers_without_a_key(account: Account, name: str) -> None:
    ready = made_ready(account)
    stranger = account.server.caller_with()
    account.server.refuses(GOOD[name](ready), ErrorReason.CREDENTIALS_MISSING, by=stranger)


@pytest.mark.parametrize("name", RPCS)
def test_what_is_wrong_in_a_request_is_not_told_without_a_key(server: Server, name: str) -> None:
    request = GetMessageClass(RPCS[name].input_type)()
    server.refuses(request, ErrorReason.CREDENTIALS_INVALID, by=server.caller("authz_no_key"))


def test_key_works_from_the_revision_that_made_it(server: Server) -> None:
    made = server.operator.keys.CreateKey(
        keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker"], display_name="backend"))
    )
    assert made.revision == server.revision
    assert made.credential.startswith(f"authz_app_{made.key.id}_")
    caller = server.caller(made.credential)
    assert not caller.checks.Check(_question("nowhere")).allowed


def test_key_is_refused_from_the_revision_that_revoked_it(server: Server) -> None:
    made = server.operator.keys.CreateKey(
        keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker"]))
    )
    caller = server.caller(made.credential)
    caller.checks.Check(_question("nowhere"))
    server.operator.keys.RevokeKey(keys.RevokeKeyRequest(id=made.key.id))
    server.refuses(_question("nowhere"), ErrorReason.CREDENTIALS_INVALID, by=caller)


def test_keys_are_listed_with_their_rights_and_without_their_secrets(server: Server) -> None:
    made = server.operator.keys.CreateKey(
        keys.CreateKeyRequest(
            key=keys.Key(roles=["authz.checker", "authz.auditor"], display_name="backend")
        )
    )
    listed = server.operator.keys.ListKeys(keys.ListKeysRequest(page_size=1000))
    (found,) = (each for each in listed.keys if each.id == made.key.id)
    assert found == made.key
    assert list(found.roles) == ["authz.auditor", "authz.checker"]
    assert made.credential.rpartition("_")[2] not in str(listed)


def test_key_bound_to_tenants_is_listed_with_them(account: Account) -> None:
    account.onboard("free")
    request = keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker"], tenants=[account.id]))
    made = account.operator.keys.CreateKey(request).key
    assert list(made.tenants) == [account.id]
    listed = account.operator.keys.ListKeys(keys.ListKeysRequest(page_size=1000)).keys
    assert made in listed


def test_rights_of_a_revoked_key_are_gone_with_it(server: Server) -> None:
    made = server.operator.keys.CreateKey(
        keys.CreateKeyRequest(key=keys.Key(roles=["authz.checker", "authz.auditor"]))
    ).key
    request = role_grant_pb2.ListRoleGrantsRequest(tenant="system", subject=f"service:{made.id}")
    assert len(server.operator.role_grants.ListRoleGrants(request).role_grants) == 2
    server.operator.keys.RevokeKey(keys.RevokeKeyRequest(id=made.id))
    assert not server.operator.role_grants.ListRoleGrants(request).role_grants


def test_operator_may_revoke_its_own_key(server: Server) -> None:
    made = server.operator.keys.CreateKey(
        keys.CreateKeyRequest(key=keys.Key(roles=["authz.operator"]))
    )
    caller: Caller = server.caller(made.credential)
    caller.keys.RevokeKey(keys.RevokeKeyRequest(id=made.key.id))
    found = refusal(lambda: caller.keys.ListKeys(keys.ListKeysRequest()))
    assert found.reason == ErrorReason.CREDENTIALS_INVALID


def _question(tenant: str) -> checks.CheckRequest:
    return checks.CheckRequest(tenant=tenant, subject="user:ada", permission="invoices:view")
