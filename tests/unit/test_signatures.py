"""Signatures of events, held against what their senders publish.

Stripe: docs.stripe.com/webhooks, "Verify manually". Standard Webhooks: the vector of its reference
libraries. HubSpot: the request of its documentation. Plain HMAC: GitHub's published vector. What is
not published was computed with `openssl dgst -sha256 -hmac`.
"""

import base64
import hashlib
import hmac
from dataclasses import replace
from typing import Final

import pytest

from authz_service.domain.billing_policy import Encoding, Scheme, Signature, Source
from authz_service.web.webhook_signatures import Delivery, Forged, require_usable, verify

SECOND: Final = 1_000_000
OTHER: Final = "another-secret"

STRIPE_AT: Final = 1492774577
STRIPE_V1: Final = "654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543"
STANDARD_AT: Final = 1614265330
HUBSPOT_AT: Final = 1111111111

CASES: Final = {
    Scheme.STRIPE: (
        "whsec_test_secret",
        STRIPE_AT,
        Delivery(
            "POST",
            "",
            {"stripe-signature": f"t={STRIPE_AT},v1={STRIPE_V1},v0=6ffbb59b"},
            b'{"id":"evt_1","object":"event"}',
        ),
    ),
    Scheme.STANDARD_WEBHOOKS: (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        STANDARD_AT,
        Delivery(
            "POST",
            "",
            {
                "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
                "webhook-timestamp": str(STANDARD_AT),
                "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            },
            b'{"test": 2432232314}',
        ),
    ),
    Scheme.HUBSPOT_V3: (
        "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy",
        HUBSPOT_AT,
        Delivery(
            "POST",
            "https://www.example.com/webhook_uri",
            {
                "x-hubspot-request-timestamp": f"{HUBSPOT_AT}000",
                "x-hubspot-signature-v3": "i04m6c9x+rlXd5p2mamKh5mVLZ2n55In3zz0L/FiMKU=",
            },
            b'{"example_field":"example_value"}',
        ),
    ),
    Scheme.HMAC: (
        "It's a Secret to Everybody",
        0,
        Delivery(
            "POST",
            "",
            {
                "x-hub-signature-256": "sha256="
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
            },
            b"Hello, World!",
        ),
    ),
}
TIMED: Final = [Scheme.STRIPE, Scheme.STANDARD_WEBHOOKS, Scheme.HUBSPOT_V3]


def source(scheme: Scheme) -> Source:
    return Source("any", scheme, {}, signature=Signature(header="x-hub-signature-256"))


def headers(delivery: Delivery, **changed: str) -> Delivery:
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    return replace(delivery, headers={**delivery.headers, **named})


@pytest.mark.parametrize("scheme", CASES)
def test_published_signature_is_good(scheme: Scheme) -> None:
    secret, at, delivery = CASES[scheme]
    verify(source(scheme), [secret], delivery, at * SECOND)


@pytest.mark.parametrize("scheme", CASES)
def test_either_of_two_live_secrets_is_good(scheme: Scheme) -> None:
    secret, at, delivery = CASES[scheme]
    other = "whsec_" + "QUJD" * 8 if scheme is Scheme.STANDARD_WEBHOOKS else OTHER
    for secrets in ([other, secret], [secret, other]):
        verify(source(scheme), secrets, delivery, at * SECOND)
    with pytest.raises(Forged, match="no signature"):
        verify(source(scheme), [other], delivery, at * SECOND)


@pytest.mark.parametrize("scheme", CASES)
def test_body_that_differs_by_a_space_is_refused(scheme: Scheme) -> None:
    secret, at, delivery = CASES[scheme]
    changed = replace(delivery, body=delivery.body + b" ")
    with pytest.raises(Forged, match="no signature"):
        verify(source(scheme), [secret], changed, at * SECOND)


@pytest.mark.parametrize("scheme", CASES)
def test_unsigned_delivery_is_refused(scheme: Scheme) -> None:
    secret, at, delivery = CASES[scheme]
    with pytest.raises(Forged, match="missing"):
        verify(source(scheme), [secret], replace(delivery, headers={}), at * SECOND)


@pytest.mark.parametrize("scheme", CASES)
def test_source_without_a_secret_is_refused(scheme: Scheme) -> None:
    _, at, delivery = CASES[scheme]
    with pytest.raises(Forged, match="no secret"):
        verify(source(scheme), [], delivery, at * SECOND)


@pytest.mark.parametrize("scheme", TIMED)
@pytest.mark.parametrize("late", [-301, 301])
def test_stale_delivery_is_refused(scheme: Scheme, late: int) -> None:
    secret, at, delivery = CASES[scheme]
    verify(source(scheme), [secret], delivery, (at + late // 301 * 300) * SECOND)
    with pytest.raises(Forged, match="seconds"):
        verify(source(scheme), [secret], delivery, (at + late) * SECOND)


def test_stripe_takes_any_of_several_v1_and_no_other_version() -> None:
    secret, at, delivery = CASES[Scheme.STRIPE]
    several = headers(delivery, stripe_signature=f"t={at},v1={'0' * 64},v1={STRIPE_V1}")
    verify(source(Scheme.STRIPE), [secret], several, at * SECOND)
    old = headers(delivery, stripe_signature=f"t={at},v0={STRIPE_V1}")
    with pytest.raises(Forged, match="no signature"):
        verify(source(Scheme.STRIPE), [secret], old, at * SECOND)


@pytest.mark.parametrize(
    "said", ["v1=abc", "t=1,t=2,v1=a", "t=,v1=a", "t=1e9,v1=a", ",,,", "t=²,v1=a"]
)
def test_malformed_stripe_header_is_refused(said: str) -> None:
    secret, at, delivery = CASES[Scheme.STRIPE]
    with pytest.raises(Forged):
        verify(source(Scheme.STRIPE), [secret], headers(delivery, stripe_signature=said), at)


@pytest.mark.parametrize("said", ["v1", "v1,", "v2,AAAA", ",", "v1,é"])
def test_malformed_standard_signature_is_refused(said: str) -> None:
    secret, at, delivery = CASES[Scheme.STANDARD_WEBHOOKS]
    changed = headers(delivery, webhook_signature=said)
    with pytest.raises(Forged, match="no signature"):
        verify(source(Scheme.STANDARD_WEBHOOKS), [secret], changed, at * SECOND)


def test_hubspot_signs_method_and_uri() -> None:
    secret, at, delivery = CASES[Scheme.HUBSPOT_V3]
    for changed in (
        replace(delivery, method="PUT"),
        replace(delivery, uri="https://evil.example/"),
    ):
        with pytest.raises(Forged, match="no signature"):
            verify(source(Scheme.HUBSPOT_V3), [secret], changed, at * SECOND)
    encoded = replace(delivery, uri="https%3A%2F%2Fwww.example.com%2fwebhook_uri")
    verify(source(Scheme.HUBSPOT_V3), [secret], encoded, at * SECOND)


def test_trusted_source_is_not_heard_over_http() -> None:
    delivery = CASES[Scheme.HMAC][2]
    with pytest.raises(Forged, match="IngestBillingEvent"):
        verify(source(Scheme.TRUSTED_RPC), ["secret"], delivery, 0)


def test_secret_that_cannot_be_used_is_refused_when_it_is_set() -> None:
    require_usable(Scheme.STANDARD_WEBHOOKS, CASES[Scheme.STANDARD_WEBHOOKS][0])
    for scheme, secret in [(Scheme.STANDARD_WEBHOOKS, "whsec_é"), (Scheme.HMAC, "")]:
        with pytest.raises(ValueError, match="secret"):
            require_usable(scheme, secret)


PADDLE: Final = Signature(
    header="paddle-signature",
    separator=";",
    part="h1",
    timestamp_part="ts",
    text="{timestamp}:{body}",
)
LAGO: Final = Signature(
    header="x-lago-signature", encoding=Encoding.BASE64, id_header="x-lago-unique-key"
)


def signed_by(how: Signature, headers: dict[str, str], body: bytes = b"{}") -> str:
    source = Source("any", Scheme.HMAC, {}, signature=how)
    return verify(source, ["secret"], Delivery("POST", "", headers, body), STRIPE_AT * SECOND)


def test_signature_is_written_as_the_options_say() -> None:
    at = str(STRIPE_AT)
    digest = hmac.new(b"secret", f"{at}:{{}}".encode(), hashlib.sha256).hexdigest()
    assert signed_by(PADDLE, {"paddle-signature": f"ts={at};h1={digest}"}) == ""
    plain = base64.b64encode(hmac.digest(b"secret", b"{}", "sha256")).decode()
    headers = {"x-lago-signature": plain, "x-lago-unique-key": "key-1"}
    assert signed_by(LAGO, headers) == "key-1"
    for wrong in (
        {"paddle-signature": f"h1={digest}"},
        {"paddle-signature": f"ts={STRIPE_AT - 301};h1={digest}"},
        {"paddle-signature": f"ts={at};h1={digest[:-1]}0"},
        {},
    ):
        with pytest.raises(Forged):
            signed_by(PADDLE, wrong)


def test_basic_authentication_takes_user_and_password_together() -> None:
    source = Source("any", Scheme.BASIC, {})

    def sent(value: str) -> str:
        delivery = Delivery("POST", "", {"authorization": value}, b"{}")
        return verify(source, ["user:pass"], delivery, 0)

    assert sent("Basic " + base64.b64encode(b"user:pass").decode()) == ""
    for wrong in ("Basic " + base64.b64encode(b"user:past").decode(), "Bearer x", "Basic", ""):
        with pytest.raises(Forged):
            sent(wrong)
    with pytest.raises(ValueError, match="user:password"):
        require_usable(Scheme.BASIC, "password")
