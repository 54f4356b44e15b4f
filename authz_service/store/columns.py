"""What tables are made of: columns of one type each, and the form of a table of facts."""

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text
from sqlalchemy import text as sql

metadata: Final = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
ID: Final = BigInteger().with_variant(Integer, "sqlite")
_OPEN: Final = sql("closed_revision IS NULL")


def text(name: str) -> Column[str]:
    return Column(name, TEXT, nullable=False, server_default="")


def number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def texts(*names: str) -> list[Column[str]]:
    return [text(name) for name in names]


def numbers(*names: str) -> list[Column[int]]:
    return [number(name) for name in names]


def flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def fact_table(
    name: str, key: tuple[str, ...], *columns: Column[Any], history: tuple[str, ...] = ()
) -> Table:
    """Describe a table of facts; at most one open row may have the same `key`, and rows of any age
    are found by `history`.
    """
    return Table(
        name,
        metadata,
        Column("id", ID, primary_key=True, autoincrement=True),
        *columns,
        number("opened_revision"),
        Column("closed_revision", BigInteger),
        Index(f"ux_{name}_open", *key, unique=True, postgresql_where=_OPEN, sqlite_where=_OPEN),
        *([Index(None, *history)] if history else []),
        info={"key": key},
    )
