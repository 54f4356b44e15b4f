"""What the proto files say, comments included, in the shape that a reference page needs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Path: TypeAlias = tuple[int, ...]

# Field numbers of descriptor.proto, of which the path of a comment is made.
_MESSAGE: Final = FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER
_ENUM: Final = FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER
_SERVICE: Final = FileDescriptorProto.SERVICE_FIELD_NUMBER
_METHOD: Final = 2
_FIELD: Final = DescriptorProto.FIELD_FIELD_NUMBER
_VALUE: Final = EnumDescriptorProto.VALUE_FIELD_NUMBER
OURS: Final = ".authz.v1."


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: its type as a reader says it, and the message or enum it is of."""

    name: str
    type: str
    of: str
    comment: str


@dataclass(frozen=True, slots=True)
class Type:
    """A message with its fields, or an enum with its values as fields of no type."""

    name: str
    page: str
    comment: str
    fields: tuple[Field, ...]
    is_enum: bool

    @property
    def field_names(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields)


@dataclass(frozen=True, slots=True)
class Access:
    """What a call takes, as its option says."""

    right: str
    tenant: str
    role: str
    right_in_tenant: str
    weight: str
    cost: int
    takes_access: bool


@dataclass(frozen=True, slots=True)
class Rpc:
    """One call."""

    name: str
    comment: str
    request: str
    response: str
    access: Access
    changes: bool
    """Whether it changes anything: then its request carries a `request_id`."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service with its calls, in the order of the file."""

    name: str
    page: str
    comment: str
    rpcs: tuple[Rpc, ...]


class Api:
    """All services and types of `authz.v1`."""

    def __init__(self, files: FileDescriptorSet) -> None:
        """Read the files, which come with all that they import, in the order of their imports."""
        self._files = [file for file in files.file if file.package == OURS.strip(".")]
        self._access = _access_reader(files)

    @cached_property
    def services(self) -> list[Service]:
        """The services, by name."""
        services = (
            service for file in self._files for service in _services(file, self._access, self.types)
        )
        return sorted(services, key=lambda service: service.name)

    @cached_property
    def types(self) -> dict[str, Type]:
        """Messages and enums by name, in the order of their files."""
        return {each.name: each for file in self._files for each in _types(file)}


def _page(file: FileDescriptorProto) -> str:
    return file.name.rpartition("/")[2].removesuffix(".proto")


def _comments(file: FileDescriptorProto) -> dict[Path, str]:
    return {
        tuple(place.path): place.leading_comments
        for place in file.source_code_info.location
        if place.leading_comments
    }


def _access_reader(files: FileDescriptorSet) -> Callable[[MethodDescriptorProto], Access]:
    """Make what reads the option of a method, which is declared in the files themselves."""
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    options = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.MethodOptions"))
    extension: Any = pool.FindExtensionByName("authz.v1.access")

    def read(method: MethodDescriptorProto) -> Access:
        option = options.FromString(method.options.SerializeToString()).Extensions[extension]
        return Access(
            option.right,
            option.tenant,
            option.role,
            option.right_in_tenant,
            option.weight,
            option.cost,
            option.takes_access,
        )

    return read


def _services(
    file: FileDescriptorProto,
    access: Callable[[MethodDescriptorProto], Access],
    types: Mapping[str, Type],
) -> list[Service]:
    comments = _comments(file)
    return [
        Service(
            service.name,
            _page(file),
            said(comments.get((_SERVICE, place), "")),
            tuple(
                Rpc(
                    rpc.name,
                    said(comments.get((_SERVICE, place, _METHOD, number), "")),
                    rpc.input_type.removeprefix(OURS),
                    rpc.output_type.removeprefix(OURS),
                    access(rpc),
                    "request_id" in types[rpc.input_type.removeprefix(OURS)].field_names,
                )
                for number, rpc in enumerate(service.method)
            ),
        )
        for place, service in enumerate(file.service)
    ]


def _types(file: FileDescriptorProto) -> list[Type]:
    comments, page = _comments(file), _page(file)
    messages = [
        _message(message, (_MESSAGE, place), comments, page)
        for place, message in enumerate(file.message_type)
    ]
    enums = [
        _enum(enum, (_ENUM, place), comments, page) for place, enum in enumerate(file.enum_type)
    ]
    return messages + enums


def _message(message: DescriptorProto, path: Path, comments: dict[Path, str], page: str) -> Type:
    fields = []
    for number, field in enumerate(message.field):
        of = field.type_name.removeprefix(OURS) if field.type_name.startswith(OURS) else ""
        comment = said(comments.get((*path, _FIELD, number), ""))
        fields.append(Field(field.name, _type(field, message), of, comment))
    return Type(message.name, page, said(comments.get(path, "")), tuple(fields), is_enum=False)


def _enum(enum: EnumDescriptorProto, path: Path, comments: dict[Path, str], page: str) -> Type:
    values = [
        Field(value.name, "", "", said(comments.get((*path, _VALUE, number), "")))
        for number, value in enumerate(enum.value)
        if value.number
    ]
    return Type(enum.name, page, said(comments.get(path, "")), tuple(values), is_enum=True)


def _type(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    """Name the type as the proto file does."""
    name = field.type_name.rpartition(".")[2] or _scalar(field)
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{nested.name}"):
            key, value = (_scalar(each) for each in nested.field)
            return f"map<{key}, {value}>"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    if field.proto3_optional:
        return f"optional {name}"
    if field.HasField("oneof_index"):
        return f"{name}, one of {message.oneof_decl[field.oneof_index].name}"
    return name


def _scalar(field: FieldDescriptorProto) -> str:
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def said(comment: str) -> str:
    """Join the lines of a comment; a blank line still begins a paragraph."""
    paragraphs = re.split(r"\n\s*\n", comment.strip())
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)
