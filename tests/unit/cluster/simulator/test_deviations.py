"""Wrong answers with status 200: asked for one by one, or drawn from a seed."""

from typing import Any

import orjson
import pytest

from cluster.simulator.answers import Answer, GoogleError
from cluster.simulator.deviations import Answered, DeviationPlan, Deviations, Rule

_PAGE: dict[str, Any] = {
    "messages": [{"id": "1a"}, {"id": "1b"}, {"id": "1c"}],
    "nextPageToken": "5.1111111111111111",
    "resultSizeEstimate": 9,
}


def _of(rule: Rule, document: dict[str, Any] = _PAGE, **call: Any) -> Any:
    deviations = Deviations()
    deviations.set(DeviationPlan(rules=(rule,)))
    given: dict[str, Any] = {"method": "messages.list", "email": "a@b", "ids": (), "label": "", "page_token": ""}
    answered = deviations.of_call(Answered(**{**given, **call}), document)
    assert deviations.injected[rule.kind] == 1
    return answered


@pytest.mark.parametrize(
    ("rule", "answered"),
    [
        (Rule(kind="empty"), {}),
        (Rule(kind="omit", ids=("1b",)), _PAGE | {"messages": [{"id": "1a"}, {"id": "1c"}]}),
        (Rule(kind="omit", share=1.0), {"nextPageToken": "5.1111111111111111", "resultSizeEstimate": 9}),
        (Rule(kind="missing", path="messages.0.id"), _PAGE | {"messages": [{}, {"id": "1b"}, {"id": "1c"}]}),
        (Rule(kind="null", path="resultSizeEstimate"), _PAGE | {"resultSizeEstimate": None}),
        (Rule(kind="type", path="resultSizeEstimate"), _PAGE | {"resultSizeEstimate": {"unexpected": True}}),
        (
            Rule(kind="set", path="messages.1.id", value="001b"),
            _PAGE | {"messages": [*_PAGE["messages"][:1], {"id": "001b"}, {"id": "1c"}]},
        ),
        (Rule(kind="lag"), {"messages": [{"id": "1a"}], "resultSizeEstimate": 9}),
    ],
)
def test_an_answer_says_something_else(rule: Rule, answered: dict[str, Any]) -> None:
    assert _of(rule) == answered
    assert _PAGE["messages"] == [{"id": "1a"}, {"id": "1b"}, {"id": "1c"}], "the next answer is as it should be"


def test_a_page_shifts_only_after_the_first() -> None:
    assert _of(Rule(kind="shift"))["messages"] == _PAGE["messages"]
    assert _of(Rule(kind="shift"), page_token="7.1111111111111111")["messages"] == _PAGE["messages"][1:]


def test_a_page_token_repeats() -> None:
    assert _of(Rule(kind="loop"), page_token="same")["nextPageToken"] == "same"


def test_a_portal_answers_with_a_page() -> None:
    answered = _of(Rule(kind="portal"))
    assert isinstance(answered, Answer) and answered.status == 200 and answered.content_type.startswith("text/html")


def test_a_message_is_not_found_once_each() -> None:
    deviations = Deviations()
    deviations.set(DeviationPlan(rules=(Rule(kind="not-found", method="messages.get", each=True),)))
    call = Answered("messages.get", "a@b", ("1a",), "", "")
    with pytest.raises(GoogleError):
        deviations.of_call(call, {"id": "1a"})
    assert deviations.of_call(call, {"id": "1a"}) == {"id": "1a"}


@pytest.mark.parametrize(("kind", "raw"), [("raw-empty", ""), ("raw-cut", "QUJD")])
def test_the_bytes_of_a_message_are_cut(kind: str, raw: str) -> None:
    document = {"id": "1a", "raw": orjson.Fragment(b'"QUJDREVG"')}
    assert _of(Rule(kind=kind), document, method="messages.get", ids=("1a",))["raw"] == raw


def test_a_rule_ends_after_its_times_and_is_for_whom_it_names() -> None:
    deviations = Deviations()
    deviations.set(DeviationPlan(rules=(Rule(kind="empty", method="labels.list", email="a@b", times=2),)))
    calls = [
        Answered(method, email, (), "", "")
        for method, email in [("labels.list", "c@d"), ("history.list", "a@b"), *[("labels.list", "a@b")] * 3]
    ]
    assert [bool(deviations.of_call(call, {"x": 1})) for call in calls] == [True, True, False, False, True]


def test_chance_is_repeatable() -> None:
    def run() -> list[Any]:
        deviations = Deviations()
        deviations.set(DeviationPlan(rate=0.5, seed=3))
        return [
            deviations.of_call(Answered("messages.list", "a@b", (), "", ""), _PAGE) for _ in range(200)
        ], deviations.injected  # type: ignore[return-value]

    first, second = run(), run()
    assert first == second
    assert len(first[1]) > 8, "all kinds are drawn"
