"""How what several plans of one customer set is merged: features by kind, limits by adding up."""

from collections.abc import Sequence
from typing import assert_never

from authz_service.domain.catalog import MAX_NUMBER, Feature, FeatureKind, Limit


def merged(features: Sequence[Feature]) -> Feature:
    """Choose the value that holds: on over off, the highest number, the text of highest rank.

    Among equals the first holds. What is of another kind than the first does not count: no policy
    that can be written has both, but a version of a tier that is kept may.
    """
    same_kind = (feature for feature in features if feature.kind is features[0].kind)
    return max(same_kind, key=_weight)


def summed(limits: Sequence[Limit]) -> Limit:
    """Add up what is set: unlimited if any is, at most MAX_NUMBER, counted as the first is."""
    first = limits[0]
    values = [limit.value for limit in limits]
    total = None if None in values else min(sum(value or 0 for value in values), MAX_NUMBER)
    return Limit(first.name, total, first.unit, first.period, first.reset)


def _weight(feature: Feature) -> int:
    match feature.kind:
        case FeatureKind.FLAG:
            return int(feature.value == "true")
        case FeatureKind.NUMBER:
            return int(feature.value)
        case FeatureKind.TEXT:
            return feature.rank
        case _:
            assert_never(feature.kind)
