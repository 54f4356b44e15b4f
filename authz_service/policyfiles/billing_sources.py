"""The sources of a billing policy: who sends events, and what each event means."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from authz_service.domain.agreement import Verb
from authz_service.domain.billing_policy import (
    Authorization,
    Encoding,
    EventRule,
    Expression,
    Lookup,
    LookupList,
    ParkRule,
    Scheme,
    Signature,
    Snapshot,
    Source,
    Times,
    TimeUnit,
)
from authz_service.policyfiles import expressions
from authz_service.policyfiles.yaml_text import Document, Steps

_LOOPBACK: Final = {("http", host) for host in ("127.0.0.1", "::1", "localhost")}
_ATTRIBUTES: Final = ("id", "type", "time", "subject")


def event_source(document: Document, name: str, body: Mapping[str, Any]) -> Source:
    at: Steps = ("sources", name)
    paths = {
        key: path
        for key in (*_ATTRIBUTES[1:], "data", "tenant")
        if key in body and (path := _compiled(document, (*at, key), body[key])) is not None
    }
    shared = _fields(document, (*at, "fields"), body.get("fields", {}))
    return Source(
        name,
        Scheme(body["scheme"]),
        _attributes(document, at, body)
        | {key: (paths[key],) for key in _ATTRIBUTES if key in paths},
        paths.get("tenant"),
        paths.get("data"),
        _signature(document, (*at, "signature"), body.get("signature", {})),
        _times(document, (*at, "times"), body["times"]),
        tuple(body.get("order", ())),
        _snapshot(body["snapshot"]) if "snapshot" in body else None,
        tuple(_park_rules(document, (*at, "park_when"), body.get("park_when", ()))),
        tuple(body.get("ignore", ())),
        tuple(
            _rule(document, (*at, "events", index), rule, shared)
            for index, rule in enumerate(body["events"])
        ),
        _lookup(document, (*at, "lookup"), body["lookup"]) if "lookup" in body else None,
    )


def _lookup(document: Document, at: Steps, body: Mapping[str, Any]) -> Lookup | None:
    event = _compiled(document, (*at, "event"), body["event"])
    url, listing = body["url"], body.get("of_subject")
    _require_safe(document, (*at, "url"), url, "{agreement}")
    of_subject = None
    if listing is not None:
        _require_safe(document, (*at, "of_subject", "url"), listing["url"], "{subject}")
        items, more = (
            _compiled(document, (*at, "of_subject", key), listing[key]) for key in ("items", "more")
        )
        if items is not None and more is not None:
            of_subject = LookupList(listing["url"], items, more)
        if urlsplit(listing["url"])[:2] != urlsplit(url)[:2]:
            message = "both addresses are of one origin, whose secret is the key"
            document.blame((*at, "of_subject", "url"), message)
    if event is None:
        return None
    authorization = Authorization(body.get("authorization", "bearer"))
    return Lookup(url, event, authorization, body.get("headers", {}), of_subject)


def _require_safe(document: Document, at: Steps, url: str, placeholder: str) -> None:
    """Blame an address that would send a key in the clear, or somewhere that an id could choose."""
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in _LOOPBACK:
        document.blame(at, "write https://: a key travels with it")
    rest = url.replace(placeholder, "")
    if url.count(placeholder) != 1 or placeholder in parts.netloc or "{" in rest or "}" in rest:
        document.blame(at, f"it has {placeholder} in it once, after the host, and nothing like it")
    if "@" in parts.netloc or not parts.hostname:
        document.blame(at, "write https://HOST/PATH: the key is the secret of its origin")


def _attributes(
    document: Document, at: Steps, body: Mapping[str, Any]
) -> dict[str, tuple[Expression, ...]]:
    """Compile what identifies an event: one expression, or several."""
    if "id" not in body:
        return {}
    texts = body["id"] if isinstance(body["id"], list) else [body["id"]]
    parts = [_compiled(document, (*at, "id"), text) for text in texts]
    return {"id": tuple(part for part in parts if part is not None)}


def _signature(document: Document, at: Steps, body: Mapping[str, str]) -> Signature:
    text = body.get("text", "{body}")
    parts = ("separator" in body, "part" in body)
    if any(parts) and not all(parts):
        document.blame(at, "`separator` and `part` need each other: where in the header is it?")
    timed = "timestamp_part" in body or "timestamp_header" in body
    if "{body}" not in text or timed != ("{timestamp}" in text):
        message = "the signed text has {body} in it, and {timestamp} exactly if there is one"
        document.blame((*at, "text"), message)
    return Signature(
        body.get("header", "x-signature").lower(),
        Encoding(body.get("encoding", "hex")),
        text,
        body.get("separator", ""),
        body.get("part", ""),
        body.get("timestamp_part", ""),
        body.get("timestamp_header", "").lower(),
        body.get("id_header", "").lower(),
    )


def _times(document: Document, at: Steps, body: Mapping[str, str]) -> Times:
    zone = body.get("zone", "UTC")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        document.blame((*at, "zone"), f"there is no time zone {zone!r}: write UTC or Europe/Berlin")
    return Times(TimeUnit(body["unit"]), body.get("end_day", "inclusive") == "inclusive", zone)


def _snapshot(body: Mapping[str, str]) -> Snapshot:
    return Snapshot(tuple(body["now"].split(".")), tuple(body["previous"].split(".")))


def _park_rules(
    document: Document, at: Steps, body: Iterable[Mapping[str, str]]
) -> Iterator[ParkRule]:
    for index, rule in enumerate(body):
        when = _compiled(document, (*at, index, "when"), rule["when"], expressions.condition)
        if when is not None:
            yield ParkRule(when, rule["reason"])


def _rule(
    document: Document, at: Steps, body: Mapping[str, Any], shared: Mapping[str, Expression]
) -> EventRule:
    when, by = (
        _compiled(document, (*at, key), body[key], compile_) if key in body else None
        for key, compile_ in (("when", expressions.condition), ("by", expressions.compiled))
    )
    own = _fields(document, (*at, "fields"), body.get("fields", {}))
    mapping = isinstance(body["do"], dict)
    do = () if mapping else tuple(map(Verb, body["do"]))
    cases = {v: tuple(map(Verb, verbs)) for v, verbs in body["do"].items()} if mapping else {}
    if bool(cases) != ("by" in body):
        document.blame((*at, "do"), "`by` and a mapping of its values in `do` need each other")
    return EventRule(body["type"], do, when, by, cases, {**shared, **own})


def _fields(document: Document, at: Steps, body: Mapping[str, str]) -> dict[str, Expression]:
    compiled = {name: _compiled(document, (*at, name), text) for name, text in body.items()}
    return {name: path for name, path in compiled.items() if path is not None}


def _compiled(
    document: Document,
    at: Steps,
    text: str,
    compile_: Callable[[str], Expression] = expressions.compiled,
) -> Expression | None:
    try:
        return compile_(text)
    except ValueError as error:
        document.blame(at, str(error))
        return None
