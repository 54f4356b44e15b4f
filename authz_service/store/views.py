"""The rules in force: the view `casbin_rule`, and the same of any instant and revision.

A rule is in force if it is open and its window covers the instant; a role grant also needs an
active member and an open tenant, and not to be held back, so that stock Casbin, which knows none
of these, answers as this service does.
"""

from typing import Final

from sqlalchemy import TextClause, text

_NOW: Final = {
    # Microseconds since the epoch. julianday() has millisecond precision in SQLite.
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}

_VALUES: Final = ", ".join(f"NULLIF(r.v{i}, '') AS v{i}" for i in range(6))

_IN_FORCE: Final = """
FROM rule r
WHERE {r_open} AND r.held_back = ''
  AND r.valid_from <= {now} AND {now} < r.valid_until
  AND (r.subject = '' OR (
    EXISTS (
      SELECT 1 FROM member m
      WHERE m.tenant = r.tenant AND m.subject = r.subject AND {m_open}
        AND m.lifecycle = 'active' AND m.suspensions = '')
    AND EXISTS (
      SELECT 1 FROM tenant t JOIN tenant_period p ON p.tenant = t.tenant
      WHERE t.tenant = r.tenant AND {t_open} AND {p_open}
        AND t.suspensions = '' AND p.state IN ('active', 'trial', 'grace')
        AND p.valid_from <= {now} AND {now} < p.valid_until)))
"""

_PAGE: Final = """
  AND (r.tenant = '' OR :tenant = '' OR r.tenant = :tenant)
  AND r.id > :after
ORDER BY r.id
LIMIT :at_most
"""


def create_casbin_rule(dialect: str) -> str:
    """Write the statement that creates the view; `dialect` is `sqlite` or `postgresql`."""
    opened = {f"{alias}_open": f"{alias}.closed_revision IS NULL" for alias in "rmtp"}
    select = f"SELECT r.id AS id, r.ptype AS ptype, {_VALUES}"
    return f"\nCREATE VIEW casbin_rule AS\n{select}{_IN_FORCE.format(now=_NOW[dialect], **opened)}"


def rules_in_force() -> TextClause:
    """Write the query for rules in force at `:at`, as known at `:revision`, in the order of `id`.

    Those of `:tenant` and of the catalogue, or of all tenants if it is empty; `:at_most` of them,
    with ids above `:after`.
    """
    condition = (
        "{0}.opened_revision <= :revision"
        " AND ({0}.closed_revision IS NULL OR {0}.closed_revision > :revision)"
    )
    opened = {f"{alias}_open": condition.format(alias) for alias in "rmtp"}
    select = f"SELECT r.id AS id, r.ptype AS ptype, {', '.join(f'r.v{i}' for i in range(6))}"
    return text(select + _IN_FORCE.format(now=":at", **opened) + _PAGE)
