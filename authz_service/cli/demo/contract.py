"""The demo's chapter on contracts: signed events, mails, seats, and no hands."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any, Final

import httpx

from authz_service.cli.demo.mail import HOST, Mailbox, token_of
from authz_service.cli.demo.storyteller import Storyteller
from authz_service.cli.demo.throwaway_server import Trial
from authz_service.cli.display.words import code
from authz_service.client.connection import Connection
from authz_service.client.failure import Failure
from authz_service.gen.authz.v1 import authorization_pb2 as checks
from authz_service.gen.authz.v1 import invitation_pb2, key_pb2, member_pb2, tenant_pb2

STRIPE: Final = "lighthouse"
LATER: Final = "quarry"
CRM: Final = "vineyard"
ADA: Final = "user:ada"

VIEW: Final = "invoices:view"  # every role, on every tier
SCHEDULE: Final = "reports:schedule"  # editors and admins, on enterprise

_SECRETS: Final = {"stripe": "whsec_of_the_demo", "hubspot": "secret-of-the-demo"}
_PAGE: Final = "https://app.example/join"


def settings(box: Mailbox) -> dict[str, str]:
    """Name the settings of a server that takes events and sends mails."""
    return {
        "AUTHZ_WEB_PORT": "0",
        "AUTHZ_EVENT_SECRETS": json.dumps({name: [word] for name, word in _SECRETS.items()}),
        "AUTHZ_SMTP_HOST": HOST,
        "AUTHZ_SMTP_PORT": str(box.port),
        "AUTHZ_SMTP_TLS": "none",
        "AUTHZ_MAIL_FROM": "Demo <access@app.example>",
        "AUTHZ_PUBLIC_URL": _PAGE,
    }


class Contracts:
    """Two customers, one from Stripe and one from a CRM, until both have left."""

    def __init__(self, teller: Storyteller, server: Trial, box: Mailbox) -> None:
        self._teller = teller
        self._server = server
        self._box = box
        self._admin = self._connected(server.admin_address)
        self._checks = self._connected(server.check_address).authorization
        self._revision = 0
        self._sent = 0
        self._began = int(time.time()) - 60

    def tell(self) -> None:
        """Buy, join, fill the seats, upgrade, and leave."""
        self._teller.chapter("A contract becomes an account, without hands")
        self._purchase()
        self._won()
        self._joined()
        self._seats()
        self._upgraded()
        self._taken_back()
        self._replaced()
        self._unpaid()
        self._trial()
        self._churned()

    def _purchase(self) -> None:
        """A checkout whose events come in the wrong order, and one that nobody signed."""
        plan = self._subscription("created", "price_professional_monthly", 2)
        forged = {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}
        self._post("An event that Stripe did not sign", "stripe", plan, "401", forged)
        title = "Stripe sells two seats; the event comes before the one that says to whom"
        self._post(title, "stripe", plan, "parked, unknown_subject")
        checkout = self._stripe_event(
            "checkout.session.completed",
            mode="subscription",
            customer=f"cus_{STRIPE}",
            metadata={"tenant": STRIPE},
            customer_details={"name": "Lighthouse Ltd", "email": "ada@lighthouse.example"},
        )
        self._post("The checkout says so: the account is open", "stripe", checkout, "applied")

    def _won(self) -> None:
        self._post(
            "The CRM wins a deal: another customer, paid by invoice",
            "hubspot",
            self._deal("won", plan="professional", seats=5, company="Vineyard"),
            "applied",
        )

    def _joined(self) -> None:
        """Both are welcomed by mail; the first of them follows the link, which works once."""
        welcome = self._welcomed("ada@lighthouse.example", "Lighthouse Ltd")
        self._welcomed("hank@vineyard.example", "Vineyard")
        token = token_of(welcome)
        member = self._teller.step(
            "Ada follows the link and signs in",
            f"AcceptInvitation: {ADA} in {STRIPE}, with the link's token",
            lambda: self._accept(token),
            lambda a: f"member, {', '.join(a.member.roles)}",
            "member, admin",
        )
        self._revision = member.revision
        self._ask("May she see invoices?", VIEW)
        again = _refused(lambda: self._accept(token))
        what = "AcceptInvitation: the same token"
        self._teller.step("The link works once", what, again, str, "INVITATION_TOKEN_REFUSED")

    def _welcomed(self, address: str, name: str) -> EmailMessage:
        return self._teller.step(
            f"{name} is welcomed by mail",
            "",
            lambda: self._box.mail_to(address),
            lambda mail: f"to {mail['to']}: {mail['subject']}",
            f"to {address}: Welcome to {name}",
        )

    def _accept(self, token: str) -> invitation_pb2.AcceptInvitationResponse:
        return self._admin.invitations.AcceptInvitation(
            invitation_pb2.AcceptInvitationRequest(tenant=STRIPE, subject=ADA, token=token)
        )

    def _seats(self) -> None:
        """The admin runs the roster, within what was bought."""
        panel = key_pb2.Key(roles=["authz.product"], display_name="admin panel")
        key = self._admin.keys.CreateKey(key_pb2.CreateKeyRequest(key=panel)).credential
        self._panel = self._connected(self._server.admin_address, key, ADA).members
        self._add("Ada gives Ben the second seat, in the product's own panel", "ben", "done")
        self._add("And Cleo a third", "cleo", "SEATS_EXHAUSTED")

    def _upgraded(self) -> None:
        self._ask("Reports are scheduled on enterprise", SCHEDULE, "denied, NOT_ENTITLED")
        upgrade = self._subscription("updated", "price_enterprise", 3)
        self._post("Lighthouse upgrades at Stripe, with three seats", "stripe", upgrade, "applied")
        self._ask("The very next check knows", SCHEDULE)
        self._add("And Cleo has a seat", "cleo", "done")

    def _taken_back(self) -> None:
        """A cancellation, and second thoughts: nothing ends."""
        ends = int(time.time()) + 20 * 86_400
        subscription = self._subscription("updated", "price_enterprise", 3, cancel_at=ends)
        self._post(
            "Lighthouse cancels for the end of the period", "stripe", subscription, "applied"
        )
        stays = self._subscription("updated", "price_enterprise", 3)
        self._post("And takes the cancellation back", "stripe", stays, "applied")

    def _replaced(self) -> None:
        """A second subscription takes the place of the first, whose end concerns it alone."""
        new = self._subscription("created", "price_enterprise", 4, number=2)
        self._post("A new subscription takes the place of the old one", "stripe", new, "applied")
        old = self._subscription("deleted", "price_enterprise", 3, status="canceled")
        self._post("The old one ends", "stripe", old, "applied")
        self._ask("The account stays open: another one carries it", VIEW)

    def _unpaid(self) -> None:
        """A first payment that fails sells nothing."""
        session = self._stripe_event(
            "checkout.session.completed",
            mode="subscription",
            payment_status="unpaid",
            customer=f"cus_{LATER}",
            metadata={"tenant": LATER},
            customer_details={"name": "Quarry Ltd", "email": "eve@quarry.example"},
        )
        self._post("Quarry buys, and pays later", "stripe", session, "parked, not_onboarded")
        unpaid = self._subscription(
            "created", "price_enterprise", 50, customer=LATER, status="incomplete"
        )
        title = "Its first payment fails: nothing is sold"
        self._post(title, "stripe", unpaid, "parked, not_onboarded")

    def _trial(self) -> None:
        """The invoice of zero that begins a trial does not end it."""
        until = int(time.time()) + 14 * 86_400
        trial = self._subscription(
            "created", "price_professional_monthly", 5, number=2, customer=LATER,
            status="trialing", trial_end=until,
        )  # fmt: skip
        self._post("Quarry takes a trial", "stripe", trial, "applied")
        invoice = self._stripe_event(
            "invoice.paid", customer=f"cus_{LATER}", subscription=f"sub_{LATER}_2", amount_due=0
        )
        self._post("Its invoice of zero is paid", "stripe", invoice, "applied")
        request = tenant_pb2.GetTenantRequest(tenant=LATER)
        self._teller.step(
            "Quarry is on trial, for two weeks",
            f"authz tenants show {LATER}",
            lambda: self._admin.tenants.GetTenant(request).tenant,
            lambda tenant: code(tenant_pb2.TenantState, tenant.state),
            "TRIAL",
        )

    def _churned(self) -> None:
        stripe_event = self._stripe_event(
            "customer.deleted", id=f"cus_{STRIPE}", metadata={"tenant": STRIPE}
        )
        self._post("Lighthouse leaves", "stripe", stripe_event, "applied")
        self._ask("Everything is closed", VIEW, "denied, TENANT_OFFBOARDED")
        self._add("To the panel as well", "dora", "PERMISSION_DENIED")
        self._post("Vineyard leaves", "hubspot", self._deal("churned"), "applied")

    def _ask(self, title: str, permission: str, expected: str = "allowed") -> None:
        check = checks.CheckRequest(
            tenant=STRIPE, subject=ADA, permission=permission, min_revision=self._revision
        )
        self._teller.step(
            title,
            f"authz check {STRIPE} {ADA} {permission}",
            lambda: self._checks.Check(check),
            lambda a: (
                "allowed" if a.allowed else f"denied, {code(checks.DecisionReason, a.reason)}"
            ),
            expected,
        )

    def _add(self, title: str, who: str, expected: str) -> None:
        new = member_pb2.NewMember(subject=f"user:{who}", roles=["viewer"])
        request = member_pb2.AddMemberRequest(tenant=STRIPE, member=new)
        what = f"AddMember: user:{who} in {STRIPE}, x-authz-actor: {ADA}"
        self._teller.step(
            title, what, _refused(lambda: self._panel.AddMember(request)), str, expected
        )

    def _post(
        self,
        title: str,
        source: str,
        body: bytes,
        expected: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Post an event, signed if no headers are given."""
        url = f"{self._server.web_url}/events/{source}"
        sent = headers or _signed(source, url, body)
        self._teller.step(
            title,
            f"POST /events/{source}",
            lambda: httpx.post(url, content=body, headers=sent, timeout=10, trust_env=False),
            self._said,
            expected,
        )

    def _said(self, answer: httpx.Response) -> str:
        if not answer.is_success:
            return str(answer.status_code)
        (event,) = answer.json()["events"]
        self._revision = max(self._revision, event["revision"])
        parked = f", {event['reason']}" if event["state"] == "parked" else ""
        return f"{event['state']}{parked}"

    def _subscription(
        self,
        what: str,
        price: str,
        seats: int,
        *,
        number: int = 1,
        customer: str = STRIPE,
        **other: Any,
    ) -> bytes:
        content: dict[str, Any] = {
            "id": f"sub_{customer}_{number}",
            "customer": f"cus_{customer}",
            "status": "active",
            "items": {"data": [{"price": {"id": price}, "quantity": seats}]},
        }
        return self._stripe_event(f"customer.subscription.{what}", **(content | other))

    def _stripe_event(self, type_: str, **content: Any) -> bytes:
        self._sent += 1
        event = {"id": f"evt_{self._sent}", "type": type_, "created": self._began + self._sent}
        return json.dumps({**event, "data": {"object": content}}).encode()

    def _deal(self, what: str, **properties: Any) -> bytes:
        self._sent += 1
        deal = {
            "eventId": self._sent,
            "subscriptionType": f"deal.{what}",
            "occurredAt": (self._began + self._sent) * 1000,
            "objectId": f"deal-{CRM}",
            "properties": {"tenant": CRM, "contact_email": "hank@vineyard.example", **properties},
        }
        return json.dumps([deal]).encode()

    def _connected(self, address: str, key: str = "", actor: str = "") -> Connection:
        return Connection(
            address, key or self._server.key, timeout=10, max_message_bytes=1 << 22, actor=actor
        )


def _refused(do: Callable[[], object]) -> Callable[[], str]:
    """Let a refusal be an answer: its reason."""

    def done() -> str:
        try:
            do()
        except Failure as failure:
            return failure.reason
        return "done"

    return done


def _signed(source: str, url: str, body: bytes) -> dict[str, str]:
    """Sign as Stripe and as HubSpot do."""
    secret, at = _SECRETS[source].encode(), int(time.time())
    if source == "stripe":
        digest = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={at},v1={digest}"}
    signed = f"POST{url}".encode() + body + f"{at}000".encode()
    proof = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
    return {"X-HubSpot-Signature-v3": proof, "X-HubSpot-Request-Timestamp": f"{at}000"}
