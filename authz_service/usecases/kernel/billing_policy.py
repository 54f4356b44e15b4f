"""The billing policy in force: of the same revision as all else that a transaction sees."""

from authz_service.domain.billing_policy import BillingPolicy
from authz_service.engine.index import Index
from authz_service.policyfiles import billing_policy_file


def in_force(index: Index) -> BillingPolicy:
    """Give the billing policy of an index; it is made ready once for all who ask."""
    parts = index.billing
    if parts.policy is None:
        parts.policy = billing_policy_file.ready(parts.data())
    return parts.policy
