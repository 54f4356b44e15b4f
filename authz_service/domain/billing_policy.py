"""The billing policy, ready to be used: what events of senders do to accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from authz_service.domain.agreement import SUSPENDED, Lapse, Verb
from authz_service.domain.contract import Merging, Quantity
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
    BASIC = "basic"
    TRUSTED_RPC = "trusted-rpc"


class Excess(StrEnum):
    """What happens to members and grants that no longer fit."""

    BLOCK_NEW = "block_new"
    READ_ONLY_EXCESS = "read_only_excess"
    SUSPEND_NEWEST = "suspend_newest"


class Encoding(StrEnum):
    """How a signature is written."""

    HEX = "hex"
    BASE64 = "base64"


@dataclass(frozen=True, slots=True)
class Signature:
    """How a source signs with HMAC-SHA256.

    `header` has the signature: alone, or with `separator` among parts `name=value`, of which
    `part` is the signature and `timestamp_part` the time. `timestamp_header` may have the time
    instead. `text` is what is signed, with {body}, {timestamp} and {id} in it. `id_header` has the
    event's id; "" for what a source does not do.
    """

    header: str = "x-signature"
    encoding: Encoding = Encoding.HEX
    text: str = "{body}"
    separator: str = ""
    part: str = ""
    timestamp_part: str = ""
    timestamp_header: str = ""
    id_header: str = ""


class TimeUnit(StrEnum):
    """How a source writes instants; RFC 3339 is understood from every source."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    RFC3339 = "rfc3339"


@dataclass(frozen=True, slots=True)
class Times:
    """How a source writes times. A day without a time is one of `zone`; if it ends something and
    `end_day_inclusive`, that ends when the day is over.
    """

    unit: TimeUnit = TimeUnit.RFC3339
    end_day_inclusive: bool = True
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class EventRule:
    """What events of a type say, if `when` (None for always) is true of their data.

    With `by`, `cases` lists what each value of it says, and `do` is empty; a value that is not
    listed cannot be made out. Without, `do` is what they say; nothing at all is ignored.
    """

    type: str
    do: tuple[Verb, ...] = ()
    when: Expression | None = None
    by: Expression | None = None
    cases: Mapping[str, tuple[Verb, ...]] = field(default_factory=dict)
    fields: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParkRule:
    """Events for whose data `when` is true wait for a person, with this reason."""

    when: Expression
    reason: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where an event has its object as it is now, and which of its parts were what before: steps
    into the data.
    """

    now: tuple[str, ...]
    previous: tuple[str, ...]


class Authorization(StrEnum):
    """How a request proves that we may read: the key as a bearer token, or as the user's name."""

    BEARER = "bearer"
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class LookupList:
    """How all agreements of a subject are listed: `items` of the answer of `url`, which has
    {subject} in it. An answer for which `more` is true is not the whole list.
    """

    url: str
    items: Expression
    more: Expression


@dataclass(frozen=True, slots=True)
class Lookup:
    """How an agreement is read again at its source, from `url`, which has {agreement} in it.

    `event` makes of {answer, time} what the source would send. The key is the secret of the URL's
    origin, so that no policy can send it elsewhere; without one, nothing is read.
    """

    url: str
    event: Expression
    authorization: Authorization = Authorization.BEARER
    headers: Mapping[str, str] = field(default_factory=dict)
    of_subject: LookupList | None = None

    @property
    def origin(self) -> str:
        return "/".join(self.url.split("/", 3)[:3])


@dataclass(frozen=True, slots=True)
class Source:
    """A sender.

    The expressions find an event's attributes in what it sends; the id may be put together from
    several. `data` is the part that the rules look at. `order` lists types of events in the order
    in which those of one instant count. `signature` is for HMAC.
    """

    name: str
    scheme: Scheme
    attributes: Mapping[str, tuple[Expression, ...]]
    tenant: Expression | None = None
    data: Expression | None = None
    signature: Signature = Signature()
    times: Times = Times()
    order: tuple[str, ...] = ()
    snapshot: Snapshot | None = None
    park_when: tuple[ParkRule, ...] = ()
    ignore: tuple[str, ...] = ()
    rules: tuple[EventRule, ...] = ()
    lookup: Lookup | None = None


class NoQuantity(StrEnum):
    """What an item without a quantity sells of a limit, where that is no number."""

    PARK = "park"
    UNLIMITED = "unlimited"
    TIER = "tier"
    """Nothing: the tier's own limit holds."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A limit that a price sells: a fixed value, `each` for every unit bought, or unlimited."""

    value: int | None = None
    each: int | None = None
    no_quantity: int | NoQuantity = NoQuantity.PARK


@dataclass(frozen=True, slots=True)
class Price:
    """What one price or plan of a billing system stands for.

    `ignores_quantity` says that how many are bought makes no difference.
    """

    tier: str = ""
    add_ons: frozenset[str] = frozenset()
    limits: Mapping[str, Amount] = field(default_factory=dict)
    ignores_quantity: bool = False

    @property
    def takes_quantity(self) -> bool:
        return self.ignores_quantity or any(a.each is not None for a in self.limits.values())


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
class BillingPolicy:
    """All of it."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    admin_roles: tuple[str, ...] = ()
    grace: Instant = 0
    trial_then: Lapse = SUSPENDED
    cancelled_then: Lapse = SUSPENDED
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    downgrade: Downgrade = Downgrade()
    breaker: BreakerSettings = BreakerSettings()

    @property
    def merging(self) -> Merging:
        """Say how an account's agreements are put together."""
        return Merging(self.downgrade.order, self.quantities)


NOTHING = BillingPolicy()
"""No source, so no event means anything."""
