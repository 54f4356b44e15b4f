"""Every instant and every length of time that any request can carry is held to protobuf's range."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from authz_service.errors import ErrorReason
from tests.rpc.account import Account
from tests.rpc.conftest import fresh_name
from tests.rpc.harness import Server
from tests.rpc.requests import GOOD, Ready, made_ready
from tests.services import RPCS

_DEEPEST: Final = 6
_UNSOUND: Final = {
    "google.protobuf.Timestamp": ({"nanos": 10**9}, {"nanos": -1}, {"seconds": 253_402_300_800}),
    "google.protobuf.Duration": (
        {"nanos": 10**9},
        {"seconds": 1, "nanos": -1},
        {"seconds": 315_576_000_001},
    ),
}


def times_in(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every time in a message, the first item of a list standing for all."""
    for field in kind.fields:
        if field.type != FieldDescriptor.TYPE_MESSAGE or len(path) > _DEEPEST:
            continue
        if field.message_type.full_name in _UNSOUND:
            yield (*path, field.name)
        else:
            yield from times_in(field.message_type, (*path, field.name))


CARRIED: Final = [(name, path) for name, rpc in RPCS.items() for path in times_in(rpc.input_type)]


def spoiled(message: Message, path: tuple[str, ...], wrong: dict[str, int]) -> str:
    """Put a wrong time at a path; name the place as a refusal does."""
    told = []
    field: Any
    for name in path[:-1]:
        field, within = message.DESCRIPTOR.fields_by_name[name], getattr(message, name)
        assert not field.message_type.GetOptions().map_entry, "maps are not looked into"
        message = (within[0] if within else within.add()) if field.is_repeated else within
        told.append(f"{name}[0]" if field.is_repeated else name)
    field = message.DESCRIPTOR.fields_by_name[path[-1]]
    time = GetMessageClass(field.message_type)(**wrong)
    if field.is_repeated:
        del getattr(message, path[-1])[:]
        getattr(message, path[-1]).append(time)
    else:
        getattr(message, path[-1]).CopyFrom(time)
    return ".".join([*told, f"{path[-1]}[0]" if field.is_repeated else path[-1]])


@pytest.fixture(scope="module")
def ready(server: Server) -> Ready:
    return made_ready(Account(server, fresh_name("times")))


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("name", "path"), CARRIED, ids=[f"{name}-{'.'.join(path)}" for name, path in CARRIED]
)
def test_time_out_of_range_is_refused_by_its_path_in_every_request(
    server: Server, ready: Ready, name: str, path: tuple[str, ...]
) -> None:
    request: Any = GetMessageClass(RPCS[name].input_type)()
    if name in GOOD:
        request.CopyFrom(GOOD[name](ready))
    field: Any = RPCS[name].input_type
    for each in path:
        field = (field if isinstance(field, Descriptor) else field.message_type).fields_by_name[
            each
        ]
    for wrong in _UNSOUND[field.message_type.full_name]:
        at = spoiled(request, path, wrong)
        server.refuses(request, ErrorReason.INVALID_FIELD, at=at, says="nanos")
