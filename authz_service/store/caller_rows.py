"""Keys and identities to rows and back, beside `rows.py`, which has the facts of policy."""

from typing import Any

from sqlalchemy import Table

from authz_service.domain.identity import Identity, IdentityKind
from authz_service.domain.key import ApiKey, KeyKind
from authz_service.store import schema


def row_of(fact: ApiKey | Identity) -> tuple[Table, dict[str, Any]]:
    """Give the table and the values of a caller's row."""
    if isinstance(fact, ApiKey):
        return schema.api_key, _api_key_values(fact)
    return schema.identity, _identity_values(fact)


def _api_key_values(fact: ApiKey) -> dict[str, Any]:
    return {
        "key": fact.id,
        "secret_hash": fact.secret_hash,
        "display_name": fact.display_name,
        "created_at": fact.created_at,
        "expires_at": fact.expires_at,
        "kind": fact.kind.value,
        "previous_hash": fact.previous_hash,
        "previous_expires_at": fact.previous_expires_at,
    }


def api_key(row: Any) -> ApiKey:
    return ApiKey(
        row.key,
        row.secret_hash,
        row.display_name,
        row.created_at,
        row.expires_at,
        KeyKind(row.kind),
        row.previous_hash,
        row.previous_expires_at,
    )


def _identity_values(fact: Identity) -> dict[str, Any]:
    return {
        "identity": fact.id,
        "kind": fact.kind.value,
        "issuer": fact.issuer,
        "name": fact.name,
        "display_name": fact.display_name,
        "created_at": fact.created_at,
        "expires_at": fact.expires_at,
    }


def identity(row: Any) -> Identity:
    return Identity(
        row.identity,
        IdentityKind(row.kind),
        row.issuer,
        row.name,
        row.display_name,
        row.created_at,
        row.expires_at,
    )
