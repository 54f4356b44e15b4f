"""Features and limits in words and in the form in which options take them."""

from authz_service.cli.display.words import word
from authz_service.domain.catalog import RESETS, Reset
from authz_service.gen.authz.v1 import feature_pb2, limit_pb2


def feature_value(feature: feature_pb2.Feature) -> str:
    """Write what a feature is set to."""
    match feature.WhichOneof("value"):
        case "text":
            return feature.text
        case "number":
            return f"{feature.number:,}"
    return "on" if feature.enabled else "off"


def ranked_value(feature: feature_pb2.Feature) -> str:
    """Write what a plan sets a feature to, with the rank of a text: `email (rank 2)`."""
    rank = f" (rank {feature.rank})" if feature.rank else ""
    return feature_value(feature) + rank


def limit_value(limit: limit_pb2.Limit) -> str:
    """Write how much of what a limit allows: `50 project`, `1,000 call per month, by calendar`."""
    return f"{amount(limit)} {measure(limit)}".strip()


def amount(limit: limit_pb2.Limit) -> str:
    """Write how much a limit allows: `1,000`."""
    return "unlimited" if limit.unlimited else f"{limit.value:,}"


def measure(limit: limit_pb2.Limit) -> str:
    """Write what a limit counts, and how: `call per month, by calendar`."""
    if not limit.period:
        return limit.unit
    resets = RESETS[Reset(word(limit_pb2.LimitReset, limit.reset))]
    return f"{limit.unit} per {word(limit_pb2.LimitPeriod, limit.period)}, {resets}"


def limit_form(limit: limit_pb2.Limit) -> str:
    """Write a limit as options take it: `seats=40:seat`, `calls=9:call:month:calendar`."""
    value = "unlimited" if limit.unlimited else str(limit.value)
    counting = f":{_name(limit)}" if limit.period else ""
    return f"{limit.name}={value}:{limit.unit}{counting}"


def _name(limit: limit_pb2.Limit) -> str:
    period, reset = limit_pb2.LimitPeriod, limit_pb2.LimitReset
    return f"{word(period, limit.period)}:{word(reset, limit.reset)}"
