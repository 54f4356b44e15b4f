"""The rules as any Casbin enforcer takes them, of any instant and revision."""

from dataclasses import dataclass, field

from authz_service.domain.change import Revision
from authz_service.domain.window import Instant
from authz_service.store.rules import StoredRule, rules_in_force
from authz_service.usecases.kernel import paging, preconditions
from authz_service.usecases.kernel.execution import View, long_read
from authz_service.usecases.kernel.paging import PageRequest
from authz_service.usecases.kernel.point_in_time import Moment, Resolved, resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRules:
    """`tenant` "" stands for all."""

    tenant: str = ""
    moment: Moment = field(default_factory=Moment)
    page: PageRequest = field(default_factory=PageRequest)


@dataclass(frozen=True, slots=True)
class RulesPage:
    rules: tuple[StoredRule, ...]
    next_token: str
    at: Instant
    revision: Revision
    is_first: bool


@long_read
def export_rules(view: View, query: ExportRules) -> RulesPage:
    """List the rules of one moment; the first page fixes it and the token carries it on."""
    if query.tenant:
        preconditions.tenant(view.index, query.tenant)
    moment = query.moment
    filters = ["rules", query.tenant, str(moment.at), str(moment.as_known_at)]
    size, start = paging.size(query.page), paging.start(query.page, filters)
    last, when = _place(start) if start else (0, resolved(moment, view.index, view.now))
    with view.database.read() as connection:
        rules = rules_in_force(connection, when.revision, when.at, query.tenant, last, size + 1)
    page = paging.cut(rules, lambda rule: f"{rule.id}.{when.at}.{when.revision}", size, filters)
    return RulesPage(page.items, page.next_token, when.at, when.revision, not start)


def _place(token_key: str) -> tuple[int, Resolved]:
    """Read where the page before ended. Raises: INVALID_PAGE_TOKEN."""
    numbers = token_key.split(".")
    if len(numbers) != 3 or not all(_is_number(number) for number in numbers):
        raise paging.bad_token()
    last, at, revision = map(int, numbers)
    return last, Resolved(at, revision)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and len(text) < 20
