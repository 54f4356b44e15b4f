"""What the proto says that each RPC takes, read from the descriptors as any client could."""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.message import Message

from authz_service.gen.authz.v1 import options_pb2
from tests.services import RPCS

ACCESS: Final = {
    name: rpc.GetOptions().Extensions[options_pb2.access] for name, rpc in RPCS.items()
}


RIGHT_OF: Final = {name: access.right for name, access in ACCESS.items()}
IN_TENANT: Final = {
    access.right: access.right_in_tenant for access in ACCESS.values() if access.right_in_tenant
}
"""What is enough in place of a right where the request is about one customer."""


def places(message: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Follow a path of fields to the messages that have the last of them, and its name."""
    name, _, rest = path.partition(".")
    if not rest:
        yield message, name
        return
    value = getattr(message, name)
    for item in (value,) if isinstance(value, Message) else value:
        yield from places(item, rest)
