"""Prices that events name and the billing policy does not have."""

from dataclasses import dataclass

from authz_service.store import event_prices
from authz_service.store.event_prices import UnmappedPrice
from authz_service.usecases.kernel import paging
from authz_service.usecases.kernel.execution import View, read
from authz_service.usecases.kernel.paging import Page, PageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ListUnmappedPrices:
    page: PageRequest
    tenant: str = ""


@read
def list_unmapped_prices(view: View, query: ListUnmappedPrices) -> Page[UnmappedPrice]:
    """List the prices that events wait for."""
    filters = ["unmapped prices"]
    size, after = paging.size(query.page), paging.start(query.page, filters)
    with view.database.read() as connection:
        prices = event_prices.unmapped(connection, after, size + 1)
    return paging.cut(prices, lambda price: price.id, size, filters)
