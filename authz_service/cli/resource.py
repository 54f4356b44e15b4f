"""A kind of object on the command line, described once: columns, facts, options.

    ROLES = Resource(
        kind=pb.Role,
        noun="role",
        service=lambda session: session.roles,
        arguments=[required("id", RoleName)],
        columns={"ROLE": lambda role: role.id, "DESCRIPTION": lambda role: role.description},
        facts=lambda role: [("role", role.id), ("description", role.description)],
        options={"description": Option(Description)},
    )
    ROLES.list(app, "List roles.", prefix=Prefix)
    ROLES.show(app, "Show one role.")
    ROLES.update(app, "Change some fields of a role.")

Requests and answers are found by their names in the proto file of `kind`: `UpdateRoleRequest`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Annotated, Any, Generic, TypeVar, cast

import typer
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from authz_service.cli.display import tables
from authz_service.cli.display.moved import moved_parts
from authz_service.cli.family import Option, command, option
from authz_service.cli.options import ExpectedRevision, Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.session import Session

M = TypeVar("M", bound=Message)

Replacement = Annotated[
    str,
    typer.Option("--replacement", metavar="NAME", help="Takes its place wherever it is used."),
]
Clear = Annotated[
    list[str] | None,
    typer.Option("--clear", metavar="FIELD", help="Empty this field. Repeat for more."),
]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Create it if it does not exist yet.")
]


@dataclass(frozen=True, kw_only=True)
class Resource(Generic[M]):
    """A kind of object: `arguments` say which one, `options` fill its other fields, by field."""

    kind: type[M]
    noun: str
    """As people call one: `add-on`."""
    service: Callable[[Session], Any]
    """The stub that has its RPCs."""
    rpc: str = ""
    """What its RPCs are about, `Feature` of `GetFeature`; the name of `kind` if empty."""
    arguments: Sequence[Parameter]
    columns: Mapping[str, Callable[[M], str]]
    facts: Callable[[M], Iterable[tuple[str, str]]]
    options: Mapping[str, Option] = field(default_factory=dict)
    adding: Mapping[str, Any] = field(default_factory=dict)
    """Options that add to a list, by the list's field."""

    @property
    def _field(self) -> str:
        """The field of answers that holds one: `add_on`, `plan_feature`."""
        words = re.findall("[A-Z][a-z]+", self.kind.DESCRIPTOR.name)
        return "_".join(words).lower()

    @property
    def _name(self) -> str:
        return self.rpc or self.kind.DESCRIPTOR.name

    def list(self, app: typer.Typer, doc: str, **filters: Any) -> None:
        """Add the command that lists them; `filters` are options by the request's fields."""

        def run(session: Session, limit: int | None, **options: Any) -> None:
            name = f"List{self._name}s"
            call = getattr(self.service(session), name)
            answer = every(call, self._request(name, **options), self._listed, limit)
            rows = [
                [write(item) for write in self.columns.values()] for item in self._listed(answer)
            ]
            note = total(len(rows), self.noun, answer)
            session.show(answer, tables.table(list(self.columns), rows), note=note)

        parameters = [option(name, annotation) for name, annotation in filters.items()]
        reads(app, "list")(command(run, doc, *parameters, option("limit", Limit)))

    def show(self, app: typer.Typer, doc: str) -> None:
        """Add the command that shows one."""

        def run(session: Session, **options: Any) -> None:
            session.show(*self.call(session, "Get", **options))

        reads(app, "show")(command(run, doc, *self.arguments))

    def create(self, app: typer.Typer, doc: str) -> None:
        """Add the command that creates one."""

        def run(session: Session, reason: str, **options: Any) -> None:
            message, _ = self._filled(options)
            session.show(*self.call(session, "Create", **{self._field: message}, reason=reason))

        parameters = [*self.arguments, *self._fields(), option("reason", Reason, "")]
        changes(app, "create")(command(run, doc, *parameters))

    def update(self, app: typer.Typer, doc: str) -> None:
        """Add the command that changes what is named of one, and nothing else."""

        def run(
            session: Session,
            clear: Iterable[str] | None,
            allow_missing: bool,
            expected_revision: int,
            reason: str,
            **options: Any,
        ) -> None:
            expected_revision = self._add_to_lists(session, options) or expected_revision
            message, paths = self._filled(options)
            fields = {
                self._field: message,
                "update_mask": FieldMask(paths=[*(clear or ()), *paths]),
                "allow_missing": allow_missing,
                "expected_revision": expected_revision,
                "reason": reason,
            }
            session.show(*self.call(session, "Update", **fields))

        parameters = [
            *self.arguments,
            *self._fields(),
            *(option(f"add_{name}", annotation) for name, annotation in self.adding.items()),
            option("clear", Clear),
            option("allow_missing", AllowMissing, default=False),
            option("expected_revision", ExpectedRevision, 0),
            option("reason", Reason, ""),
        ]
        changes(app, "update")(command(run, doc, *parameters))

    def delete(self, app: typer.Typer, doc: str, *, replacement: bool = True) -> None:
        """Add the command that deletes one; with `replacement`, another may take its place."""

        def run(session: Session, **options: Any) -> None:
            session.show(*self.call(session, "Delete", **options))

        parameters = [
            *self.arguments,
            *([option("replacement", Replacement, "")] if replacement else []),
            option("expected_revision", ExpectedRevision, 0),
            option("reason", Reason, ""),
        ]
        changes(app, "delete")(command(run, doc, *parameters))

    def _fields(self) -> Iterable[Parameter]:
        return [option(name, described.annotation) for name, described in self.options.items()]

    def _add_to_lists(self, session: Session, options: dict[str, Any]) -> int:
        """Complete lists that are added to by what they hold; return the revision that was read."""
        additions = {name: options.pop(f"add_{name}") for name in self.adding}
        if not any(additions.values()):
            return 0
        names = {argument.name: options[argument.name] for argument in self.arguments}
        _, current = self._answer(session, "Get", **names)
        for name, more in additions.items():
            if more and options[name]:
                raise typer.BadParameter(f"name all {name} there are to be, or those to add")
            if more:
                options[name] = sorted({*getattr(current, name), *more})
        return int(getattr(current, "revision", 0))

    def _filled(self, options: Mapping[str, Any]) -> tuple[M, Iterable[str]]:
        """Make an object of what was given, and name the fields that options filled."""
        values = {
            name: described.read(options[name])
            for name, described in self.options.items()
            if options[name] is not None
        }
        names = {argument.name: options[argument.name] for argument in self.arguments}
        return self.kind(**names, **values), tuple(values)

    def call(self, session: Session, verb: str, **fields: Any) -> tuple[Any, ...]:
        """Call an RPC about one; return the answer, and how to show it."""
        answer, value = self._answer(session, verb, **fields)
        return answer, tables.facts(self.facts(value)), *moved_parts(getattr(answer, "moved", ()))

    def _answer(self, session: Session, verb: str, **fields: Any) -> tuple[Any, M]:
        name = f"{verb}{self._name}"
        answer = getattr(self.service(session), name)(self._request(name, **fields))
        return answer, getattr(answer, self._field)

    def _listed(self, answer: Any) -> Any:
        return getattr(answer, f"{self._field}s")

    def _request(self, rpc: str, **fields: Any) -> Any:
        messages = cast("FileDescriptor", self.kind.DESCRIPTOR.file).message_types_by_name
        return GetMessageClass(messages[f"{rpc}Request"])(**fields)
