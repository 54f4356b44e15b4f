"""Every service and RPC of the API, as the generated modules describe them."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Final

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message_factory import GetMessageClass

from authz_service.gen.authz import v1


def _files() -> list[FileDescriptor]:
    names = [module.name for module in iter_modules(v1.__path__) if module.name.endswith("_pb2")]
    return [import_module(f"{v1.__name__}.{name}").DESCRIPTOR for name in names]


SERVICES: Final[dict[str, ServiceDescriptor]] = {
    name: service for file in _files() for name, service in file.services_by_name.items()
}

RPCS: Final[dict[str, MethodDescriptor]] = {
    method.name: method for service in SERVICES.values() for method in service.methods
}
"""Every RPC by its name, which no two services share."""


PUT: Final[dict[str, Any]] = {"update_mask": FieldMask(paths=["*"]), "allow_missing": True}
"""Fields of an update that creates an object or replaces all of it."""


def request(rpc: str, **fields: Any) -> Any:
    """Make the request of an RPC by its name."""
    return GetMessageClass(RPCS[rpc].input_type)(**fields)
