"""billing.yaml: every mistake is told with its line, and the shipped file has none."""

from dataclasses import replace
from pathlib import Path

import pytest

from authz_service.config import shipped_policies
from authz_service.domain.catalog import Role
from authz_service.policyfiles import billing_policy_file, expressions, policy_files
from authz_service.policyfiles.problem import PolicyFileError

NESTED = "to_string([" * 22 + "@" + "])" * 22
"""Each text within a text is escaped once more."""

GOOD = """\
sources:
  crm:
    scheme: hmac
    times: {unit: seconds}
    id: id
    type: type
    time: time
    fields: {agreement: id, plans: plan}
    events:
      - {type: won, do: [onboard]}
      - {type: changed, do: [change_plan]}
prices:
  gold: {tier: enterprise, limits: {seats: {each: 1}}}
downgrade: {order: [free, professional, enterprise], when: now}
first_admin: {roles: [admin]}
"""


def problems(text: str) -> list[str]:
    shipped = policy_files.read_folder(shipped_policies())
    known = replace(shipped, roles=(*shipped.roles, Role("clerk")))
    with pytest.raises(PolicyFileError) as raised:
        billing_policy_file.read(text, known)
    return [str(problem) for problem in raised.value.problems]


def test_shipped_file_agrees_with_the_shipped_catalogue() -> None:
    known = policy_files.read_folder(shipped_policies())
    policy = billing_policy_file.read_folder(shipped_policies(), known)
    known_to = {"stripe", "hubspot", "hubspot-webhooks", "salesforce", "chargebee"}
    assert known_to | {"cloudevents", "billing-job"} == set(policy.sources)


@pytest.mark.parametrize(
    "condition",
    [
        "a && !a",
        "!a && a.b",
        "a == `null` && a.b",
        "!(a || b) && a",
        "(a == 'x' || a == 'y') && a != 'x' && a != 'y'",
        "a > `5` && a < `5`",
        "`5` < a && a < `3`",
        "a && `false`",
        "'x'",
        "length('abc') == `4`",
        "length(a) < `0`",
        "length(a) == 'x'",
        "a[].b == 'x'",
        "type(a) == 'text'",
        "nosuch(a)",
        "starts_with(length(a), 'x')",
        "contains(a)",
    ],
)
def test_condition_that_can_never_hold_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match=r"it|takes|function"):
        expressions.condition(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "!(a.b)",
        "!a[0]",
        "!a && [a, b]",
        "!a && a == b",
        "a >= `5` && a <= `5`",
        "a != 'x' && a != 'y'",
        "!(a && b) && a",
        "a == `0` && a",
        "a[?b == 'x']",
        "length(to_string(a)) > `3`",
        "contains(['x', 'y'], a) && a == 'x'",
    ],
)
def test_condition_that_can_hold_is_taken(condition: str) -> None:
    expressions.condition(condition)


@pytest.mark.parametrize("text", ["join(to_string(@), keys(@))", NESTED])
def test_text_that_grows_without_bound_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="its cost has no bound"):
        expressions.compiled(text)


LOOKUP = "https://crm.example/deals/{agreement}"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://crm.example/deals/{agreement}", "write https://"),
        ("https://crm.example/deals", "has {agreement} in it once"),
        ("https://crm.example/{agreement}/{agreement}", "has {agreement} in it once"),
        ("https://crm.example/{subject}/{agreement}", "has {agreement} in it once"),
        ("https://{agreement}/deals/of/crm", "has {agreement} in it once, after the host"),
        ("https://us@crm.example/deals/{agreement}", "write https://HOST/PATH"),
        ("https:///deals/{agreement}", "write https://HOST/PATH"),
    ],
)
def test_address_that_would_give_a_key_away_is_refused(url: str, told: str) -> None:
    lookup = f"    lookup: {{url: '{url}', event: answer}}\n    events:"
    assert any(told in problem for problem in problems(GOOD.replace("    events:", lookup)))


def test_both_addresses_are_of_one_origin() -> None:
    listing = "{url: 'https://other.example/{subject}', items: a, more: b}"
    lookup = f"    lookup: {{url: '{LOOKUP}', event: answer, of_subject: {listing}}}\n    events:"
    assert any("of one origin" in each for each in problems(GOOD.replace("    events:", lookup)))


def test_good_file_is_read() -> None:
    policy = billing_policy_file.read(GOOD, policy_files.read_folder(shipped_policies()))
    assert policy.prices["gold"].tier == "enterprise"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "tier: enterprise",
            "tier: platinum",
            "billing.yaml:13: prices.gold.tier: there is no tier",
        ),
        ("scheme: hmac", "scheme: md5", "billing.yaml:3: sources.crm.scheme: expected stripe"),
        ("id: id", "id: 'id['", "billing.yaml:5: sources.crm.id: not JMESPath"),
        ("    time: time\n", "", "say where hmac events have their time"),
        ("plans: plan}", "display_name: plan}", "sources.crm.events[1].do: change_plan takes"),
        ("plans: plan}", "plan: plan}", "did you mean `plans`?"),
        ("do: [onboard]", "do: [upgrade]", "expected onboard, change_plan"),
        ("roles: [admin]", "roles: [boss]", "there is no role 'boss'"),
        ("roles: [admin]", "roles: [clerk]", "does not list role 'clerk' as assignable"),
        ("order: [free,", "order: [gratis,", "there is no tier 'gratis'"),
        ("professional, enterprise]", "professional]", "is not in downgrade.order"),
        ("{each: 1}", "{each: 0}", "expected a whole number, unlimited"),
        ("{each: 1}", "-1", "expected a whole number, unlimited"),
        ("when: now", "when: now, limits: {seats: read_only_excess}", "downgrade.read_only_role"),
        ("when: now", "when: later", "expected now or term_end"),
        ("times: {unit: seconds}", "times: {}", "sources.crm.times.unit: it is missing"),
        ("times: {unit: seconds}", "times: {unit: days}", "expected seconds, milliseconds"),
        ("unit: seconds", "unit: seconds, zone: Europe/Nowhere", "there is no time zone"),
        ("unit: seconds", "unit: seconds, end_day: maybe", "expected inclusive or exclusive"),
        ("{type: won, do", "{type: won, when: '!a.b', do", "write `!(a.b)`"),
        ("{type: won, do", "{type: won, when: '(a == b).c', do", "it can never find anything"),
        ("{type: won, do", "{type: won, when: \"!a == 'b'\", do", "it can never hold"),
        ("{type: won, do", "{type: won, when: \"a == 'x' && a == 'y'\", do", "it can never hold"),
        ("{type: won, do", "{type: won, when: \"a > 'x'\", do", "it can never hold"),
        ("{type: won, do", "{type: won, when: \"'x' == 'y'\", do", "compares two literals"),
        ("plans: plan}", "plans: '" + "|".join(["[@, @]"] * 9) + "'}", "its cost has no bound"),
        ("plans: plan}", "plans: '" + "||".join(["a"] * 150) + "'}", "more than 200 parts"),
        ("{type: won, do: [onboard]}", "{type: won, do: {a: [onboard]}}", "need each other"),
        ("{type: won, do: [onboard]}", "{type: won, by: a, do: []}", "need each other"),
        ("agreement: id, ", "", "change_plan takes the field `agreement`"),
        ("scheme: hmac", "scheme: hmac\n    signature: {part: h1}", "need each other"),
        ("scheme: hmac", "scheme: hmac\n    signature: {text: '{timestamp}{body}'}", "has {body}"),
        ("sources:", "source:", "unknown key"),
    ],
)
def test_mistake_is_told_with_its_place(before: str, after: str, told: str) -> None:
    assert before in GOOD
    found = problems(GOOD.replace(before, after, 1))
    assert any(told in each for each in found), found


def test_folder_without_the_file_means_that_no_event_means_anything(tmp_path: Path) -> None:
    assert billing_policy_file.read_folder(tmp_path).sources == {}


def test_quantity_that_no_limit_takes_is_refused() -> None:
    reads = GOOD.replace("plans: plan}", 'plans: "[{plan: plan, quantity: seats}]"}')
    assert billing_policy_file.read(reads).prices
    dropped = reads.replace("limits: {seats: {each: 1}}", "limits: {seats: 25}")
    (problem,) = problems(dropped)
    assert "prices.gold: no limit takes its quantity" in problem
    ignoring = billing_policy_file.read(
        dropped.replace("{seats: 25}", "{seats: 25}, quantity: ignored")
    )
    assert ignoring.prices["gold"].ignores_quantity


@pytest.mark.parametrize(
    "expression",
    [
        "!(a.b)",
        "a && !b",
        "items[?type == 'x'].{plan: id, quantity: n}",
        "max(items[].end || `[]`)",
        "contains(['a', 'b'], c)",
        "a == 'x' || a == 'y'",
        "count > `0`",
    ],
)
def test_sound_expression_is_taken(expression: str) -> None:
    text = GOOD.replace("{type: won, do", f'{{type: won, when: "{expression}", do')
    assert billing_policy_file.read(text).sources
