"""Which tenants a request is about, as the option of its RPC says."""

from collections.abc import Collection, Iterator
from typing import Any

from google.protobuf.message import Message

from authz_service.domain.catalog import Role
from authz_service.gen.access import Access


def tenants_of(request: Any, access: Access) -> Collection[str]:
    """Read the tenants, each once and in order, whatever else is wrong with a request.

    "" stands for a call that concerns all.
    """
    if access.role:
        return dict.fromkeys(Role(name).tenant for name in _values(request, access.role))
    return dict.fromkeys(_values(request, access.tenant)) if access.tenant else ("",)


def _values(message: Any, path: str) -> Iterator[str]:
    """Follow a path of fields, through repeated ones into each message that they hold."""
    name, _, rest = path.partition(".")
    value: Any = getattr(message, name)
    values: Any = (value,) if isinstance(value, str | Message) else value
    for item in values:
        if rest:
            yield from _values(item, rest)
        else:
            yield item
