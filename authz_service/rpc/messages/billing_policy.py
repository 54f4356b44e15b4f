"""Parts of the billing policy: messages to what the file has for them, and back."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message

from authz_service.domain.billing_documents import NO_ROLE, PartKind, part_document
from authz_service.domain.billing_part import SETTINGS as SETTINGS_ID
from authz_service.domain.billing_part import BillingPart, part
from authz_service.errors import ErrorReason, InvalidArgument
from authz_service.gen.authz.v1 import billing_policy_pb2 as pb
from authz_service.gen.authz.v1 import tenant_pb2
from authz_service.rpc.messages import values
from authz_service.rpc.methods import Shown
from authz_service.store.event_prices import UnmappedPrice

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def price(message: pb.BillingPrice) -> BillingPart:
    data = _set(
        tier=message.tier,
        add_ons=list(message.add_ons),
        limits=_limits(message.limits),
        quantity="ignored" if message.ignores_quantity else "",
    )
    return part(PartKind.PRICE, message.id, data)


def _limits(limits: Iterable[pb.SoldLimit]) -> dict[str, Any]:
    amounts: dict[str, Any] = {}
    for at, limit in enumerate(limits):
        field = f"billing_price.limits[{at}]"
        if limit.name in amounts:
            raise _wrong(f"limit {limit.name!r} is named twice: keep one", f"{field}.name")
        amounts[limit.name] = _amount(limit, field)
    return amounts


def _amount(limit: pb.SoldLimit, field: str) -> Any:
    without = limit.WhichOneof("without_quantity")
    match limit.WhichOneof("amount"):
        case "each":
            return {"each": limit.each, **_set(no_quantity=_without_quantity(limit, without))}
        case "value" if without is None:
            return limit.value
        case "unlimited" if limit.unlimited and without is None:
            return "unlimited"
    if without is not None:
        raise _wrong("only a limit with `each` depends on a quantity", f"{field}.{without}")
    raise _wrong("it needs a value, `each`, or unlimited said outright", field)


def _without_quantity(limit: pb.SoldLimit, which: str | None) -> Any:
    match which:
        case "default_value":
            return limit.default_value
        case "default_unlimited" if limit.default_unlimited:
            return "unlimited"
        case "default_of_tier" if limit.default_of_tier:
            return "tier"
    return None


def source(message: pb.BillingSource) -> BillingPart:
    return part(PartKind.SOURCE, message.id, _plain(MessageToDict(message.definition)))


def _plain(value: Any) -> Any:
    """Write whole numbers as such: Struct has but one kind of number."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value


def settings(message: pb.BillingSettings) -> BillingPart:
    roles = list(message.first_admin_roles)
    data = _set(
        first_admin={"roles": roles} if roles else None,
        past_due={"grace": _duration(message.grace_period)},
        trial=_then(message, "after_trial"),
        cancelled=_then(message, "after_end"),
        quantities={
            name: _word(pb.QuantityRule, "QUANTITY_RULE_", rule, f"quantities[{name}]")
            for name, rule in message.quantities.items()
        },
        downgrade=_downgrade(message.downgrade) if message.HasField("downgrade") else None,
        breaker=_breaker(message.breaker) if message.HasField("breaker") else None,
    )
    return part(PartKind.SETTINGS, SETTINGS_ID, data)


def _then(message: pb.BillingSettings, field: str) -> dict[str, Any] | None:
    fallback: pb.AccountFallback = getattr(message, field)
    match fallback.WhichOneof("then"):
        case "tier":
            return {"then": {"tier": fallback.tier}}
        case "state":
            return {"then": _word(tenant_pb2.TenantState, "TENANT_STATE_", fallback.state, field)}
    return None


def _downgrade(message: pb.DowngradeRules) -> dict[str, Any]:
    rules = {
        name: _word(pb.ExcessRule, "EXCESS_RULE_", rule, f"downgrade.limits[{name}]")
        for name, rule in message.limits.items()
    }
    return {
        "order": list(message.order),
        "when": "term_end" if message.at_term_end else "now",
        **_set(
            limits=rules,
            roles={role: other or NO_ROLE for role, other in message.roles.items()},
            read_only_role=message.read_only_role,
        ),
    }


def _breaker(message: pb.BreakerRules) -> dict[str, Any]:
    share, at_least = message.share, message.at_least
    return {"share": share, "at_least": at_least, "window": _duration(message.window)}


def _duration(duration: Duration) -> str:
    """Write a duration as files have it, in the largest unit that is exact."""
    seconds = duration.seconds
    size, unit = next((u for u in _UNITS if seconds and seconds % u[0] == 0), _UNITS[-1])
    return f"{seconds // size}{unit}"


def _word(enum: Any, prefix: str, value: int, field: str) -> str:
    names: Mapping[int, str] = {number: name for name, number in enum.items()}
    if not value or value not in names:
        raise _wrong("expected one of the values named in the API", f"billing_settings.{field}")
    return names[value].removeprefix(prefix).lower()


def _set(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _wrong(message: str, field: str) -> InvalidArgument:
    return InvalidArgument(ErrorReason.INVALID_FIELD, message, field=field)


_MESSAGES: Final[Mapping[PartKind, type[Message]]] = {
    PartKind.PRICE: pb.BillingPrice,
    PartKind.SOURCE: pb.BillingSource,
    PartKind.SETTINGS: pb.BillingSettings,
}


def part_message(value: BillingPart) -> Any:
    message = ParseDict(part_document(value.kind, value.id, value.data), _MESSAGES[value.kind]())
    message.revision = value.revision  # type: ignore[attr-defined] # each of them has it
    return message


def unmapped_message(value: UnmappedPrice) -> pb.UnmappedPrice:
    return pb.UnmappedPrice(
        id=value.id,
        sources=value.sources,
        event_count=value.count,
        first_receive_time=values.timestamp(value.first),
        last_receive_time=values.timestamp(value.last),
    )


PRICE: Final = Shown("billing_price", "billing_prices", part_message)
SOURCE: Final = Shown("billing_source", "billing_sources", part_message)
SETTINGS: Final = Shown("billing_settings", "", part_message)
