"""Callers by their certificate, and identities as operations see them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pytest
from cryptography.x509 import DNSName, RFC822Name, UniformResourceIdentifier

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import identity_pb2 as pb
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.gen.authz.v1 import role_grant_pb2
from tests.rpc.account import Account, timestamp
from tests.rpc.certificates import Authority, Pair, files
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Caller, Refusal, Server, refusal, serving

SPIFFE = "spiffe://example.com/billing"
QUESTION = checks.CheckRequest(tenant="acme", subject="user:ada", permission="invoices:view")
CERTIFICATE = pb.IDENTITY_KIND_CERTIFICATE_COMMON_NAME
INVALID = ErrorReason.CREDENTIALS_INVALID


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def served(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mtls")
    ours = files(folder, "server", authority.sign())
    (folder / "ca.pem").write_bytes(authority.pem)
    paths: dict[str, Any] = {
        "tls_cert": ours.certificate,
        "tls_key": ours.key,
        "tls_client_ca": folder / "ca.pem",
    }
    with serving(folder, **paths) as server:
        yield server


@contextmanager
def showing(
    server: Server, authority: Authority, pair: Pair, *metadata: tuple[str, str]
) -> Iterator[Caller]:
    """Connect to both ports with a certificate."""
    credentials = grpc.ssl_channel_credentials(authority.pem, pair.key, pair.certificate)
    options = (("grpc.use_local_subchannel_pool", 1),)
    ports = (server.service.check_port.number, server.service.admin_port.number)
    opened = [grpc.secure_channel(server.address(port), credentials, options) for port in ports]
    with opened[0] as checking, opened[1] as admin:
        yield Caller(checking, admin, *metadata)


@pytest.fixture
def operator(served: Server, authority: Authority) -> Iterator[Caller]:
    key = ("authorization", f"Bearer {served.operator_key}")
    with showing(served, authority, authority.sign("operations"), key) as caller:
        yield caller


def register(
    by: Caller, name: str, *roles: str, kind: Any = CERTIFICATE, **more: Any
) -> pb.Identity:
    identity = pb.Identity(kind=kind, name=name, roles=roles, **more)
    return by.identities.CreateIdentity(pb.CreateIdentityRequest(identity=identity)).identity


def told(caller: Caller, request: Any = QUESTION) -> Refusal:
    return refusal(partial(caller.call, request))


NAMES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "uri": (
        pb.IDENTITY_KIND_CERTIFICATE_URI,
        SPIFFE,
        {"also": [UniformResourceIdentifier(SPIFFE)]},
    ),
    "dns": (
        pb.IDENTITY_KIND_CERTIFICATE_DNS,
        "billing.example.com",
        {"also": [DNSName("Billing.example.com")]},
    ),
    "email": (
        pb.IDENTITY_KIND_CERTIFICATE_EMAIL,
        "billing@example.com",
        {"also": [RFC822Name("billing@example.com")]},
    ),
    "ip": (pb.IDENTITY_KIND_CERTIFICATE_IP, "2001:db8::7", {"ip": "2001:db8:0::7"}),
    "common-name": (CERTIFICATE, "billing", {"name": "billing"}),
}


@pytest.mark.parametrize(("kind", "name", "pair"), NAMES.values(), ids=NAMES)
def test_registered_name_on_a_certificate_is_a_caller(
    served: Server,
    authority: Authority,
    operator: Caller,
    kind: Any,
    name: str,
    pair: dict[str, Any],
) -> None:
    made = register(operator, name, "authz.checker", kind=kind)
    with showing(served, authority, authority.sign(**pair)) as caller:
        caller.checks.Check(QUESTION)
        found = told(caller, keys.ListKeysRequest())
    assert found.reason == ErrorReason.PERMISSION_DENIED
    assert f"service:{made.id}" in found.message


@pytest.mark.parametrize("kind", [each for each, _, _ in NAMES.values()], ids=NAMES)
def test_name_of_one_type_is_not_taken_for_another(
    served: Server, authority: Authority, operator: Caller, kind: Any
) -> None:
    """Whoever may choose a common name, or one type of the others, gets nobody else's rights."""
    name = "192.0.2.77" if kind == pb.IDENTITY_KIND_CERTIFICATE_IP else f"t{kind}:a@x.example"
    if kind == pb.IDENTITY_KIND_CERTIFICATE_DNS:
        name = "typed.example.com"
    register(operator, name, "authz.checker", kind=kind)
    shown = {
        pb.IDENTITY_KIND_CERTIFICATE_URI: {"also": [UniformResourceIdentifier(name)]},
        pb.IDENTITY_KIND_CERTIFICATE_DNS: {"also": [DNSName(name)]},
        pb.IDENTITY_KIND_CERTIFICATE_EMAIL: {"also": [RFC822Name(name)]},
        CERTIFICATE: {"name": name},
    }
    for other, pair in shown.items():
        if other != kind:
            with showing(served, authority, authority.sign(**pair)) as caller:  # type: ignore[arg-type]
                assert told(caller).reason == INVALID


def test_certificate_with_two_uris_is_nobodys(
    served: Server, authority: Authority, operator: Caller
) -> None:
    one, other = "spiffe://example.com/one", "spiffe://example.com/other"
    register(operator, one, "authz.checker", kind=pb.IDENTITY_KIND_CERTIFICATE_URI)
    both = [UniformResourceIdentifier(one), UniformResourceIdentifier(other)]
    for names in (both, both[::-1], [*both, DNSName("x.example.com")]):
        with showing(served, authority, authority.sign(also=names)) as caller:
            assert told(caller).reason == INVALID


def test_unregistered_expired_and_removed_are_told_the_same(
    served: Server, authority: Authority, operator: Caller
) -> None:
    register(operator, "expires", "authz.checker", expire_time=timestamp(time.time() + 0.3))
    gone = register(operator, "gone", "authz.checker")
    operator.identities.DeleteIdentity(pb.DeleteIdentityRequest(id=gone.id))
    found = []
    for name in ("nobody", "gone", "expires"):
        with showing(served, authority, authority.sign(name)) as caller:
            deadline = time.monotonic() + 20
            while name == "expires" and lets_in(caller) and time.monotonic() < deadline:
                time.sleep(0.01)
            found.append(told(caller))
    assert found == [found[0]] * len(found)
    assert found[0].reason == INVALID


def lets_in(caller: Caller) -> bool:
    try:
        caller.checks.Check(QUESTION)
    except grpc.RpcError:
        return False
    return True


def test_key_or_token_that_is_sent_counts_alone(
    served: Server, authority: Authority, operator: Caller
) -> None:
    register(operator, "both", "authz.operator")
    pair = authority.sign("both")
    for sent, reason in (
        ("Bearer authz_no_key", INVALID),
        ("Bearer eyJ.eyJ.x", INVALID),
        ("Basic x", ErrorReason.CREDENTIALS_MISSING),
        ("", ErrorReason.CREDENTIALS_MISSING),
    ):
        with showing(served, authority, pair, ("authorization", sent)) as caller:
            assert told(caller).reason == reason


def test_certificate_identity_is_no_token_and_names_compare_whole(
    served: Server, authority: Authority, operator: Caller
) -> None:
    register(operator, "exact.example.com", "authz.checker")
    for name in ("Exact.example.com", "exact.example.com.", "x.exact.example.com"):
        with showing(served, authority, authority.sign(name)) as caller:
            assert told(caller).reason == INVALID


def test_identity_is_listed_got_and_removed_with_its_rights(account: Account) -> None:
    account.onboard("free", ada=["admin"])
    by = account.operator
    name, ends = fresh_name("name"), timestamp(time.time() + 600)
    made = register(
        by,
        name,
        *("authz.checker", "authz.auditor"),
        tenants=[account.id],
        display_name="backend",
        expire_time=ends,
    )
    assert (made.name, list(made.roles), list(made.tenants)) == (
        name,
        ["authz.auditor", "authz.checker"],
        [account.id],
    )
    assert made.expire_time == ends
    assert by.identities.GetIdentity(pb.GetIdentityRequest(id=made.id)).identity == made
    listed = by.identities.ListIdentities(pb.ListIdentitiesRequest(page_size=1000)).identities
    assert made in listed
    held = role_grant_pb2.ListRoleGrantsRequest(tenant="system", subject=f"service:{made.id}")
    assert len(by.call(held).role_grants) == 2
    removed = by.identities.DeleteIdentity(pb.DeleteIdentityRequest(id=made.id, reason="left"))
    assert removed.identity == made
    assert not by.call(held).role_grants
    account.server.refuses(
        pb.GetIdentityRequest(id=made.id), ErrorReason.IDENTITY_NOT_FOUND, at="id"
    )
    account.server.refuses(
        pb.DeleteIdentityRequest(id=made.id), ErrorReason.IDENTITY_NOT_FOUND, at="id"
    )
    assert register(by, name, "authz.checker").id != made.id


def test_pages_of_identities_hold_each_once(server: Server) -> None:
    made = {register(server.operator, fresh_name("paged"), "authz.checker").id for _ in range(5)}
    found, token = [], ""
    while True:
        request = pb.ListIdentitiesRequest(page_size=2, page_token=token)
        answer = server.operator.identities.ListIdentities(request)
        found += [each.id for each in answer.identities]
        if not (token := answer.next_page_token):
            break
    assert made <= set(found)
    assert len(found) == len(set(found))


def test_same_name_is_registered_once_a_kind_and_issuer(server: Server) -> None:
    name = fresh_name("name")
    first = register(server.operator, name, "authz.checker")
    again = pb.Identity(kind=CERTIFICATE, name=name, roles=["authz.checker"])
    found = server.refuses(
        pb.CreateIdentityRequest(identity=again),
        ErrorReason.IDENTITY_EXISTS,
        at="identity.name",
    )
    assert found.metadata == {"id": first.id}
    for issuer in ("https://a.example", "https://b.example"):
        token = pb.Identity(
            kind=pb.IDENTITY_KIND_TOKEN, issuer=issuer, name=name, roles=["authz.checker"]
        )
        request = pb.CreateIdentityRequest(identity=token)
        assert server.operator.identities.CreateIdentity(request).identity.issuer == issuer


def wanted(**fields: Any) -> pb.Identity:
    good: dict[str, Any] = {"kind": CERTIFICATE, "name": "x", "roles": ["authz.checker"]}
    return pb.Identity(**(good | fields))


WRONG: dict[str, tuple[pb.Identity, ErrorReason, str]] = {
    "no-kind": (wanted(kind=0), ErrorReason.INVALID_FIELD, "identity.kind"),
    "other-kind": (wanted(kind=9), ErrorReason.INVALID_FIELD, "identity.kind"),
    "own-id": (wanted(id="idn-1"), ErrorReason.INVALID_FIELD, "identity.id"),
    "no-name": (wanted(name=""), ErrorReason.INVALID_FIELD, "identity.name"),
    "long-name": (wanted(name="x" * 256), ErrorReason.INVALID_FIELD, "identity.name"),
    "control": (wanted(name="a\nb"), ErrorReason.INVALID_FIELD, "identity.name"),
    "blank-end": (wanted(name="a "), ErrorReason.INVALID_FIELD, "identity.name"),
    "no-uri": (
        wanted(kind=pb.IDENTITY_KIND_CERTIFICATE_URI),
        ErrorReason.INVALID_FIELD,
        "identity.name",
    ),
    "upper-case-host": (
        wanted(kind=pb.IDENTITY_KIND_CERTIFICATE_DNS, name="A.example"),
        ErrorReason.INVALID_FIELD,
        "identity.name",
    ),
    "no-email": (
        wanted(kind=pb.IDENTITY_KIND_CERTIFICATE_EMAIL),
        ErrorReason.INVALID_FIELD,
        "identity.name",
    ),
    "long-address": (
        wanted(kind=pb.IDENTITY_KIND_CERTIFICATE_IP, name="2001:db8:0::7"),
        ErrorReason.INVALID_FIELD,
        "identity.name",
    ),
    "token-without-issuer": (
        wanted(kind=pb.IDENTITY_KIND_TOKEN),
        ErrorReason.INVALID_FIELD,
        "identity.issuer",
    ),
    "certificate-with-issuer": (
        wanted(issuer="https://a"),
        ErrorReason.INVALID_FIELD,
        "identity.issuer",
    ),
    "no-role": (wanted(roles=[]), ErrorReason.INVALID_FIELD, "identity.roles"),
    "no-such-role": (wanted(roles=["nope"]), ErrorReason.ROLE_NOT_FOUND, "identity.roles"),
    "customers-role": (
        wanted(roles=["viewer"]),
        ErrorReason.ROLE_NOT_ASSIGNABLE,
        "identity.roles",
    ),
    "no-such-tenant": (
        wanted(tenants=["nowhere"]),
        ErrorReason.TENANT_NOT_FOUND,
        "identity.tenants",
    ),
    "system": (wanted(tenants=["system"]), ErrorReason.TENANT_RESERVED, "identity.tenants"),
    "over": (
        wanted(expire_time=timestamp(1)),
        ErrorReason.INVALID_WINDOW,
        "identity.expire_time",
    ),
    "long-display-name": (
        wanted(display_name="x" * 201),
        ErrorReason.INVALID_FIELD,
        "identity.display_name",
    ),
}


@pytest.mark.parametrize(("identity", "reason", "field"), WRONG.values(), ids=WRONG)
def test_identity_that_cannot_be_registered_changes_nothing(
    server: Server, identity: pb.Identity, reason: ErrorReason, field: str
) -> None:
    server.refuses(pb.CreateIdentityRequest(identity=identity), reason, at=field)
