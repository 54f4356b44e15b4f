"""Lists, whole: page by page until the end or the wanted number."""

from collections.abc import Callable, Sized
from typing import Final, Protocol, Self, TypeVar

from authz_service.cli.display.output import counted

_PAGE: Final = 1000


class _Listing(Protocol):
    page_size: int
    page_token: str


class _Page(Protocol):
    next_page_token: str

    def MergeFrom(self, other_msg: Self, /) -> None: ...  # noqa: N802 - protobuf's name


Wanted = TypeVar("Wanted", bound=_Listing)
Found = TypeVar("Found", bound=_Page)


def every(
    call: Callable[[Wanted], Found],
    request: Wanted,
    items: Callable[[Found], Sized],
    limit: int | None = None,
) -> Found:
    """Fetch all pages as one answer, or its first `limit` items.

    The `next_page_token` of the answer is empty unless the limit left something out; its revision
    is that of the last page.
    """
    request.page_size = min(_PAGE, limit or _PAGE)
    answer = call(request)
    while answer.next_page_token and (limit is None or len(items(answer)) < limit):
        request.page_token = answer.next_page_token
        if limit is not None:
            request.page_size = min(_PAGE, limit - len(items(answer)))
        page = call(request)
        answer.MergeFrom(page)  # appends what is repeated
        answer.next_page_token = page.next_page_token  # an empty one is not merged
    return answer


def total(number: int, noun: str, answer: _Page) -> str:
    """Say how many were listed, and whether the limit left some out."""
    count = counted(number, noun)
    return f"the first {count}; there are more: raise --limit" if answer.next_page_token else count
