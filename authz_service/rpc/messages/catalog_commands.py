"""Requests about the catalogue to commands, said once for every kind of definition."""

from collections.abc import Callable
from typing import Any, TypeVar

from authz_service.domain.catalog import Feature, Limit, Permission, Plan, Role
from authz_service.rpc.messages import values
from authz_service.rpc.messages.catalog import plan_id
from authz_service.usecases.catalog.deletion import DeleteObject
from authz_service.usecases.catalog.objects import Create, Named, Update
from authz_service.usecases.catalog.plan_items import (
    CreateItem,
    DeleteItem,
    ListItems,
    OneItem,
    UpdateItem,
)
from authz_service.usecases.catalog.plans import ListPlans

D = TypeVar("D", bound=Permission | Role | Plan)
I = TypeVar("I", bound=Feature | Limit)  # noqa: E741 - an item


def create(value: Callable[[Any], D]) -> Callable[[Any], Create[D]]:
    """Read a request to create the object that `value` reads from it."""
    return lambda request: Create(object=value(request))


def update(value: Callable[[Any], D]) -> Callable[[Any], Update[D]]:
    """Read a request to update the object that `value` reads from it."""
    return lambda request: Update(
        object=value(request),
        mask=tuple(request.update_mask.paths),
        allow_missing=request.allow_missing,
        expected_revision=request.expected_revision,
    )


def deletion(request: Any) -> DeleteObject:
    return DeleteObject(
        id=request.id,
        replacement=request.replacement,
        expected_revision=request.expected_revision,
    )


def named(request: Any) -> Named:
    return Named(id=request.id)


def plans_listing(request: Any) -> ListPlans:
    return ListPlans(
        page=values.page(request), permission=request.permission, feature=request.feature
    )


def item_creation(item: Callable[[Any], I]) -> Callable[[Any], CreateItem[I]]:
    """Read a request to set the feature or limit that `item` reads from it."""
    return lambda request: CreateItem(plan=plan_id(request), item=item(request))


def item_update(item: Callable[[Any], I]) -> Callable[[Any], UpdateItem[I]]:
    """Read a request to change the feature or limit that `item` reads from it."""
    return lambda request: UpdateItem(
        plan=plan_id(request),
        item=item(request),
        mask=tuple(request.update_mask.paths),
        allow_missing=request.allow_missing,
        expected_revision=request.expected_revision,
    )


def one_item(request: Any) -> OneItem:
    return OneItem(plan=plan_id(request), name=request.name)


def item_deletion(request: Any) -> DeleteItem:
    return DeleteItem(
        plan=plan_id(request), name=request.name, expected_revision=request.expected_revision
    )


def items_listing(request: Any) -> ListItems:
    return ListItems(page=values.page(request), plan=plan_id(request), name=request.name)
