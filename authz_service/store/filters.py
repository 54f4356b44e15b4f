"""What a use case may ask of grants and jobs, in its own words; the columns are the store's."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement

from authz_service.domain.grant import GrantSource
from authz_service.domain.job import JobKind, JobState
from authz_service.domain.window import Instant
from authz_service.store.schema import job, rule


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Grants that meet all of it; None asks nothing, and a scope of "" is the whole tenant."""

    id: str | None = None
    subject: str | None = None
    role: str | None = None
    scope: str | None = None
    source: GrantSource | None = None
    live_at: Instant | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Write it as conditions on the rows of role grants."""
        conditions: list[ColumnElement[bool]] = [rule.c.gives != ""]
        if self.id is not None:
            conditions.append(rule.c.grant_id == self.id)
        if self.subject is not None:
            conditions.append(rule.c.subject == self.subject)
        if self.role is not None:
            conditions.append(rule.c.gives == self.role)
        if self.scope is not None:
            conditions.append(rule.c.scope == self.scope)
        if self.source is not None:
            conditions.append(rule.c.source == self.source.value)
        if self.live_at is not None:
            begun, going_on = rule.c.valid_from <= self.live_at, rule.c.valid_until > self.live_at
            conditions += [begun, going_on, rule.c.held_back == ""]
        return conditions


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Jobs that meet all of it; None asks nothing."""

    tenant: str | None = None
    kind: JobKind | None = None
    state: JobState | None = None
    target: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Write it as conditions on the rows of jobs."""
        questions = (
            (job.c.tenant, self.tenant),
            (job.c.kind, self.kind),
            (job.c.state, self.state),
            (job.c.target, self.target),
        )
        return [column == value for column, value in questions if value is not None]


EVERY_GRANT: Final = GrantFilter()
EVERY_JOB: Final = JobFilter()
