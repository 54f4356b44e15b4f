"""The recorded sequences of each sender, told of any account, and how each proves itself."""

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import yaml

from authz_service.config import shipped_policies
from tests.billing.stripe import Event

CASES: Final = shipped_policies() / "cases" / "billing"
NAMED: Final = frozenset(
    {"id", "eventId", "objectId", "tenant", "customer_id", "subscription_id", "recordIds",
     "transactionKey", "subject", "Tenant__c"}
)  # fmt: skip
"""Keys whose values name something of one account."""

HUBSPOT: Final = "hubspot-secret"
STANDARD: Final = "whsec_" + base64.b64encode(b"a secret of 24 bytes....").decode()
BASIC: Final = "authz:password"
SECRETS: Final = {
    "hubspot": [HUBSPOT],
    "hubspot-webhooks": [HUBSPOT],
    "salesforce": [BASIC],
    "chargebee": [BASIC],
    "cloudevents": [STANDARD],
}


@dataclass(frozen=True)
class Case:
    """One case of `policies/cases/billing`, with what it says is right."""

    source: str
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.source}: {self.body['name']}"

    @property
    def events(self) -> list[Event]:
        events: list[Event] = json.loads((CASES / self.body["events"]).read_text())
        return events


def cases(*sources: str) -> list[Case]:
    """List the cases of some senders; of all but Stripe if none is named."""
    documents = [yaml.safe_load(file.read_text()) for file in sorted(CASES.glob("*.yaml"))]
    return [
        Case(document["source"], body)
        for document in documents
        for body in document["cases"]
        if document["source"] in sources or (not sources and document["source"] != "stripe")
    ]


def renamed(content: Any, number: int) -> Any:
    """Tell the same of another account: its ids, its name and its mail addresses are others."""
    match content:
        case list():
            return [renamed(item, number) for item in content]
        case dict():
            changed = {key: _renamed(key, value, number) for key, value in content.items()}
            if content.get("propertyName") == "tenant":
                changed["propertyValue"] = f"{content['propertyValue']}-{number}"
            return changed
    return content


def _renamed(key: str, value: Any, number: int) -> Any:
    match value:
        case str() if key in NAMED:
            return f"{value}-{number}"
        case int() if key in NAMED:
            return value + number * 10**9
        case list() if key in NAMED:
            return [_renamed(key, item, number) for item in value]
    return renamed(value, number)


def arrivals(name: str, events: Sequence[Event], number: int) -> list[Event]:
    """Give a random order in which some events come twice."""
    random = Random(f"{name} {number}")
    order = [*events, *random.sample(list(events), random.randrange(len(events)))]
    random.shuffle(order)
    return order


def signed(source: str, url: str, body: bytes) -> dict[str, str]:
    """Write the headers by which a sender proves itself."""
    return _PROOFS[source](url, body)


def _hubspot(url: str, body: bytes) -> dict[str, str]:
    at = str(int(time.time() * 1000))
    digest = hmac.digest(HUBSPOT.encode(), f"POST{url}".encode() + body + at.encode(), "sha256")
    signature = base64.b64encode(digest).decode()
    return {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": at}


def _basic(_url: str, _body: bytes) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(BASIC.encode()).decode()}"}


def _standard(_url: str, body: bytes) -> dict[str, str]:
    at, key = str(int(time.time())), base64.b64decode(STANDARD.removeprefix("whsec_"))
    name = json.loads(body)["id"]
    digest = hmac.digest(key, f"{name}.{at}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature}


_PROOFS: Final[dict[str, Callable[[str, bytes], dict[str, str]]]] = {
    "hubspot": _hubspot,
    "hubspot-webhooks": _hubspot,
    "salesforce": _basic,
    "chargebee": _basic,
    "cloudevents": _standard,
}


def tenants(events: Sequence[Event]) -> Iterator[str]:
    """Name the accounts that events name, wherever it stands in them."""
    for event in events:
        yield from _tenants(event)


def _tenants(content: Any) -> Iterator[str]:
    match content:
        case list():
            for item in content:
                yield from _tenants(item)
        case {"propertyName": "tenant", "propertyValue": str(name)}:
            yield name
        case dict():
            for key, value in content.items():
                if key in ("tenant", "Tenant__c"):
                    yield value
                else:
                    yield from _tenants(value)
