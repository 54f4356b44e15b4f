"""The view `casbin_rule`: the rules in force now, in the shape every Casbin adapter reads.

A rule is in force if it is open and its window covers the database's clock; a role grant also
needs an active member and an open tenant, so that stock Casbin, which knows neither, answers as
this service does.
"""

from typing import Final

_NOW: Final = {
    # Microseconds since the epoch. julianday() has millisecond precision in SQLite.
    "sqlite": "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}

_VALUES: Final = ", ".join(f"NULLIF(r.v{i}, '') AS v{i}" for i in range(6))

_SELECT: Final = """
CREATE VIEW casbin_rule AS
SELECT r.id AS id, r.ptype AS ptype, {values}
FROM rule r
WHERE r.closed_revision IS NULL
  AND r.valid_from <= {now} AND {now} < r.valid_until
  AND (r.subject = '' OR (
    EXISTS (
      SELECT 1 FROM member m
      WHERE m.tenant = r.tenant AND m.subject = r.subject AND m.closed_revision IS NULL
        AND m.lifecycle = 'active' AND m.suspensions = '')
    AND EXISTS (
      SELECT 1 FROM tenant t JOIN tenant_period p ON p.tenant = t.tenant
      WHERE t.tenant = r.tenant AND t.closed_revision IS NULL AND p.closed_revision IS NULL
        AND t.suspensions = '' AND p.state IN ('active', 'trial', 'grace')
        AND p.valid_from <= {now} AND {now} < p.valid_until)))
"""


def create_casbin_rule(dialect: str) -> str:
    """Write the statement that creates the view; `dialect` is `sqlite` or `postgresql`."""
    return _SELECT.format(values=_VALUES, now=_NOW[dialect])
