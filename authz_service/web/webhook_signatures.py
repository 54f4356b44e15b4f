"""Who sent an event: signatures over the raw body, as each sender documents its own scheme.

    stripe             Stripe-Signature: t=<s>,v1=<hex>[,v1=...]   over `<t>.<body>`
    standard-webhooks  webhook-id, -timestamp, -signature          over `<id>.<timestamp>.<body>`
    hubspot-v3         X-HubSpot-Signature-v3, -Request-Timestamp  over method, URI, body, timestamp
    hmac               as `signature` of the source says
    basic              Authorization: Basic <user:password>        over nothing: TLS protects it

Of the two secrets that a source may have, either is good. A signature that bears a time is good
for five minutes around it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, assert_never

from standardwebhooks import Webhook

from authz_service.domain.billing_policy import Encoding, Scheme, Signature, Source
from authz_service.domain.window import Instant

TOLERANCE: Final = 300
"""Seconds: what Stripe's libraries, Standard Webhooks and HubSpot's documentation take."""

_MOST_SIGNATURES: Final = 10

# What HubSpot asks to be decoded in the URI, and nothing else
# (developers.hubspot.com/docs/api/webhooks/validating-requests).
_HUBSPOT_DECODED: Final = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}


class Forged(Exception):
    """An event that is not proved to be its source's. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came: header names in lower case, the URI as its sender called it."""

    method: str
    uri: str
    headers: Mapping[str, str]
    body: bytes


def verify(source: Source, secrets: Sequence[str], delivery: Delivery, now: Instant) -> str:
    """Check that the delivery is the source's. Return the id that its headers bear, or "".

    Raises:
        Forged: unsigned, wrongly signed, stale, or nothing of the source can be verified.
    """
    if not secrets:
        raise Forged("no secret of the source is set")
    seconds = now // 1_000_000
    match source.scheme:
        case Scheme.STRIPE:
            _stripe(secrets, delivery, seconds)
        case Scheme.STANDARD_WEBHOOKS:
            return _standard(secrets, delivery, seconds)
        case Scheme.HUBSPOT_V3:
            _hubspot(secrets, delivery, seconds)
        case Scheme.HMAC:
            _hmac(source.signature, secrets, delivery, seconds)
            return delivery.headers.get(source.signature.id_header, "")
        case Scheme.BASIC:
            _basic(secrets, delivery)
            return delivery.headers.get(source.signature.id_header, "")
        case Scheme.TRUSTED_RPC:
            raise Forged("this source is heard through IngestBillingEvent only")
        case _:
            assert_never(source.scheme)
    return ""


def _stripe(secrets: Sequence[str], delivery: Delivery, now: int) -> None:
    items = _header(delivery, "stripe-signature").split(",")
    pairs = [item.strip().partition("=")[::2] for item in items]
    times = [value for name, value in pairs if name == "t"]
    if len(times) != 1:
        raise Forged("its signature names no time")
    _require_fresh(times[0], now)
    signed = times[0].encode() + b"." + delivery.body
    signatures = [value for name, value in pairs if name == "v1"]
    _require_one(signatures, [_hex(secret, signed) for secret in secrets])


def _standard(secrets: Sequence[str], delivery: Delivery, now: int) -> str:
    id_ = _header(delivery, "webhook-id")
    at = _require_fresh(_header(delivery, "webhook-timestamp"), now)
    try:
        body, moment = delivery.body.decode(), datetime.fromtimestamp(at, UTC)
    except UnicodeDecodeError as error:
        raise Forged("its body is not text") from error
    expected = [Webhook(secret).sign(id_, moment, body) for secret in secrets]
    _require_one(_header(delivery, "webhook-signature").split(), expected)
    return id_


def _hubspot(secrets: Sequence[str], delivery: Delivery, now: int) -> None:
    milliseconds = _header(delivery, "x-hubspot-request-timestamp")
    _require_fresh(milliseconds, now, per_second=1000)
    head = delivery.method + _hubspot_uri(delivery.uri)
    signed = head.encode() + delivery.body + milliseconds.encode()
    expected = [
        base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()
        for secret in secrets
    ]
    _require_one([_header(delivery, "x-hubspot-signature-v3")], expected)


def _hmac(how: Signature, secrets: Sequence[str], delivery: Delivery, now: int) -> None:
    """Check a signature that is written as the source's options say."""
    value, timestamp = _header(delivery, how.header), ""
    if how.separator:
        pairs = (item.strip().partition("=")[::2] for item in value.split(how.separator))
        parts = dict(pairs)
        value, timestamp = parts.get(how.part, ""), parts.get(how.timestamp_part, "")
    if how.timestamp_header:
        timestamp = _header(delivery, how.timestamp_header)
    if timestamp or "{timestamp}" in how.text:
        _require_fresh(timestamp, now)
    id_ = delivery.headers.get(how.id_header, "") if how.id_header else ""
    before, _, after = how.text.partition("{body}")
    head, tail = (
        text.replace("{timestamp}", timestamp).replace("{id}", id_).encode()
        for text in (before, after)
    )
    signed = head + delivery.body + tail
    if how.encoding is Encoding.HEX:
        expected = [_hex(secret, signed) for secret in secrets]
        value = value.removeprefix("sha256=").lower()
    else:
        digests = (hmac.digest(secret.encode(), signed, hashlib.sha256) for secret in secrets)
        expected = [base64.b64encode(digest).decode() for digest in digests]
    _require_one([value], expected)


def _basic(secrets: Sequence[str], delivery: Delivery) -> None:
    scheme, _, value = _header(delivery, "authorization").partition(" ")
    if scheme.lower() != "basic":
        raise Forged("it does not authenticate as HTTP's basic scheme does")
    expected = [base64.b64encode(secret.encode()).decode() for secret in secrets]
    _require_one([value.strip()], expected)


def require_usable(scheme: Scheme, secret: str) -> None:
    """Check a secret when it is set. Raises: ValueError; it does not repeat the secret."""
    if not secret or not secret.isascii() or not secret.isprintable():
        raise ValueError("a secret is printable ASCII")
    if scheme is Scheme.BASIC and not all(secret.partition(":")):
        raise ValueError("a secret of basic authentication is user:password")
    if scheme is not Scheme.STANDARD_WEBHOOKS:
        return
    content = secret.removeprefix("whsec_")
    try:
        # The library leaves out what is no base64, so that a mistyped secret never fits.
        key = base64.b64decode(content + "=" * (-len(content) % 4), validate=True)
    except binascii.Error:
        key = b""
    if not key:
        raise ValueError("a secret of Standard Webhooks is whsec_ and base64")


def _header(delivery: Delivery, name: str) -> str:
    value = delivery.headers.get(name, "")
    if not value:
        raise Forged(f"the header {name} is missing")
    return value


def _require_fresh(instant: str, now: int, per_second: int = 1) -> int:
    """Read a time in whole seconds, or parts of them; it must lie within the tolerance."""
    if not (instant.isascii() and instant.isdecimal() and len(instant) < 16):
        raise Forged("its time is not a number")
    at = int(instant) // per_second
    if abs(now - at) > TOLERANCE:
        raise Forged(f"its time is {abs(now - at)} seconds {'ago' if at < now else 'ahead'}")
    return at


def _require_one(signatures: Sequence[str], expected: Sequence[str]) -> None:
    """Let a signature through that is one of the expected, in a time that tells nothing."""
    good = [
        hmac.compare_digest(one.encode(), other.encode())
        for one in signatures[:_MOST_SIGNATURES]
        for other in expected
    ]
    if not any(good):
        raise Forged("no signature is that of the body by a secret of the source")


def _hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _hubspot_uri(uri: str) -> str:
    for encoded, plain in _HUBSPOT_DECODED.items():
        uri = uri.replace(encoded, plain).replace(encoded.lower(), plain)
    return uri
