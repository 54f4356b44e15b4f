"""Fingerprint of a previewed changeset: what was asked, what it changes, its impacts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from authz_service.domain.audit import canonical, plain
from authz_service.domain.change import Fact, FactChange, Revision
from authz_service.domain.comparison import named
from authz_service.domain.exception import TenantException
from authz_service.domain.grant import RoleGrant
from authz_service.errors import ErrorReason, InvalidArgument

_DIGITS = 16
"""Of each digest: 64 bits. Nobody gains by a collision that they would have to have approved."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Digests of the commands, of the objects that they change, and of their impacts."""

    revision: Revision
    commands: str
    objects: str
    impacts: str

    def __str__(self) -> str:
        return f"{self.revision}.{self.commands}.{self.objects}.{self.impacts}"


def read(text: str) -> Fingerprint:
    """Read a fingerprint. Raises: INVALID_FIELD."""
    match text.split("."):
        case [revision, *digests] if revision.isdecimal() and len(digests) == 3:
            if all(len(digest) == _DIGITS for digest in digests):
                return Fingerprint(int(revision), *digests)
    raise InvalidArgument(
        ErrorReason.INVALID_FIELD,
        "a fingerprint is required, as PreviewChangeset gives it: look at the effect first",
        field="fingerprint",
    )


def digest(value: object) -> str:
    return sha256(canonical(plain(value)).encode()).hexdigest()[:_DIGITS]


def digest_of_changes(changes: Iterable[FactChange]) -> str:
    """Digest each object before and after; ids that are given only as it is made do not count."""
    return digest([(named(c.fact)[0], _bare(c.before), _bare(c.after, c.before)) for c in changes])


def _bare(fact: Fact | None, before: Fact | None = None) -> object:
    created = before is None and isinstance(fact, RoleGrant | TenantException)
    bare = replace(fact, id="") if created else fact  # type: ignore[type-var]
    return plain(bare)
