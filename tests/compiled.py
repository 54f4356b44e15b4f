"""SQL statements compiled once a run.

SQLAlchemy keeps what it has compiled with each engine. A service has one engine; tests open one
for each of thousands of databases, and would compile the same statements for each: that was half
of the time of a small test.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

from authz_service.store import database


class _Shared(LRUCache[Any, Any]):
    """Takes two dialects of one kind for the same one."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_the_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_the_kind(key), value)


def share() -> None:
    """Let all engines of this process keep what they compile in one place."""
    shared = _Shared(2_000)
    names = vars(database)
    make: Callable[..., Engine] = names["create_engine"]

    def create_engine(*arguments: Any, **options: Any) -> Engine:
        engine = make(*arguments, **options)
        engine._compiled_cache = shared
        return engine

    names["create_engine"] = create_engine


def _of_the_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *rest = key
    return (type(dialect), *rest)
