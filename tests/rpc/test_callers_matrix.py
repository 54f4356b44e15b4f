"""Every RPC meets every kind of caller: let in or refused as the shipped roles say, and no refused
call leaves a trace beyond its audit entry.

A new RPC is met here by itself once `requests.py` has a good request for it; a new kind of caller
is one more line in `_kinds`.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import func, select

from authz_service.errors import ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import identity_pb2 as identities
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.store import schema
from tests.audited import told
from tests.rpc.access import RIGHT_OF
from tests.rpc.account import Account, timestamp
from tests.rpc.certificates import Authority, files
from tests.rpc.harness import Caller, Server, refusal, serving
from tests.rpc.issuer import AUDIENCE, Issuer, issuing
from tests.rpc.published import PROTO
from tests.rpc.requests import CHANGES, GOOD, OF_OWN_ROLES, Ready, made_ready, places_of_tenant
from tests.rpc.test_certificate_callers import lets_in, showing
from tests.rpc.test_rights import NOT_ABOUT_ONE, alone, lets
from tests.services import RPCS, SERVICES

HERE: Final = "here"
ELSEWHERE: Final = "elsewhere"
OPEN: Final = "open"
"""The account of the users who call."""

NAME_ACTORS: Final = "authz.actors:name"
MISSING: Final = ErrorReason.CREDENTIALS_MISSING
INVALID: Final = ErrorReason.CREDENTIALS_INVALID
KEY_BEARER: Final = "authorization"


@dataclass(frozen=True)
class Service:
    """What holds right `r` for tenants `t`: one of `roles`, everywhere or in `bound` alone."""

    role: str
    bound: Set[str] = frozenset()

    def lacks(self, right: str, tenants: Set[str]) -> str:
        everywhere = not self.bound or (tenants and tenants <= self.bound)
        return "" if everywhere and lets(self.role, right, one=bool(tenants)) else right


@dataclass(frozen=True)
class User:
    """A customer's user, with a role in each of some tenants and in no other."""

    roles: Mapping[str, str] = field(default_factory=dict)

    def lacks(self, right: str, tenants: Set[str]) -> str:
        held = [lets(self.roles[t], right, one=True) for t in tenants if t in self.roles]
        return "" if len(held) == len(tenants) > 0 and all(held) else right


@dataclass(frozen=True)
class ActingFor:
    """A service that names an actor: it must be allowed to, and both must hold the right."""

    service: Service
    user: User

    def lacks(self, right: str, tenants: Set[str]) -> str:
        return (
            self.service.lacks(NAME_ACTORS, tenants)
            or self.user.lacks(right, tenants)
            or self.service.lacks(right, tenants)
        )


@dataclass(frozen=True)
class Kind:
    """A kind of caller: who it is to the audit, and what it holds, or why it is nobody."""

    caller: Caller
    holds: Service | User | ActingFor | None = None
    subject: str = ""
    actor: str = ""
    nobody: ErrorReason = INVALID

    @property
    def account(self) -> str:
        return HERE if isinstance(self.holds, Service | None) else OPEN


@dataclass(frozen=True)
class World:
    """A server, accounts in it by name, and callers of every kind by name."""

    server: Server
    accounts: Mapping[str, Ready]
    kinds: Mapping[str, Kind]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("matrix")
    with ExitStack() as stack:
        services, users = (stack.enter_context(issuing()) for _ in range(2))
        authority = Authority()
        configured = _settings(folder, authority, services, users)
        server = stack.enter_context(serving(folder, **configured))
        # Where certificates are asked for, none can call without: a second server asks for none.
        plain = stack.enter_context(serving(folder))
        yield _World(stack, server, plain, authority, services, users).made()


def _settings(
    folder: Path, authority: Authority, services: Issuer, users: Issuer
) -> dict[str, Any]:
    ours = files(folder, "server", authority.sign())
    (folder / "ca.pem").write_bytes(authority.pem)
    return {
        "tls_cert": ours.certificate,
        "tls_key": ours.key,
        "tls_client_ca": folder / "ca.pem",
        "jwt_issuer": services.name,
        "jwt_audience": AUDIENCE,
        "user_jwt_issuer": users.name,
        "user_jwt_audience": AUDIENCE,
    }


@dataclass
class _World:
    """Makes the world, step by step."""

    stack: ExitStack
    server: Server
    plain: Server
    authority: Authority
    services: Issuer
    users: Issuer

    def made(self) -> World:
        key = (KEY_BEARER, f"Bearer {self.server.operator_key}")
        self.server.operator = self.shown("operations", key)
        accounts = {}
        for name in (HERE, ELSEWHERE, OPEN):
            accounts[name] = made_ready(Account(self.server, name)).whole()
        kinds = self.services_known() | self.users_known() | self.actors() | self.nobodies()
        return World(self.server, accounts, kinds)

    def shown(self, certificate: str, *metadata: tuple[str, str]) -> Caller:
        pair = self.authority.sign(certificate)
        return self.stack.enter_context(showing(self.server, self.authority, pair, *metadata))

    def bearing(self, credential: str, *metadata: tuple[str, str]) -> Caller:
        return self.shown("bearer", (KEY_BEARER, f"Bearer {credential}"), *metadata)

    def key(self, role: str, *bound: str, actor: str = "") -> tuple[Caller, str, Service]:
        credential = self.server.new_key(role, tenants=bound)
        named = (("x-authz-actor", actor),) if actor else ()
        subject = f"service:{credential.split('_')[2]}"
        return self.bearing(credential, *named), subject, Service(role, frozenset(bound))

    def registered(self, kind: str, name: str, role: str, **more: Any) -> str:
        identity = identities.Identity(
            kind=identities.IdentityKind.Value(f"IDENTITY_KIND_{kind}"),
            issuer=self.services.name if kind == "TOKEN" else "",
            name=name,
            roles=[role],
            **more,
        )
        request = identities.CreateIdentityRequest(identity=identity)
        return f"service:{self.server.operator.call(request).identity.id}"

    def services_known(self) -> dict[str, Kind]:
        keys_ = {
            role: self.key(role)
            for role in ("authz.checker", "authz.product", "authz.provisioner", "authz.auditor")
        }
        keys_["authz.operator"] = self.key("authz.operator")
        keys_["operator-of-this-tenant"] = self.key(
            "authz.operator", HERE, f"{HERE}-ended", f"{HERE}-suspended"
        )
        keys_["operator-of-another-tenant"] = self.key("authz.operator", ELSEWHERE)
        found = {name: Kind(caller, service, id_) for name, (caller, id_, service) in keys_.items()}
        for name, role in (("billing", "authz.provisioner"), ("search", "authz.checker")):
            subject = self.registered("TOKEN", name, role)
            caller = self.bearing(self.services.token(name))
            found[f"token-of-{role}"] = Kind(caller, Service(role), subject)
        subject = self.registered("CERTIFICATE_COMMON_NAME", "crm", "authz.provisioner")
        found["certificate"] = Kind(self.shown("crm"), Service("authz.provisioner"), subject)
        return found

    def new_key(self, **more: Any) -> keys.CreateKeyResponse:
        request = keys.CreateKeyRequest(key=keys.Key(roles=["authz.operator"], **more))
        return self.server.operator.keys.CreateKey(request)

    def users_known(self) -> dict[str, Kind]:
        # Only `gus` is no member of the account that is asked about.
        roles = {"ada": {OPEN: "admin"}, "vera": {OPEN: "viewer"}, "gus": {}}
        return {
            f"token-of-user-{name}": Kind(
                self.bearing(self.users.token(name)), User(held), f"user:{name}"
            )
            for name, held in roles.items()
        }

    def actors(self) -> dict[str, Kind]:
        admin, member = User({OPEN: "admin"}), User({OPEN: "viewer"})
        made = {
            "actor-admin": ("authz.product", (), "user:ada", admin),
            "actor-member": ("authz.product", (), "user:vera", member),
            "actor-nobody": ("authz.product", (), "user:zoe", User()),
            "actor-of-an-operator": ("authz.operator", (), "user:ada", admin),
            "actor-of-who-may-name-none": ("authz.provisioner", (), "user:ada", admin),
            "actor-out-of-bounds": ("authz.product", (ELSEWHERE,), "user:ada", admin),
        }
        found = {}
        for name, (role, bound, actor, user) in made.items():
            caller, subject, service = self.key(role, *bound, actor=actor)
            found[name] = Kind(caller, ActingFor(service, user), subject, actor)
        return found

    def nobodies(self) -> dict[str, Kind]:
        soon = timestamp(time.time() + 0.3)
        good, gone, turned = (self.new_key() for _ in range(3))
        ending = self.new_key(expire_time=soon)
        self.server.operator.keys.RevokeKey(keys.RevokeKeyRequest(id=gone.key.id))
        at_once = keys.RotateKeyRequest(id=turned.key.id, overlap=Duration())
        self.server.operator.keys.RotateKey(at_once)
        self.registered("CERTIFICATE_COMMON_NAME", "brief", "authz.operator", expire_time=soon)
        past = time.time() - 600
        texts = {
            "wrong-key": good.credential[:-9] + "A" * 9,
            "malformed-key": "authz_no_key",
            "revoked-key": gone.credential,
            "rotated-out-key": turned.credential,
            "expired-key": ending.credential,
            "no-token-at-all": "eyJ.eyJ.x",
            "expired-token": self.services.token("billing", exp=past),
            "token-for-another": self.services.token("billing", aud="billing"),
            "unregistered-token": self.services.token("nobody"),
            "users-expired-token": self.users.token("ada", exp=past),
            "users-token-for-another": self.users.token("ada", aud="billing"),
        }
        found = {name: Kind(self.bearing(text)) for name, text in texts.items()}
        found["unknown-certificate"] = Kind(self.shown("nobody"))
        found["expired-certificate-identity"] = Kind(self.shown("brief"))
        found["nothing"] = Kind(self.plain.caller_with(), nobody=MISSING)
        _until_refused(found["expired-key"], found["expired-certificate-identity"])
        return found


def _until_refused(*kinds: Kind) -> None:
    deadline = time.monotonic() + 20
    while any(lets_in(kind.caller) for kind in kinds):
        assert time.monotonic() < deadline
        time.sleep(0.01)


MOVED_BY_ITSELF: Final = frozenset({"audit_entry", "key_use", "job", "worker"})
"""Tables of which calls are no measure: uses of keys, and what runs beside calls."""


def digest(server: Server) -> dict[str, str]:
    """Digest every table that only a change may touch, and count the jobs that one leaves."""
    with server.service.database.read() as connection:
        found = {
            table.name: sha256(
                repr(sorted(map(repr, connection.execute(select(table))))).encode()
            ).hexdigest()
            for table in schema.metadata.sorted_tables
            if table.name not in MOVED_BY_ITSELF
        }
        jobs = connection.execute(select(func.count()).select_from(schema.job)).scalar_one()
    return found | {"jobs": str(jobs), "replica": str(server.revision)}


Told = tuple[str, str, str]
"""Of an audit entry: the caller, on whose behalf, and how it ended."""


def lengths(server: Server) -> dict[str, int]:
    table = schema.audit_entry
    longest = select(table.c.tenant, func.max(table.c.seq)).group_by(table.c.tenant)
    with server.service.database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(longest)}


def entries_since(server: Server, before: Mapping[str, int]) -> Counter[Told]:
    table = schema.audit_entry
    found: Counter[Told] = Counter()
    with server.service.database.read() as connection:
        for tenant in lengths(server):
            since = (table.c.tenant == tenant, table.c.seq > before.get(tenant, 0))
            for (text,) in connection.execute(select(table.c.entry).where(*since)):
                entry = told(text)
                found[entry["actor"], entry["on_behalf_of"], entry["outcome"]] += 1
    return found


def tenants_of(name: str, request: Any) -> Set[str]:
    """Read which customers a request is about; none if it concerns them all."""
    if name in NOT_ABOUT_ONE:
        return frozenset()
    if name in OF_OWN_ROLES:
        named = request.role.id if hasattr(request, "role") else request.id
        return {named.partition("/")[0]}
    return {tenant for part, field in places_of_tenant(request) if (tenant := getattr(part, field))}


def is_check(name: str) -> bool:
    return bool(RPCS[name].containing_service.name == "AuthorizationService")


def met(kind: Kind, name: str, request: Any) -> list[Told]:
    """Make one call, hold its end against the roles, and say what the audit has to tell of it."""
    if kind.holds is None:
        found = refusal(lambda: kind.caller.call(request))
        assert found.reason == kind.nobody
        return []
    lacking = kind.holds.lacks(RIGHT_OF[name], tenants_of(name, request))
    if not lacking:
        kind.caller.call(request)
        silent = name in CHANGES or is_check(name)
        return [] if silent else [(kind.subject, kind.actor, "done")]
    found = refusal(lambda: kind.caller.call(request))
    assert found.reason == ErrorReason.PERMISSION_DENIED
    assert found.metadata == {"permission": lacking}
    return [] if is_check(name) else [(kind.subject, kind.actor, "PERMISSION_DENIED")]


def test_every_service_of_the_protos_is_here() -> None:
    text = "\n".join(each.read_text() for each in PROTO.glob("*.proto"))
    served = set(re.findall(r"^service (\w+)", text, re.MULTILINE))
    assert served == set(SERVICES), "add it to SERVICES and to Caller in tests/rpc/harness.py"
    rpcs = re.findall(r"^  rpc (\w+)", text, re.MULTILINE)
    assert sorted(rpcs) == sorted(RPCS), "no two services share the name of an RPC"


@pytest.mark.parametrize("name", RPCS)
def test_rpc_meets_every_kind_of_caller(world: World, name: str) -> None:
    asked = {at: alone(GOOD[name](world.accounts[at])) for at in (HERE, OPEN)}
    before, told = digest(world.server), lengths(world.server)
    expected: Counter[Told] = Counter()
    for label, kind in world.kinds.items():
        try:
            expected.update(met(kind, name, asked[kind.account]))
        except BaseException as wrong:
            wrong.add_note(f"as {label}")
            raise
    assert digest(world.server) == before
    assert entries_since(world.server, told) == expected


@pytest.mark.sweep
@pytest.mark.parametrize("name", CHANGES)
def test_caller_without_the_right_does_not_hear_that_its_request_is_unreadable(
    world: World, name: str
) -> None:
    asked = {at: alone(GOOD[name](world.accounts[at])) for at in (HERE, OPEN)}
    for label, kind in world.kinds.items():
        request = asked[kind.account]
        request.request_id = "é"
        reason = refusal(lambda k=kind, r=request: k.caller.call(r)).reason  # type: ignore[misc]
        if kind.holds is None:
            assert reason == kind.nobody, label
        elif kind.holds.lacks(RIGHT_OF[name], tenants_of(name, request)):
            assert reason == ErrorReason.PERMISSION_DENIED, label
        else:
            assert reason == ErrorReason.INVALID_IDENTIFIER, label


def test_matrix_has_allowed_and_refused_callers_of_every_known_kind(world: World) -> None:
    """Guard the matrix itself: a world in which nobody may do anything would pass it."""
    for label, kind in world.kinds.items():
        if kind.holds is None or label in ("actor-nobody", "actor-out-of-bounds"):
            continue
        let_in = {
            name
            for name in RPCS
            if not kind.holds.lacks(
                RIGHT_OF[name], tenants_of(name, GOOD[name](world.accounts[kind.account]))
            )
        }
        silent = {"actor-of-who-may-name-none", "token-of-user-vera", "actor-member"}
        silent |= {"token-of-user-gus", "operator-of-another-tenant"}
        assert bool(let_in) == (label not in silent), label


def test_known_caller_is_told_apart_from_nobody_by_what_it_may_ask(world: World) -> None:
    question = checks.CheckRequest(tenant=OPEN, subject="user:ada", permission="invoices:view")
    assert {name for name, kind in world.kinds.items() if lets_in_with(kind, question)} == {
        *("authz.checker", "authz.product", "authz.operator"),
        "token-of-authz.checker",
    }


def lets_in_with(kind: Kind, question: checks.CheckRequest) -> bool:
    try:
        return bool(kind.caller.checks.Check(question).allowed)
    except Exception:  # noqa: BLE001 - refused, as the matrix has shown
        return False
