"""The difference between two contracts, aspect by aspect: what is to be done to the account.

An aspect that both contracts agree on is not touched, so what people changed by hand stays until
an event changes that very aspect. Every action is absolute ("the tier is pro"), never relative, so
applying differences one after the other ends where applying them all at once would.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from authz_service.domain.agreement import Admin, Terms
from authz_service.domain.contract import (
    EMPTY,
    Contract,
    Merging,
    joined,
    periods,
    share_at,
    shares,
)
from authz_service.domain.tenant import OPEN_STATES, StatePeriod
from authz_service.domain.window import BEGINNING, FOREVER, Instant, Window, rfc3339


class Aspect(StrEnum):
    """What of an account a contract decides; in the order in which it is done."""

    OPENING = "opening"
    REOPENING = "reopening"
    DISPLAY_NAME = "display_name"
    TIER = "tier"
    ADD_ON = "add_on"
    LIMIT = "limit"
    STATE = "state"
    ADMINS = "admins"
    END = "end"


Phased: TypeAlias = tuple[tuple[Any, Window], ...]
"""Values, and when each holds."""


@dataclass(frozen=True, slots=True)
class Action:
    """Let an aspect of the account be `after`. `name` says which add-on or limit is meant.

    `after` is: a text (DISPLAY_NAME), `Phased` tiers, add-ons (True) or limits, periods (STATE),
    True or False (OPENING, REOPENING, END), several `Admin` (ADMINS).
    """

    aspect: Aspect
    after: Any
    before: Any = None
    name: str = ""

    @property
    def summary(self) -> str:
        """Say it in a few words: `tier: free -> professional`."""
        label = f"{self.aspect.value} {self.name}".strip()
        if self.after is True and self.before in (None, False, ()):
            return label
        return f"{label}: {_said(self.before)} -> {_said(self.after)}"


Aspects: TypeAlias = dict[tuple[Aspect, str], Any]
"""Everything that a contract says of an account, by aspect and by what of it is meant."""


def difference(
    before: Contract, after: Contract, merging: Merging, now: Instant
) -> tuple[Action, ...]:
    """List what leads an account from one contract to the other, in the order to do it.

    An account that was over is led to the whole of the new contract: what its events said in the
    meantime was never done to it.
    """
    if after.over(now):
        return () if before.over(now) else (Action(Aspect.END, True),)
    reopened = before.over(now)
    was = {} if reopened else aspects(before, merging, now)
    actions = _actions(was, aspects(after, merging, now))
    if reopened:  # also what is not so any more: an add-on, a limit
        return (Action(Aspect.REOPENING, True), *actions)
    # No period at all is a state, too: that of an account which opens suspended.
    return tuple(a for a in actions if a.after or a.before or a.aspect is Aspect.STATE)


def _actions(was: Aspects, becomes: Aspects) -> tuple[Action, ...]:
    # A tier and a state that no agreement gives any more stay: there is nothing to lead to.
    lost = {(aspect, name) for aspect, name in was if aspect in (Aspect.TIER, Aspect.STATE)}
    changed = {key for key in was | becomes if was.get(key) != becomes.get(key)}
    order = list(Aspect)
    return tuple(
        Action(aspect, becomes.get((aspect, name)), was.get((aspect, name)), name)
        for aspect, name in sorted(
            changed - (lost - becomes.keys()), key=lambda key: (order.index(key[0]), key[1])
        )
    )


def opening(contract: Contract, merging: Merging, now: Instant) -> tuple[Action, ...]:
    """List what opens an account by a contract; one that is over leaves an ended account."""
    first = Action(Aspect.OPENING, True)
    if contract.over(now):
        actions = _actions({}, aspects(contract, merging, now))
        return (
            first,
            *(a for a in actions if a.aspect is not Aspect.ADMINS),
            Action(Aspect.END, True),
        )
    return first, *difference(EMPTY, contract, merging, now)


def closes(before: Contract, after: Contract, merging: Merging, now: Instant) -> bool:
    """Tell whether the step from one contract to the other takes the account from its people."""
    return _open(before, merging, now) and not _open(after, merging, now)


def aspects(contract: Contract, merging: Merging, now: Instant) -> Aspects:
    """Name everything that the contract says of the account from `now` on.

    Of an account that no agreement has ever carried it says neither tier nor state.
    """
    by_aspect: Aspects = {
        (Aspect.DISPLAY_NAME, ""): contract.display_name,
        (Aspect.ADMINS, ""): contract.admins,
    }
    if contract.carriers:
        by_aspect[Aspect.TIER, ""] = _phased(contract, merging, now, lambda t: t.tier or None)
        by_aspect[Aspect.STATE, ""] = periods(contract, merging, now)
    for add_on in sorted(frozenset().union(*(a.sold for a in contract.agreements))):
        by_aspect[Aspect.ADD_ON, add_on] = _phased(
            contract, merging, now, lambda t, a=add_on: a in t.add_ons or None
        )
    for limit in sorted(frozenset().union(*(a.limited for a in contract.agreements))):
        by_aspect[Aspect.LIMIT, limit] = _phased(
            contract, merging, now, lambda t, n=limit: _amount(t, n)
        )
    return by_aspect


def _open(contract: Contract, merging: Merging, now: Instant) -> bool:
    share = share_at(contract, merging, now)
    return share.state in OPEN_STATES


def _amount(terms: Terms, name: str) -> tuple[int | None] | None:
    """Give a limit in a tuple of its own, for None in it means unlimited."""
    amounts = dict(terms.limits)
    return (amounts[name],) if name in amounts else None


def _phased(contract: Contract, merging: Merging, now: Instant, of: Any) -> Phased:
    """Say which value holds when; None is not listed."""
    laid_out = [(of(share.terms), window) for share, window in shares(contract, merging, now)]
    phases = list(joined(phase for phase in laid_out if phase[0] is not None))
    if phases and phases[0][1].valid_from == now:
        value, window = phases[0]
        phases[0] = (value, Window(BEGINNING, window.valid_until))
    return tuple(phases)


def _said(value: Any) -> str:
    match value:
        case None | "" | () | False:
            return "none"
        case True:
            return "yes"
        case str():
            return value
        case tuple():
            return ", ".join(_said_phase(*_parts(item)) for item in value)
    return str(value)


def _parts(item: Any) -> tuple[Any, Window]:
    match item:
        case StatePeriod():
            return item.state.value, item.window
        case Admin():
            return item.subject or item.email, Window()
    value, window = item
    return value, window


def _said_phase(value: Any, window: Window) -> str:
    match value:
        case (None,):
            value = "unlimited"
        case (int(amount),):
            value = amount
        case True:
            value = "held"
    end = "" if window.valid_until == FOREVER else f" until {rfc3339(window.valid_until)}"
    return f"{value}{end}"
