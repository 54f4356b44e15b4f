"""The database's own clock, as a part of statements that are run anyway."""

from typing import Any

from sqlalchemy import BigInteger, FunctionElement
from sqlalchemy.ext.compiler import compiles


class DatabaseNow(FunctionElement[int]):
    """The instant by the database's clock; NULL where that is this machine's own, as SQLite's."""

    type = BigInteger()
    inherit_cache = True


@compiles(DatabaseNow)
def _no_other_clock(_element: DatabaseNow, _compiler: Any, **_options: Any) -> str:
    return "NULL"


@compiles(DatabaseNow, "postgresql")
def _postgres(_element: DatabaseNow, _compiler: Any, **_options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"
