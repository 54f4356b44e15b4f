"""What a source sent, made into events: their attributes, and what is wrong with them."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from authz_service.domain.billing_event import ReceivedEvent
from authz_service.domain.billing_policy import Source
from authz_service.domain.window import Instant
from authz_service.errors import AuthzError
from authz_service.usecases.billing.values import (
    Unreadable,
    find,
    identifier,
    instant,
    malformed,
    sound,
    text,
)


@dataclass(frozen=True, slots=True)
class Attributes:
    """CloudEvents attributes that came beside the data; what is empty or None is read from it."""

    id: str = ""
    type: str = ""
    time: Instant | None = None
    subject: str = ""


NO_ATTRIBUTES: Final = Attributes()


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event as it came in, and what is wrong with it, "" for nothing."""

    event: ReceivedEvent
    wrong: str = ""


def envelopes(
    source: Source, body: bytes, beside: Attributes = NO_ATTRIBUTES, header_id: str = ""
) -> tuple[Envelope, ...]:
    """Make events of what a source sent: of each item, if it is a list.

    `header_id` names an event that bears no id of its own. One without any is named after its
    content, so that it can be kept and shown nevertheless.
    """
    try:
        document = sound(json.loads(body, parse_constant=_no_number))
    except (ValueError, RecursionError):
        event = ReceivedEvent(source.name, beside.id or header_id or _digest(body), beside.type, 0)
        return (Envelope(event, "it is not JSON"),)
    if isinstance(document, list) and not beside.id:
        return tuple(_envelope(source, item, beside, "") for item in document)
    return (_envelope(source, document, beside, header_id),)


def again(source: Source, event: ReceivedEvent) -> Envelope:
    """Make out anew an event whose attributes could not be read when it came."""
    envelope = _envelope(source, event.data, NO_ATTRIBUTES, "")
    return replace(envelope, event=replace(envelope.event, id=event.id))


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _envelope(source: Source, document: Any, beside: Attributes, header_id: str) -> Envelope:
    name = header_id or _digest(json.dumps(document, sort_keys=True).encode())
    try:
        return Envelope(_event(source, document, beside, name))
    except (Unreadable, AuthzError) as wrong:
        data = document if isinstance(document, dict) else {}
        id_ = beside.id or _id_of_wrong(source, document) or name
        event = ReceivedEvent(source.name, id_, beside.type, 0, data=data)
        return Envelope(event, wrong.message)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _event(source: Source, document: Any, beside: Attributes, name: str) -> ReceivedEvent:
    if not isinstance(document, dict):
        raise malformed("its data is not a JSON object")
    at = beside.time
    if at is None:
        at = instant(_attribute(source, document, "time"), "time", source.times)
    data = document
    if source.data is not None and not beside.id:
        data = find(source.data, document, "data")
    if not isinstance(data, dict):
        raise malformed("`data` finds no JSON object in it")
    type_ = beside.type or text(_attribute(source, document, "type"), "type")
    if not type_:
        raise malformed("it has no type")
    return ReceivedEvent(
        source.name,
        beside.id or _id(source, document) or name,
        type_,
        at,
        beside.subject or identifier(_attribute(source, document, "subject"), "subject"),
        data,
    )


def _attribute(source: Source, document: Any, name: str) -> Any:
    path = next(iter(source.attributes.get(name, ())), None)
    return None if path is None else find(path, document, name)


def _id(source: Source, document: Any) -> str:
    """Put the id together from all fields that identify an event; "" if one is not there."""
    paths = source.attributes.get("id", ())
    parts = [identifier(find(path, document, "id"), "id") for path in paths]
    return ":".join(parts) if all(parts) else ""


def _id_of_wrong(source: Source, document: Any) -> str:
    """Find the id of an event that is wrong in another respect."""
    try:
        return _id(source, document)
    except Unreadable:
        return ""
