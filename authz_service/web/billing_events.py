"""`POST /events/{source}`: billing events over HTTP. A 2xx means that the event is committed."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from authz_service.domain.billing_policy import BillingPolicy, Source
from authz_service.domain.window import Instant
from authz_service.errors import Unavailable
from authz_service.usecases.billing.envelopes import envelopes
from authz_service.usecases.billing.event_ingest import EventDoor, SourceChanged
from authz_service.usecases.billing.ingestion import Taken
from authz_service.web.mounts import Refused, Threads
from authz_service.web.webhook_signatures import Delivery, Forged, verify

log = structlog.get_logger()

_MOST_EVENTS: Final = 1000
"""Events that one request may bring."""

_ATTEMPTS: Final = 3
"""How often a delivery is verified anew because its source has just changed."""

_RETRY_SECONDS: Final = "10"


class EventEdge:
    """Verifies billing events that are posted, and takes them in."""

    def __init__(
        self,
        door: EventDoor,
        policy: Callable[[], BillingPolicy],
        secrets: Callable[[str], Sequence[str]],
        clock: Callable[[], Instant],
        public_url: str,
        threads: Threads,
    ) -> None:
        """Take events in by `door`, on `threads`.

        `public_url` is how senders call this server where a proxy stands before it: HubSpot signs
        the URI. "" takes it as it was called.
        """
        self._door = door
        self._policy = policy
        self._secrets = secrets
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self._threads = threads

    def routes(self) -> list[Route]:
        """List what is mounted under `/events`."""
        return [Route("/events/{source}", self.post, methods=["POST"])]

    async def post(self, request: Request) -> JSONResponse:
        source, address = request.path_params["source"], _address(request)
        try:
            delivery = await self._delivery(request)
            events = await self._threads.run(partial(self._take, source, delivery, address))
        except Refused as refusal:
            log.warning("event refused", source=source[:32], address=address, error=refusal.message)
            return JSONResponse({"error": refusal.message}, refusal.status)
        except Unavailable as error:
            log.warning("event not taken in", source=source, error=error.reason.value)
            answer = {"error": "try again"}
            return JSONResponse(answer, 503, headers={"Retry-After": _RETRY_SECONDS})
        except Exception as error:  # the edge is where unknown errors end
            log.error("event not taken in", source=source, exc_info=error)
            return JSONResponse({"error": "an unexpected error"}, 500)
        return JSONResponse({"events": [_answer(event) for event in events]})

    def _take(self, name: str, delivery: Delivery, address: str) -> list[Taken]:
        """Take in what is verified, by the policy of the transaction that takes it in."""
        policy = self._policy()
        for _ in range(_ATTEMPTS):
            try:
                return self._take_by(policy, name, delivery, address)
            except SourceChanged as changed:
                policy = changed.policy
        raise Refused(503, "the billing policy is being changed; send it again")

    def _take_by(
        self, policy: BillingPolicy, name: str, delivery: Delivery, address: str
    ) -> list[Taken]:
        source = policy.sources.get(name)
        if source is None:
            raise Refused(404, "there is no such source of events")
        header_id, how = self._verified(source, delivery), f"signature {source.scheme.value}"
        events = envelopes(source, delivery.body, header_id=header_id)
        if len(events) > _MOST_EVENTS:
            raise Refused(413, f"more than {_MOST_EVENTS} events")
        return [self._door.take(event, source, how, address) for event in events]

    def _verified(self, source: Source, delivery: Delivery) -> str:
        """Check the signature; return the id that came with it, or "" for none."""
        try:
            return verify(source, self._secrets(source.name), delivery, self._clock())
        except Forged as forged:
            raise Refused(401, f"not verified: {forged}") from forged

    async def _delivery(self, request: Request) -> Delivery:
        try:
            body = await request.body()
        except ClientDisconnect as error:
            raise Refused(400, "the sender hung up") from error
        uri = self._public_url + _path(request) if self._public_url else str(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return Delivery(request.method, uri, headers, body)


def _answer(used: Taken) -> dict[str, str | int | bool]:
    event = used.event
    return {
        "id": event.event.id,
        "state": event.state.value,
        "reason": event.reason.value,
        "message": event.message,
        "duplicate": used.duplicate,
        "revision": event.revision,
    }


def _path(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    raw: bytes = request.scope.get("raw_path", b"")
    return raw.decode("ascii", "replace").partition("?")[0] + query


def _address(request: Request) -> str:
    return f"{request.client.host}:{request.client.port}" if request.client else ""
