"""What `policies/lifecycle.yaml` says, ready to be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from authz_service.domain.contract import Deed, Lapse
from authz_service.domain.window import Instant

SECOND = 1_000_000


class Expression(Protocol):
    """A compiled JMESPath expression."""

    def search(self, value: Any) -> Any:
        """Find it in a JSON value; None if it is not there."""


class Scheme(StrEnum):
    """How a source proves that it sent an event."""

    STRIPE = "stripe"
    STANDARD_WEBHOOKS = "standard-webhooks"
    HUBSPOT_V3 = "hubspot-v3"
    HMAC = "hmac"
    TRUSTED_RPC = "trusted-rpc"


class Excess(StrEnum):
    """What becomes of what a smaller limit has no room for."""

    BLOCK_NEW = "block_new"
    READ_ONLY_EXCESS = "read_only_excess"
    SUSPEND_NEWEST = "suspend_newest"


@dataclass(frozen=True, slots=True)
class EventRule:
    """What events of a type mean, if `when` (None for always) is true of their data."""

    type: str
    do: tuple[Deed, ...]
    when: Expression | None = None
    fields: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A sender. The expressions find an event's attributes in what it sends, `data` the part that
    the rules look at. `header` is where plain HMAC has its signature.
    """

    name: str
    scheme: Scheme
    attributes: Mapping[str, Expression]
    tenant: Expression | None = None
    data: Expression | None = None
    header: str = ""
    ignore: tuple[str, ...] = ()
    rules: tuple[EventRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Amount:
    """A limit that a plan sells: a fixed value, `each` for every unit bought, or unlimited."""

    value: int | None = None
    each: int | None = None


@dataclass(frozen=True, slots=True)
class SoldPlan:
    """What one plan or price of a billing system stands for."""

    tier: str = ""
    add_ons: frozenset[str] = frozenset()
    limits: Mapping[str, Amount] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Downgrade:
    """`order` lists tiers from the smallest. A role of "" in `roles` has no replacement."""

    order: tuple[str, ...] = ()
    at_term_end: bool = False
    limits: Mapping[str, Excess] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    read_only_role: str = ""


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """Closings within `window` microseconds beyond `share` percent of all tenants, and beyond
    `at_least`, open the breaker.
    """

    share: int = 10
    at_least: int = 5
    window: Instant = 3600 * SECOND


@dataclass(frozen=True, slots=True)
class LifecyclePolicy:
    """The whole file."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    plans: Mapping[str, SoldPlan] = field(default_factory=dict)
    admin_roles: tuple[str, ...] = ()
    grace: Instant = 0
    trial_then: Lapse = Lapse.SUSPENDED
    cancelled_then: Lapse = Lapse.SUSPENDED
    downgrade: Downgrade = Downgrade()
    breaker: BreakerSettings = BreakerSettings()


NOTHING = LifecyclePolicy()
"""No source, so no event means anything."""
