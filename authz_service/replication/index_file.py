"""The index as a file, from which a process starts sooner than from the database.

One line says what the file is, of which history and revision, and the digest of the rest. The rest
is JSON: facts as the change log writes them, and columns of plain members. Nothing in it is ever
run. A file that is damaged, or written by a version to which facts look otherwise, is no file.
"""

import json
import os
import tempfile
from dataclasses import dataclass, fields, is_dataclass
from enum import EnumType
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

from authz_service.domain.change import KEPT, Fact, FactChange, Revision
from authz_service.domain.window import Instant
from authz_service.engine import contents, index
from authz_service.engine.builder import Builder
from authz_service.engine.contents import Masks, PlainMask
from authz_service.engine.index import Index
from authz_service.store import deltas

_FORMAT: Final = "authz index 1"
_BETWEEN: Final = "\n"
"""Stands between subjects: no identifier has it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An index, the instant at which its revision was committed, and the history that it is of."""

    index: Index
    at: Instant | None
    history: str


def write(path: Path, snapshot: Snapshot) -> None:
    """Put the index in the place of what the file held; only its owner may read it.

    Raises: OSError.
    """
    body = json.dumps(_columns(snapshot.index), separators=(",", ":")).encode()
    source = [snapshot.history, snapshot.index.revision, snapshot.at]
    head = [_FORMAT, schema(), *source, sha256(body).hexdigest()]
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(head).encode() + b"\n")
            file.write(body)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: Path) -> Snapshot | None:
    """Read the index of a file; None if there is none that this version can read.

    Raises: OSError, ValueError: the file cannot be read, or is damaged.
    """
    if not path.exists():
        return None
    with path.open("rb") as file:
        form, shape, history, revision, at, digest = json.loads(file.readline())
        if (form, shape) != (_FORMAT, schema()):
            return None
        body = file.read()
    if sha256(body).hexdigest() != digest:
        raise ValueError("its contents do not have the digest that its first line gives")
    return Snapshot(_built(json.loads(body), revision), at, history)


@cache
def schema() -> str:
    """Digest how facts look to this version."""
    bits = (index.ACTIVE, index.MANAGED, index.OWNER, index.FIRST_ROLE)
    shapes: dict[str, str] = {}
    for kind in {*get_args(Fact), *KEPT}:
        _shape(kind, shapes)
    return sha256(json.dumps([bits, sorted(shapes.items())]).encode()).hexdigest()


def _columns(whole: Index) -> dict[str, Any]:
    masks = Masks(whole)
    members = [
        [tenant, _BETWEEN.join(subjects), numbers]
        for tenant, subjects, numbers in contents.plain_members(whole, masks)
    ]
    return {
        "facts": [deltas.item(fact) for fact in contents.facts(whole)],
        "masks": masks.listed(),
        "members": members,
        "special": [deltas.item(fact) for fact in contents.special_members(whole)],
    }


def _built(columns: dict[str, Any], revision: Revision) -> Index:
    builder = Builder(Index.empty())
    _add(builder, columns["facts"])
    masks = [PlainMask(*mask).bits(builder.role_bits) for mask in columns["masks"]]
    for tenant, subjects, numbers in columns["members"]:
        of_tenant = map(masks.__getitem__, numbers)
        builder.load_members(tenant, dict(zip(subjects.split(_BETWEEN), of_tenant, strict=True)))
    _add(builder, columns["special"])
    return builder.finish(revision)


def _add(builder: Builder, items: list[Any]) -> None:
    for kind, value in items:
        builder.change(FactChange(None, deltas.fact(kind, value)))


def _shape(kind: Any, shapes: dict[str, str]) -> None:
    """Write down the fields and values of a kind of value, and of all that it consists of."""
    for part in get_args(kind):
        _shape(part, shapes)
    if isinstance(kind, EnumType):
        shapes[kind.__name__] = str(list(kind.__members__.items()))
    elif is_dataclass(kind) and isinstance(kind, type) and kind.__name__ not in shapes:
        shapes[kind.__name__] = " ".join(f"{field.name}: {field.type}" for field in fields(kind))
        for hint in get_type_hints(kind).values():
            _shape(hint, shapes)
