"""What a clause makes of an agreement: each event tells one, and none is forgotten."""

from dataclasses import replace
from typing import Any, Final, assert_never

from authz_service.domain.agreement import OFFBOARDED, Agreement, Clause, Rank, Standing, Verb
from authz_service.domain.tenant import TenantState
from authz_service.domain.window import FOREVER, Instant


def after(agreement: Agreement, clause: Clause, at: Instant, rank: Rank) -> Agreement:
    """Return the agreement after what was said at an instant.

    One that has ended for good stays so unless it is reactivated.
    """
    if clause.verb is Verb.REACTIVATED:
        agreement = replace(
            agreement,
            standing=Standing.ACTIVE,
            ends_at=FOREVER,
            paused_until=None,
            trial_until=FOREVER,
            grace_until=FOREVER,
        )
    elif agreement.state_at(at) is TenantState.OFFBOARDED:
        return agreement
    agreement = _with_terms(agreement, clause, at, rank)
    agreement = _with(agreement, **_statement(agreement, clause, at))
    tier = agreement.terms_at(at).tier if agreement.good_at(at) else ""
    return _with(agreement, carried=tier or agreement.carried)


def _with(agreement: Agreement, **fields: Any) -> Agreement:
    """Set fields. Most events say again what is so, and a copy costs ten times the comparison."""
    others = {name: value for name, value in fields.items() if getattr(agreement, name) != value}
    return replace(agreement, **others) if others else agreement


def _statement(agreement: Agreement, clause: Clause, at: Instant) -> dict[str, Any]:
    """Give the fields that a verb sets."""
    match clause.verb:
        case Verb.END | Verb.CANCELLED | Verb.RENEWED | Verb.CHURNED:
            return _ending(clause, at)
        case Verb.PAUSED:
            return {"paused_until": FOREVER if clause.until is None else clause.until}
        case Verb.RESUMED:
            return {"paused_until": None}
        case Verb.ONBOARD | Verb.CHANGE_PLAN | Verb.REACTIVATED:
            return {}
        case (
            Verb.PENDING
            | Verb.TRIAL
            | Verb.ACTIVE
            | Verb.PAID
            | Verb.PAYMENT_FAILED
            | Verb.PAST_DUE
            | Verb.SUSPENDED
        ):
            return _standing(agreement, clause, at)
        case _:
            assert_never(clause.verb)


def _ending(clause: Clause, at: Instant) -> dict[str, Any]:
    if clause.verb is Verb.CHURNED:
        return {"ends_at": at, "ends_then": OFFBOARDED}
    if clause.verb is Verb.RENEWED or (clause.verb is Verb.END and clause.until is None):
        return {"ends_at": FOREVER}
    return {"ends_at": at if clause.until is None else clause.until, "ends_then": clause.then}


def _standing(agreement: Agreement, clause: Clause, at: Instant) -> dict[str, Any]:
    if clause.verb in (Verb.PENDING, Verb.ACTIVE, Verb.SUSPENDED):
        return {"standing": Standing(clause.verb.value)} | _UNDATED
    if clause.verb is Verb.TRIAL:
        until = FOREVER if clause.until is None else clause.until
        dates = {"trial_until": until, "trial_then": clause.then}
        return {"standing": Standing.TRIAL, "grace_until": FOREVER} | dates
    due = agreement.standing is Standing.PAST_DUE
    if clause.verb is Verb.PAID:
        # An invoice lifts what an invoice laid on, and says nothing of a trial or a pause.
        return {"standing": Standing.ACTIVE} | _UNDATED if due else {}
    fails = not due if clause.verb is Verb.PAST_DUE else _may_fail(agreement, at)
    # A second failed payment does not begin the grace period anew.
    return _past_due(clause, at) if fails else {}


_UNDATED: Final = {"trial_until": FOREVER, "grace_until": FOREVER}


def _past_due(clause: Clause, at: Instant) -> dict[str, Any]:
    dates = {"trial_until": FOREVER, "grace_until": at + clause.grace}
    return {"standing": Standing.PAST_DUE} | dates


def _may_fail(agreement: Agreement, at: Instant) -> bool:
    """Tell whether a failed payment begins the grace period.

    A first payment that fails sells nothing, and one within a trial is not for the agreement.
    """
    trial_over = agreement.standing is Standing.TRIAL and agreement.trial_until <= at
    return agreement.standing is Standing.ACTIVE or trial_over


def _with_terms(agreement: Agreement, clause: Clause, at: Instant, rank: Rank) -> Agreement:
    """Agree to other terms: larger ones hold at once, smaller ones from the end of the term."""
    if clause.replaces:
        agreement = _with(agreement, replaces=clause.replaces)
    terms = clause.terms
    if terms is None:
        return agreement
    now = agreement.terms_at(at)
    agreement = _with(
        agreement,
        sold=agreement.sold | terms.add_ons,
        limited=agreement.limited | {name for name, _ in terms.limits},
    )
    later = clause.term_end is not None and clause.term_end > at
    if clause.term_end is not None and later and rank(terms.tier) < rank(now.tier):
        return _with(agreement, terms=now, next_terms=terms, next_at=clause.term_end)
    return _with(agreement, terms=terms, next_terms=None, next_at=FOREVER)
