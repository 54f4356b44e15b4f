"""Callers by token: who is let in, who is not, and what happens when an issuer's keys change."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from structlog.testing import capture_logs

from authz_service.app.service import Service
from authz_service.config import Settings
from authz_service.errors import AuthzError, ErrorReason
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import identity_pb2 as identities
from authz_service.gen.authz.v1 import key_pb2 as keys
from authz_service.serving import signing_keys
from tests.rpc.account import Account, timestamp
from tests.rpc.harness import PATIENCE, Caller, Server, refusal, serving
from tests.rpc.issuer import AUDIENCE, Issuer, issuing

QUESTION: Final = checks.CheckRequest(tenant="acme", subject="user:ada", permission="invoices:view")
TOKEN: Final = identities.IDENTITY_KIND_TOKEN


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as started:
        yield started


@pytest.fixture(scope="module")
def served(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tokens")
    with serving(folder, jwt_issuer=issuer.name, jwt_audience=AUDIENCE) as server:
        Account(server, "acme").onboard("free", ada=["viewer"])
        register(server, issuer, "billing", "authz.checker")
        yield server


def register(server: Server, issuer: Issuer, name: str, *roles: str, **more: Any) -> Any:
    identity = identities.Identity(kind=TOKEN, issuer=issuer.name, name=name, roles=roles, **more)
    request = identities.CreateIdentityRequest(identity=identity)
    return server.operator.identities.CreateIdentity(request).identity


def test_registered_subject_of_a_token_is_a_caller_with_its_roles(
    served: Server, issuer: Issuer
) -> None:
    caller = served.caller(issuer.token("billing"))
    assert caller.checks.Check(QUESTION).allowed
    served.refuses(keys.ListKeysRequest(), ErrorReason.PERMISSION_DENIED, by=caller)


@pytest.mark.parametrize(
    "made",
    [
        (RSAKey.generate_key(2048, {"kid": "rsa"}), "RS256"),
        (OKPKey.generate_key("Ed25519", {"kid": "okp"}), "EdDSA"),
        (ECKey.generate_key("P-256", {"kid": "ec"}), "ES256"),
    ],
    ids=["RS256", "EdDSA", "ES256"],
)
def test_default_algorithms_are_taken(tmp_path: Path, made: tuple[Any, str]) -> None:
    key, alg = made
    with issuing() as own:
        own.keys = [key]
        configured = {"jwt_issuer": own.name, "jwt_audience": AUDIENCE}
        with serving(tmp_path, jwt_jwks_url=own.jwks_url, **configured) as server:
            register(server, own, "billing", "authz.checker")
            server.caller(own.token("billing", key=key, alg=alg)).checks.Check(QUESTION)


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _unsigned(issuer: Issuer) -> str:
    _, claims, _ = issuer.token("billing").split(".")
    return f"{_part({'alg': 'none', 'kid': issuer.signer.kid})}.{claims}."


def _unsigned_with_a_signature(issuer: Issuer) -> str:
    return _unsigned(issuer) + "AAAA"


def _by_the_public_key_as_a_secret(issuer: Issuer) -> str:
    claims = issuer.token("billing").split(".")[1]
    signed = f"{_part({'alg': 'HS256', 'kid': issuer.signer.kid})}.{claims}"
    assert isinstance(issuer.signer, ECKey)
    made = hmac.digest(issuer.signer.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


def _with_another_signature(issuer: Issuer) -> str:
    head, claims, _ = issuer.token("billing").split(".")
    return ".".join((head, claims, issuer.token("other").split(".")[2]))


def _with_other_claims(issuer: Issuer) -> str:
    head, _, signature = issuer.token("billing").split(".")
    return ".".join((head, issuer.token("billing", jti="x").split(".")[1], signature))


def _with_header(issuer: Issuer, **header: Any) -> str:
    """Sign a token whose header says more, with a good key and a good signature."""
    head, claims, _ = issuer.token("billing").split(".")
    fields = json.loads(base64.urlsafe_b64decode(head + "==")) | header
    content = f"{_part(fields)}.{claims}".encode()
    assert isinstance(issuer.signer, ECKey)
    made = JWSRegistry.algorithms["ES256"].sign(content, issuer.signer)
    return f"{content.decode()}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


def test_header_that_says_no_more_than_it_has_to_is_taken(served: Server, issuer: Issuer) -> None:
    for header in ({}, {"typ": "at+jwt"}, {"b64": True}):
        served.caller(_with_header(issuer, **header)).checks.Check(QUESTION)


WRONG: Final[dict[str, Callable[[Issuer], str]]] = {
    "empty-crit": lambda i: _with_header(i, crit=[]),
    "unknown-crit": lambda i: _with_header(i, crit=["exp"]),
    "crit-of-b64": lambda i: _with_header(i, crit=["b64"], b64=True),
    "unencoded-payload": lambda i: _with_header(i, b64=False),
    "unencoded-and-critical": lambda i: _with_header(i, crit=["b64"], b64=False),
    "unsigned": _unsigned,
    "unsigned-with-a-signature": _unsigned_with_a_signature,
    "hmac-with-the-public-key": _by_the_public_key_as_a_secret,
    "another-key-of-the-same-name": lambda i: i.token(
        "billing", key=ECKey.generate_key("P-256", {"kid": "k1"})
    ),
    "another-curve": lambda i: i.token(
        "billing", key=ECKey.generate_key("P-384", {"kid": "k1"}), alg="ES384"
    ),
    "another-signature": _with_another_signature,
    "other-claims": _with_other_claims,
    "unknown-subject": lambda i: i.token("nobody"),
    "no-subject": lambda i: i.token(None),
    "another-audience": lambda i: i.token("billing", aud="invoicing"),
    "other-audiences": lambda i: i.token("billing", aud=["a", "b"]),
    "no-audience": lambda i: i.token("billing", aud=None),
    "another-issuer": lambda i: i.token("billing", iss="https://evil.example"),
    "issuer-with-a-slash": lambda i: i.token("billing", iss=i.name + "/"),
    "no-issuer": lambda i: i.token("billing", iss=None),
    "expired": lambda i: i.token("billing", exp=time.time() - 11),
    "without-end": lambda i: i.token("billing", exp=None),
    "end-is-text": lambda i: i.token("billing", exp="9999999999"),
    "not-yet": lambda i: i.token("billing", nbf=time.time() + 60),
    "from-the-future": lambda i: i.token("billing", iat=time.time() + 60),
    "two-parts": lambda i: i.token("billing").rpartition(".")[0],
    "four-parts": lambda i: i.token("billing") + ".x",
    "deeply-nested": lambda _: f"{_part({'alg': 'ES256'})}.{'W1tb' * 1500}.x",
    "header-is-a-list": lambda i: f"{_part([])}.{i.token('billing').split('.')[1]}.x",
    "key-id-is-a-list": lambda i: (
        f"{_part({'alg': 'ES256', 'kid': []})}.{i.token('billing').split('.')[1]}.AAAA"
    ),
    "no-base64": lambda _: "eyJ!.eyJ!.eyJ!",
}


@pytest.mark.parametrize("token", WRONG.values(), ids=WRONG)
def test_wrong_token_is_refused(
    served: Server, issuer: Issuer, token: Callable[[Issuer], str]
) -> None:
    caller = served.caller(token(issuer))
    for request in (QUESTION, keys.ListKeysRequest()):
        served.refuses(request, ErrorReason.CREDENTIALS_INVALID, says="ask operations", by=caller)


def test_expired_and_removed_identities_are_told_what_wrong_keys_and_tokens_are(
    served: Server, issuer: Issuer
) -> None:
    soon = timestamp(time.time() + 0.4)
    register(served, issuer, "expiring", "authz.checker", expire_time=soon)
    gone = register(served, issuer, "gone", "authz.checker")
    caller = served.caller(issuer.token("gone"))
    caller.checks.Check(QUESTION)
    served.operator.identities.DeleteIdentity(identities.DeleteIdentityRequest(id=gone.id))
    late = served.caller(issuer.token("expiring"))
    deadline = time.monotonic() + 20
    while _lets_in(late) and time.monotonic() < deadline:
        time.sleep(0.01)
    wrong = [served.caller(make(issuer)) for make in WRONG.values()]
    callers = [caller, late, served.caller("authz_no_key"), *wrong]
    told = [refusal(partial(each.checks.Check, QUESTION)) for each in callers]
    assert told == [told[0]] * len(told)
    assert told[0].reason == ErrorReason.CREDENTIALS_INVALID


def _lets_in(caller: Caller) -> bool:
    try:
        caller.checks.Check(QUESTION)
    except grpc.RpcError:
        return False
    return True


def test_clocks_may_differ_a_little(served: Server, issuer: Issuer) -> None:
    now = time.time()
    token = issuer.token("billing", exp=now - 2, nbf=now + 5, iat=now + 5)
    served.caller(token).checks.Check(QUESTION)


def test_token_that_was_good_is_refused_from_its_end_on(served: Server, issuer: Issuer) -> None:
    # Ten seconds of leeway: three of them are left, enough for a first call on a busy machine.
    caller = served.caller(issuer.token("billing", exp=time.time() - 7))
    caller.checks.Check(QUESTION)
    deadline = time.monotonic() + 20
    while _lets_in(caller):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_token_seen_before_is_not_verified_again(
    served: Server, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first call of all may read the issuer's keys: what it verified with them is not kept.
    served.caller(issuer.token("billing", jti="first")).checks.Check(QUESTION)
    caller = served.caller(issuer.token("billing"))
    caller.checks.Check(QUESTION)
    monkeypatch.setattr("authz_service.serving.tokens.jws.deserialize_compact", _fail)
    caller.checks.Check(QUESTION)
    fresh = served.caller(issuer.token("billing", jti="fresh"))
    assert refusal(partial(fresh.checks.Check, QUESTION)).reason == "CREDENTIALS_INVALID"


def _fail(*_: Any, **__: Any) -> None:
    raise ValueError("verified again")


def test_known_keys_are_not_fetched_by_calls(served: Server, issuer: Issuer) -> None:
    served.caller(issuer.token("billing")).checks.Check(QUESTION)
    before = issuer.fetches
    for number in range(20):
        served.caller(issuer.token("billing", jti=str(number))).checks.Check(QUESTION)
    assert issuer.fetches == before


def test_unknown_keys_make_no_storm_of_fetches(served: Server, issuer: Issuer) -> None:
    bogus = [ECKey.generate_key("P-256", {"kid": f"bogus-{n}"}) for n in range(50)]
    before, began = issuer.fetches, time.monotonic()
    for key in bogus:
        caller = served.caller(issuer.token("billing", key=key))
        assert refusal(partial(caller.checks.Check, QUESTION)).reason == "CREDENTIALS_INVALID"
    allowed = 1 + (time.monotonic() - began) / signing_keys.AT_MOST_EVERY
    assert issuer.fetches - before <= allowed


def test_keys_rotate_while_calls_run_and_none_is_lost(tmp_path: Path) -> None:
    with (
        issuing() as own,
        serving(tmp_path, jwt_issuer=own.name, jwt_audience=AUDIENCE) as server,
    ):
        register(server, own, "billing", "authz.checker")
        lost: list[str] = []
        done, counts = threading.Event(), [0] * 6

        def call(slot: int) -> None:
            while not done.is_set():
                try:
                    server.caller(own.token("billing")).checks.Check(QUESTION)
                except grpc.RpcError as error:
                    lost.append(str(error))
                counts[slot] += 1

        callers = [threading.Thread(target=call, args=(slot,)) for slot in range(len(counts))]
        for each in callers:
            each.start()
        _each_counts_on(counts)
        own.rotate("k2")
        _each_counts_on(counts)
        own.withdraw("k1")
        _each_counts_on(counts)
        done.set()
        for each in callers:
            each.join()
    assert lost == []


def _each_counts_on(counts: list[int]) -> None:
    """Wait until every caller has made some more calls."""
    before, deadline = list(counts), time.monotonic() + 20
    while any(now < then + 5 for now, then in zip(counts, before, strict=True)):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_withdrawn_key_is_refused_within_the_stated_time(tmp_path: Path) -> None:
    with (
        issuing() as own,
        serving(
            tmp_path, jwt_issuer=own.name, jwt_audience=AUDIENCE, jwks_refresh_seconds=0.1
        ) as server,
    ):
        register(server, own, "billing", "authz.checker")
        old = server.caller(own.token("billing"))
        for _ in range(3):  # the first may come before the keys do
            old.checks.Check(QUESTION)
        own.rotate("k2")
        own.withdraw("k1")
        fetched, deadline = own.fetches, time.monotonic() + 20
        while own.fetches < fetched + 2:  # the second begins once the first is in use
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.refuses(QUESTION, ErrorReason.CREDENTIALS_INVALID, by=old)
        server.caller(own.token("billing")).checks.Check(QUESTION)


def test_issuer_that_fails_leaves_its_keys_in_use_and_a_line_in_the_log(tmp_path: Path) -> None:
    with (
        capture_logs() as lines,
        issuing() as own,
        serving(
            tmp_path, jwt_issuer=own.name, jwt_audience=AUDIENCE, jwks_refresh_seconds=0.05
        ) as server,
    ):
        register(server, own, "billing", "authz.checker")
        server.caller(own.token("billing")).checks.Check(QUESTION)
        own.failing = True
        fetched, deadline = own.fetches, time.monotonic() + 20
        while own.fetches < fetched + 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.caller(own.token("billing", jti="new")).checks.Check(QUESTION)
    told = [line for line in lines if "stay in use" in line["event"]]
    assert told
    assert told[0]["issuer"] == own.name
    assert told[0]["keys"] > 0


def test_shared_secret_that_an_issuer_publishes_verifies_nothing(tmp_path: Path) -> None:
    secret = OctKey.generate_key(256, {"kid": "shared"})
    with (
        issuing() as own,
        serving(tmp_path, jwt_issuer=own.name, jwt_audience=AUDIENCE) as server,
    ):
        register(server, own, "billing", "authz.checker")
        own.keys = [secret, *own.keys]
        caller = server.caller(own.token("billing", key=secret, alg="HS256"))
        server.refuses(QUESTION, ErrorReason.CREDENTIALS_INVALID, by=caller)


@pytest.mark.parametrize("bits", [1024, 2040])
def test_short_rsa_key_that_an_issuer_publishes_verifies_nothing(tmp_path: Path, bits: int) -> None:
    private = generate_private_key(65537, bits)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.warns(SecurityWarning):
        weak = RSAKey.import_key(pem, {"kid": "weak"})
    with (
        issuing() as own,
        serving(tmp_path, jwt_issuer=own.name, jwt_audience=AUDIENCE) as server,
    ):
        register(server, own, "billing", "authz.checker")
        own.keys = [weak, *own.keys]
        caller = server.caller(own.token("billing", key=weak, alg="RS256"))
        server.refuses(QUESTION, ErrorReason.CREDENTIALS_INVALID, by=caller)
        server.caller(own.token("billing")).checks.Check(QUESTION)


def test_unknown_key_is_refused_without_a_fetch_on_its_way(tmp_path: Path) -> None:
    with (
        issuing() as own,
        serving(tmp_path, jwt_issuer=own.name, jwt_audience=AUDIENCE) as server,
    ):
        register(server, own, "billing", "authz.checker")
        good = server.caller(own.token("billing"))
        good.checks.Check(QUESTION)
        own.stalled.clear()
        made_up = [
            server.caller(own.token("billing", key=ECKey.generate_key("P-256", {"kid": f"n{n}"})))
            for n in range(30)
        ]
        calls = [caller.checks.Check.future(QUESTION) for caller in made_up]
        began = time.monotonic()
        for number in range(50):
            server.caller(own.token("billing", jti=str(number))).checks.Check(QUESTION)
        assert time.monotonic() - began < PATIENCE / 2
        reasons = {refusal(call.result).reason for call in calls}
        assert reasons == {"CREDENTIALS_INVALID"}
        own.stalled.set()


def test_rate_is_a_subjects_whatever_the_number_of_its_tokens(tmp_path: Path) -> None:
    with (
        issuing() as own,
        serving(
            tmp_path, jwt_issuer=own.name, jwt_audience=AUDIENCE, rate_checks_per_second=2
        ) as server,
    ):
        for name in ("billing", "shipping"):
            register(server, own, name, "authz.checker")
        forged = server.caller(own.token("billing", key=ECKey.generate_key("P-256", {"kid": "k1"})))
        for _ in range(5):
            refusal(partial(forged.checks.Check, QUESTION))
        told = [_rate_of(server.caller(own.token("billing", jti=str(n)))) for n in range(6)]
        assert told[:2] == [None, None]
        assert "RATE_LIMITED" in told
        assert _rate_of(server.caller(own.token("shipping"))) is None


def _rate_of(caller: Caller) -> str | None:
    try:
        caller.checks.Check(QUESTION)
    except grpc.RpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type] # a call is both
        assert status is not None
        info = ErrorInfo()
        status.details[0].Unpack(info)
        return info.reason
    return None


def test_tokens_are_in_no_line_of_the_log(
    served: Server, issuer: Issuer, capfd: pytest.CaptureFixture[str]
) -> None:
    token = issuer.token("billing")
    served.caller(token).checks.Check(QUESTION)
    refusal(lambda: served.caller(token + "x").checks.Check(QUESTION))
    found = capfd.readouterr()
    assert token[:30] not in found.out + found.err


MEANT_OTHERWISE: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "no-audience": ("AUTHZ_JWT_AUDIENCE", {"jwt_issuer": "https://a"}),
    "no-issuer": ("AUTHZ_JWT_ISSUER", {"jwt_audience": "authz"}),
    "user-without-audience": ("AUTHZ_USER_JWT_AUDIENCE", {"user_jwt_issuer": "https://a"}),
    "plaintext": ("AUTHZ_JWT_ISSUER", {"jwt_issuer": "http://a", "jwt_audience": "authz"}),
    "plaintext-keys": (
        "AUTHZ_JWT_JWKS_URL",
        {"jwt_issuer": "https://a", "jwt_audience": "b", "jwt_jwks_url": "http://a/keys"},
    ),
    "no-url": ("AUTHZ_JWT_ISSUER", {"jwt_issuer": "accounts", "jwt_audience": "authz"}),
    "none": (
        "AUTHZ_JWT_ALGORITHMS",
        {"jwt_issuer": "https://a", "jwt_audience": "b", "jwt_algorithms": "RS256, none"},
    ),
    "hmac": (
        "AUTHZ_JWT_ALGORITHMS",
        {"jwt_issuer": "https://a", "jwt_audience": "b", "jwt_algorithms": "HS256"},
    ),
    "both-kinds-at-once": (
        "AUTHZ_USER_JWT_AUDIENCE",
        {
            "jwt_issuer": "https://a",
            "jwt_audience": "b",
            "user_jwt_issuer": "https://a",
            "user_jwt_audience": "b",
        },
    ),
}


@pytest.mark.parametrize(("field", "settings"), MEANT_OTHERWISE.values(), ids=MEANT_OTHERWISE)
def test_issuer_that_cannot_be_meant_so_is_refused_at_start(
    tmp_path: Path, field: str, settings: dict[str, Any]
) -> None:
    url = f"sqlite:///{tmp_path}/authz.db"
    with pytest.raises(AuthzError) as refused:
        Service(Settings(database_url=url, check_port=0, admin_port=0, **settings))
    assert (refused.value.reason, refused.value.field) == (ErrorReason.INVALID_FIELD, field)
    assert not list(tmp_path.iterdir())
