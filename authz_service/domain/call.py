"""What every change carries beside its content."""

from dataclasses import dataclass

from authz_service.domain.audit import Actor


@dataclass(frozen=True, slots=True)
class Call:
    """`fingerprint` is a digest of the method and the request's content without its request id:
    the same `request_id` with another fingerprint is a mistake, not a retry.
    """

    actor: Actor
    request_id: str = ""
    fingerprint: str = ""
    validate_only: bool = False
    reason: str = ""
