"""`authz billing map` and `authz billing prices`: what prices stand for."""

import re
from typing import Annotated, Any, Final

import typer
from google.protobuf.field_mask_pb2 import FieldMask

from authz_service.cli.display import output as out
from authz_service.cli.display import tables
from authz_service.cli.display.released import released_parts
from authz_service.cli.display.words import instant
from authz_service.cli.family import required
from authz_service.cli.options import ExpectedRevision, Limit, Reason
from authz_service.cli.paging import every, total
from authz_service.cli.registration import changes, reads
from authz_service.cli.resource import Resource
from authz_service.cli.session import Session
from authz_service.gen.authz.v1 import billing_policy_pb2 as pb

app = typer.Typer(help="What prices of billing systems stand for.")
commands = typer.Typer()

PriceId = Annotated[
    str, typer.Argument(metavar="PRICE", help="Its id at the sender: price_1NG8Du2e.")
]
_AMOUNT: Final = re.compile(r"(?P<name>[a-z0-9._-]+)(?:=(?P<value>[0-9]{1,18}|unlimited|tier))?")


@changes(commands, "map")
def map_price(
    session: Session,
    price: PriceId,
    *,
    to: Annotated[
        list[str],
        typer.Option("--to", metavar="PLAN", help="tier/pro or addon/audit. Repeat for more."),
    ],
    each: Annotated[
        list[str] | None,
        typer.Option("--each", metavar="LIMIT[=N]", help="A limit sold by quantity: seats."),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="LIMIT=N", help="A limit sold whatever the quantity."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without-quantity",
            metavar="LIMIT=N",
            help="What an item without a quantity sells: a number, unlimited, or tier.",
        ),
    ] = None,
    ignore: Annotated[
        bool, typer.Option("--ignore-quantity", help="How many are bought makes no difference.")
    ] = False,
    expected_revision: ExpectedRevision = 0,
    reason: Reason = "",
) -> None:
    """Say what a price stands for, and release the events that wait for it.

    With --dry-run: which events, which accounts, and who gains or loses what.
    """
    request = pb.UpdateBillingPriceRequest(
        billing_price=_price(price, to, each or (), fixed or (), without or (), ignore=ignore),
        update_mask=FieldMask(paths=["*"]),
        allow_missing=True,
        expected_revision=expected_revision,
        reason=reason,
    )
    answer = session.billing_policy.UpdateBillingPrice(request)
    left = answer.still_parked
    note = f"{left} more events follow within seconds" if left else ""
    session.show(answer, tables.facts(_price_facts(answer.billing_price)), *released_parts(answer),
                 note=note)  # fmt: skip


def _price(
    price: str, to: Any, each: Any, fixed: Any, without: Any, *, ignore: bool
) -> pb.BillingPrice:
    message = pb.BillingPrice(id=price, ignores_quantity=ignore)
    for plan in to:
        kind, _, name = plan.partition("/")
        if kind == "tier" and name and not message.tier:
            message.tier = name
        elif kind in ("addon", "add-on") and name:
            message.add_ons.append(name)
        else:
            raise typer.BadParameter(f"{plan!r}: write one tier/NAME at most, or addon/NAME")
    limits: dict[str, pb.SoldLimit] = {}
    for text in each:
        name, value = _amount(text)
        limits[name] = pb.SoldLimit(name=name, each=int(value or 1))
    for text in fixed:
        name, value = _amount(text)
        amount = {"unlimited": True} if value == "unlimited" else {"value": int(value)}
        limits[name] = pb.SoldLimit(name=name, **amount)
    for text in without:
        name, value = _amount(text)
        words = {"unlimited": {"default_unlimited": True}, "tier": {"default_of_tier": True}}
        default: dict[str, Any] = words.get(value) or {"default_value": int(value)}
        limits.setdefault(name, pb.SoldLimit(name=name)).MergeFrom(pb.SoldLimit(**default))
    message.limits.extend(limits.values())
    return message


def _amount(text: str) -> tuple[str, str]:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r}: write LIMIT=N, as in seats=5")
    return match["name"], match["value"] or ""


def _sold(price: pb.BillingPrice) -> str:
    return out.listed(filter(None, [price.tier and f"tier/{price.tier}",
                                    *(f"addon/{name}" for name in price.add_ons)]))  # fmt: skip


def _limits(price: pb.BillingPrice) -> str:
    return out.listed(map(_limit, price.limits))


def _limit(limit: pb.SoldLimit) -> str:
    without = {
        "default_value": f", {limit.default_value} without",
        "default_unlimited": ", unlimited without",
        "default_of_tier": ", the tier's without",
    }.get(limit.WhichOneof("without_quantity") or "", "")
    match limit.WhichOneof("amount"):
        case "each":
            return f"{limit.name} {limit.each} each{without}"
        case "value":
            return f"{limit.name} {limit.value}"
    return f"{limit.name} unlimited"


def _price_facts(price: pb.BillingPrice) -> list[tuple[str, str]]:
    return [
        ("price", price.id),
        ("sells", _sold(price)),
        ("limits", _limits(price)),
        ("quantity", "makes no difference" if price.ignores_quantity else ""),
        ("last changed", f"revision {price.revision}"),
    ]


PRICES: Final = Resource(
    kind=pb.BillingPrice,
    noun="price",
    service=lambda session: session.billing_policy,
    arguments=[required("id", PriceId)],
    columns={
        "PRICE": lambda price: price.id,
        "SELLS": _sold,
        "LIMITS": _limits,
        "REVISION": lambda price: str(price.revision),
    },
    facts=_price_facts,
)
PRICES.list(
    app,
    "List the prices, and what each stands for.",
    tier=Annotated[str | None, typer.Option("--tier", metavar="TIER", help="Only of this tier.")],
)
PRICES.show(app, "Show one price.")
PRICES.delete(app, "Remove a price: events of it that come are parked.", replacement=False)


@reads(commands, "unmapped")
def list_unmapped(session: Session, limit: Limit = None) -> None:
    """List the prices that parked events wait for."""
    call, request = session.billing_policy.ListUnmappedPrices, pb.ListUnmappedPricesRequest()
    answer = every(call, request, lambda page: page.unmapped_prices, limit)
    rows = [
        (
            price.id,
            out.listed(price.sources),
            f"{price.event_count:,}",
            instant(price.first_receive_time),
            instant(price.last_receive_time),
        )
        for price in answer.unmapped_prices
    ]
    columns = ("PRICE", "SOURCES", "EVENTS", "FIRST", "LAST")
    session.show(answer, tables.table(columns, rows), note=total(len(rows), "price", answer))
