"""The services of the administration port that are described as tables."""

from typing import Final

from google.protobuf.descriptor import ServiceDescriptor

from authz_service.rpc.calls import AdminCalls
from authz_service.rpc.services import (
    add_on,
    billing_policy,
    exception,
    feature,
    limit,
    member,
    permission,
    role,
    role_grant,
    subscription,
    tenant,
    tier,
)

SERVICES: Final = (
    permission.SERVICE,
    role.SERVICE,
    tier.SERVICE,
    add_on.SERVICE,
    feature.SERVICE,
    limit.SERVICE,
    role_grant.SERVICE,
    exception.SERVICE,
    tenant.SERVICE,
    member.SERVICE,
    subscription.SERVICE,
    billing_policy.SERVICE,
)


def served(calls: AdminCalls) -> dict[ServiceDescriptor, object]:
    """Pair each service with what serves it."""
    return {
        descriptor: servicer
        for service in SERVICES
        for descriptor, servicer in service.served(calls).items()
    }
