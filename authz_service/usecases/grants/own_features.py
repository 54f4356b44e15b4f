"""A customer's own value of a feature: what an exception of kind FEATURE may say."""

from authz_service.domain.catalog import Feature
from authz_service.domain.definition_validation import check_feature_value
from authz_service.domain.exception import TenantException
from authz_service.domain.identifiers import checked
from authz_service.domain.suggestions import undeclared
from authz_service.domain.window import rfc3339
from authz_service.engine.index import Index
from authz_service.errors import (
    AlreadyExists,
    ErrorReason,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
)

_FIELD = "exception.feature"


def check(index: Index, exception: TenantException) -> None:
    """Check the feature of an exception, if it has one.

    Raises:
        NotFound: FEATURE_NOT_FOUND, if no plan sets a feature of that name.
        FailedPrecondition: FEATURE_KIND_MISMATCH.
        AlreadyExists: FEATURE_SET, if another exception sets it within some of the window.
        InvalidArgument: the value is malformed.
    """
    feature = exception.feature
    if feature is None:
        return
    checked("feature", feature.name, f"{_FIELD}.name")
    for violation in check_feature_value((), feature):
        raise InvalidArgument(violation.reason, violation.message, field=_FIELD)
    _require_kind(index, feature)
    _require_alone(index, exception, feature)


def _require_kind(index: Index, feature: Feature) -> None:
    of_plans = {other.name: other for plan in index.plans.values() for other in plan.features}
    like = of_plans.get(feature.name)
    if like is None:
        raise NotFound(
            ErrorReason.FEATURE_NOT_FOUND,
            f"{undeclared('feature', feature.name, of_plans)}; a feature that only some customers "
            "get is off in a tier first",
            field=f"{_FIELD}.name",
            details={"feature": feature.name},
        )
    if like.kind is not feature.kind:
        raise FailedPrecondition(
            ErrorReason.FEATURE_KIND_MISMATCH,
            f"{feature.name!r} is a {like.kind} in tiers and add-ons, not a {feature.kind}; set a "
            f"{like.kind}",
            field=_FIELD,
            details={"feature": feature.name, "kind": like.kind.value},
        )


def _require_alone(index: Index, exception: TenantException, feature: Feature) -> None:
    for other in index.tenants[exception.tenant].exceptions:
        if other.feature is None or other.feature.name != feature.name or other.id == exception.id:
            continue
        if other.window.overlaps(exception.window):
            until = rfc3339(other.window.valid_until)
            raise AlreadyExists(
                ErrorReason.FEATURE_SET,
                f"exception {other.id} sets {feature.name!r} to {other.feature.value} until "
                f"{until}; end or change that one, or begin when it ends",
                field=_FIELD,
                details={"id": other.id},
            )
