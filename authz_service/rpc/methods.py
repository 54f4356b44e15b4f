"""An RPC of the administration port as one line of a table: use case, and conversion both ways.

    SERVICE: Final = Service(
        pb.DESCRIPTOR.services_by_name["TierService"],
        change(tiers.create_tier, _create, TIER.one),
        read(tiers.list_tiers, _listing, TIER.page),
    )

What every answer has, its revision and a page's token, is filled in here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Generic, TypeAlias, TypeVar, assert_never

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from authz_service.rpc.calls import AdminCalls, Context
from authz_service.rpc.messages import effects
from authz_service.usecases.kernel.execution import Answer, ChangeCase, Command, ReadCase
from authz_service.usecases.kernel.paging import Page

C = TypeVar("C", bound=Command)
T = TypeVar("T")

Fields: TypeAlias = Mapping[str, Any]
"""Fields of a message by their names."""


def _nothing(_value: Any) -> None:
    """Do nothing more when a change is done."""


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC: its use case, what reads its request, and what writes its answer."""

    case: ChangeCase[Any, Any] | ReadCase[Any, Any]
    command: Callable[[Any], Any]
    fields: Callable[[Any], Fields]
    done: Callable[[Any], None] = _nothing

    @property
    def name(self) -> str:
        return self.case.rpc

    def answer(self, calls: AdminCalls, request: Any, context: Context) -> Fields:
        """Run the use case and write its answer."""
        match self.case:
            case ChangeCase():
                answer = calls.change(request, context, self.case, self.command)
                if not answer.repeated and not request.validate_only:
                    self.done(answer.value)
            case ReadCase():
                answer = calls.read(request, context, self.case, self.command)
            case _:
                assert_never(self.case)
        return {**_common(answer), **self.fields(answer.value)}


@dataclass(frozen=True, slots=True)
class IssuingMethod(Generic[C, T]):
    """An RPC that makes a secret, which only its first answer shows: nobody keeps it."""

    case: ChangeCase[C, T]
    command: Callable[[Any, str], C]
    fields: Callable[[T], Fields]
    secret_fields: Callable[[T, str], Fields]
    new_secret: Callable[[], str]

    @property
    def name(self) -> str:
        return self.case.rpc

    def answer(self, calls: AdminCalls, request: Any, context: Context) -> Fields:
        """Run the use case with a new secret and write its answer."""
        secret = self.new_secret()
        answer = calls.change(request, context, self.case, lambda r: self.command(r, secret))
        fields = {**_common(answer), **self.fields(answer.value)}
        if answer.repeated or request.validate_only:
            return fields
        return {**fields, **self.secret_fields(answer.value, secret)}


def _common(answer: Answer[Any]) -> Fields:
    """Write what every answer has: its revision, and a dry run its preview."""
    if answer.preview is None:
        return {"revision": answer.revision}
    preview = effects.preview_message(answer.preview)
    return {"revision": answer.revision, "preview": preview}


def change(
    case: ChangeCase[C, T],
    command: Callable[[Any], C],
    fields: Callable[[T], Fields],
    *,
    done: Callable[[T], None] = _nothing,
) -> Method:
    """Describe an RPC that changes something.

    `command` reads the request, `fields` writes what the answer says beside its revision, `done`
    is called once the change is committed: after no repeat, and after no dry run.
    """
    return Method(case, command, fields, done)


def read(
    case: ReadCase[C, T],
    query: Callable[[Any], C],
    fields: Callable[[T], Fields],
) -> Method:
    """Describe an RPC that changes nothing, as `change` does one that does."""
    return Method(case, query, fields)


def issue(
    case: ChangeCase[C, T],
    command: Callable[[Any, str], C],
    fields: Callable[[T], Fields],
    secret_fields: Callable[[T, str], Fields],
    new_secret: Callable[[], str],
) -> IssuingMethod[C, T]:
    """Describe an RPC that makes a secret.

    `command` reads the request with the new secret, `secret_fields` writes what shows it.
    """
    return IssuingMethod(case, command, fields, secret_fields, new_secret)


@dataclass(frozen=True, slots=True)
class Shown(Generic[T]):
    """How answers show a value: the field for one, the field for many, and the message of each."""

    field: str
    fields: str
    message: Callable[[T], Message]

    def one(self, value: T) -> Fields:
        return {self.field: self.message(value)}

    def page(self, page: Page[T]) -> Fields:
        return {
            self.fields: [self.message(item) for item in page.items],
            "next_page_token": page.next_token,
            **({"total_size": page.total_size} if page.total_size else {}),
        }


class Service:
    """A service and its methods, one for each of its RPCs."""

    def __init__(
        self, descriptor: ServiceDescriptor, *methods: Method | IssuingMethod[Any, Any]
    ) -> None:
        self._descriptor = descriptor
        self.methods = methods

    def served(self, calls: AdminCalls) -> dict[ServiceDescriptor, object]:
        """Pair the service with an object that has its RPCs as methods."""
        behaviours = {method.name: self._behaviour(calls, method) for method in self.methods}
        return {self._descriptor: SimpleNamespace(**behaviours)}

    def _behaviour(
        self, calls: AdminCalls, method: Method | IssuingMethod[Any, Any]
    ) -> Callable[[Any, Context], Message]:
        response = GetMessageClass(self._descriptor.methods_by_name[method.name].output_type)

        def behaviour(request: Any, context: Context) -> Message:
            return response(**method.answer(calls, request, context))

        return behaviour
