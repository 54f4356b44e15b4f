"""Write the reference of the API as pages: one a file, the reasons of errors, and an index."""

import re
from collections.abc import Iterator
from typing import Final

from tools.api_model import Access, Api, Field, Rpc, Service, Type

MADE: Final = (
    "<!-- Written by `make gen` from proto/authz/v1/. Change the proto files, not this. -->"
)
CHECK_PORT: Final = ("AuthorizationService",)
ERRORS: Final = "ErrorReason"


def pages(api: Api) -> dict[str, str]:
    """Return the content of every page by its file name."""
    written = {f"{service.page}.md": _service(api, service) for service in api.services}
    of_services = {service.page for service in api.services}
    shared = {each.page for each in api.types.values() if each.name != ERRORS} - of_services
    written |= {f"{page}.md": _shared(api, page) for page in sorted(shared)}
    return {**written, "errors.md": _errors(api), "README.md": _index(api)}


def _index(api: Api) -> str:
    services = [
        f"| [`{each.name}`]({each.page}.md) | {_port(each)} | {_sentence(each.comment)} |"
        for each in api.services
    ]
    rpcs = sorted((rpc.name, each, rpc) for each in api.services for rpc in each.rpcs)
    calls = [
        f"| [`{name}`]({each.page}.md#{name.lower()}) | `{rpc.access.right}` "
        f"| {_sentence(rpc.comment)} |"
        for name, each, rpc in rpcs
    ]
    return _text(
        MADE,
        "# The API",
        "Package `authz.v1`, over gRPC. What all calls have in common is in "
        "[calling](../calling.md); why a call fails, in [errors](errors.md).",
        _table("service", "port", "what it is for", rows=services),
        "## Every call",
        _table("call", "right", "what it does", rows=calls),
    )


def _service(api: Api, service: Service) -> str:
    own = {name for rpc in service.rpcs for name in (rpc.request, rpc.response)}
    others = [each for each in api.types.values() if each.page == service.page]
    others = sorted((each for each in others if each.name not in own), key=lambda each: each.name)
    calls = [
        f"| [`{rpc.name}`](#{rpc.name.lower()}) | `{rpc.access.right}` | {_sentence(rpc.comment)} |"
        for rpc in service.rpcs
    ]
    parts = [
        MADE,
        f"# {service.name}",
        _linked(api, service.comment, service.page),
        f"On the {_port(service)} port. [All services](README.md), [why a call fails](errors.md).",
        _table("call", "right", "what it does", rows=calls),
        *(part for rpc in service.rpcs for part in _rpc(api, rpc, service.page)),
    ]
    if others:
        parts += ["## Types", *(part for each in others for part in _type(api, each))]
    return _text(*parts)


def _shared(api: Api, page: str) -> str:
    """Write the page of a file that has no service of its own."""
    types = [each for each in api.types.values() if each.page == page]
    return _text(
        MADE,
        f"# Types of {page}.proto",
        "Several services use them. [All services](README.md).",
        *(part for each in sorted(types, key=lambda each: each.name) for part in _type(api, each)),
    )


def _rpc(api: Api, rpc: Rpc, page: str) -> Iterator[str]:
    request, response = api.types[rpc.request], api.types[rpc.response]
    yield f"## {rpc.name}"
    yield _linked(api, rpc.comment, page)
    yield f"```proto\nrpc {rpc.name}({rpc.request}) returns ({rpc.response})\n```"
    yield _taken(rpc.access)
    for title, message in (("Request", request), ("Response", response)):
        yield f"**{title}.** {_linked(api, message.comment, page)}"
        if message.fields:
            yield _fields(api, message)
    named = _reasons(api, rpc.comment, *(each.comment for each in request.fields))
    if named:
        yield f"Errors named here: {', '.join(_reason_link(name) for name in named)}."


def _type(api: Api, shown: Type) -> Iterator[str]:
    yield f"### {shown.name}"
    yield _linked(api, shown.comment, shown.page)
    if not shown.is_enum:
        yield _fields(api, shown)
        return
    rows = [
        f"| `{each.name}` | {_linked(api, each.comment, shown.page)} |" for each in shown.fields
    ]
    yield _table("value", "meaning", rows=rows)


def _fields(api: Api, message: Type) -> str:
    rows = [
        f"| `{each.name}` | {_type_link(api, each, message.page)} "
        f"| {_cell(_linked(api, each.comment, message.page))} |"
        for each in message.fields
    ]
    return _table("field", "type", "meaning", rows=rows)


def _type_link(api: Api, field: Field, page: str) -> str:
    if not field.of or field.of not in api.types:
        return f"`{field.type}`"
    named = f"[{field.of}]({_place(api.types[field.of], page)})"
    return field.type.replace(field.of, named, 1)


def _place(found: Type, page: str) -> str:
    if found.name == ERRORS:
        return "errors.md"
    # A request and a response stand under their RPC.
    anchor = found.name.removesuffix("Request").removesuffix("Response").lower()
    return f"{'' if found.page == page else found.page + '.md'}#{anchor}"


def _linked(api: Api, text: str, page: str) -> str:
    """Turn the names of types and calls that stand in backticks into links."""
    calls = {rpc.name: each.page for each in api.services for rpc in each.rpcs}

    def link(found: re.Match[str]) -> str:
        name = found.group(1)
        if name in calls:
            elsewhere = "" if calls[name] == page else f"{calls[name]}.md"
            return f"[`{name}`]({elsewhere}#{name.lower()})"
        shown = api.types.get(name)
        if shown is None or name.endswith(("Request", "Response")):
            return found.group()
        return f"[`{name}`]({_place(shown, page)})"

    return re.sub(r"`([A-Z]\w+)`", link, text)


def _errors(api: Api) -> str:
    """Write the published reasons, by the code that each comes with."""
    codes: dict[str, list[str]] = {}
    for value in api.types[ERRORS].fields:
        name = value.name.removeprefix("ERROR_REASON_")
        code, _, meaning = value.comment.partition(". ")
        row = f'| <a id="{name.lower()}"></a>`{name}` | {_cell(_linked(api, meaning, "errors"))} |'
        codes.setdefault(code, []).append(row)
    sections = [
        part
        for code in sorted(codes)
        for part in (f"## {code}", _table("reason", "meaning, and what to do", rows=codes[code]))
    ]
    intro = _linked(api, api.types[ERRORS].comment, "errors")
    return _text(MADE, "# Why a call fails", intro, *sections)


def _reasons(api: Api, *comments: str) -> list[str]:
    """Find the published reasons that comments name, in their order there."""
    known = {each.name.removeprefix("ERROR_REASON_") for each in api.types[ERRORS].fields}
    named = re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", " ".join(comments))
    return [name for name in dict.fromkeys(named) if name in known]


def _reason_link(name: str) -> str:
    return f"[`{name}`](errors.md#{name.lower()})"


def _port(service: Service) -> str:
    return "check" if service.name in CHECK_PORT else "administration"


def _taken(access: Access) -> str:
    """Say which right a call takes, for whom, and what it counts as."""
    right = f"`{access.right}`"
    match access:
        case Access(tenant=path) if "." in path:
            taken = f"{right} for every tenant in `{path}`"
        case Access(tenant=path) if path:
            taken = f"{right} for the tenant in `{path}`"
        case Access(role=path, right_in_tenant=narrower) if path and narrower:
            taken = f"{right}, or `{narrower}` where `{path}` names a tenant's own role"
        case Access(role=path) if path:
            taken = f"{right} for the tenant whose role `{path}` names"
        case _:
            taken = f"{right} for all tenants"
    counted = _counted(access)
    first = " Goes before changes that take no access away." if access.takes_access else ""
    return f"Takes the right {taken}.{counted}{first}"


def _counted(access: Access) -> str:
    """Say what a call counts as in the rate limit, if not as one."""
    cost = f"{access.cost} calls" if access.cost > 1 else "one call"
    if access.weight:
        return f" Counts as {cost} for each of `{access.weight}`."
    return f" Counts as {cost}." if access.cost > 1 else ""


def _sentence(text: str) -> str:
    """Return the first sentence."""
    return _cell(re.split(r"(?<=[.:]) (?=[A-Z])", text.partition("\n")[0])[0].rstrip(":"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n\n", "<br>")


def _table(*head: str, rows: list[str]) -> str:
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows])


def _text(*parts: str) -> str:
    return "\n\n".join(filter(None, parts)) + "\n"
