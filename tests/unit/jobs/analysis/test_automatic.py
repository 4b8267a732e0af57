"""A machine or a person."""

import pytest

from jobs.analysis.automatic import Automatic
from tests.unit.jobs.analysis.letters import letter


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"From": "ann@example.org"}, (False, "human", "")),
        ({"Auto_Submitted": "no"}, (False, "human", "")),
        ({"Auto_Submitted": "auto-replied (vacation)"}, (True, "reply", "auto-submitted")),
        ({"Auto_Submitted": "auto-generated"}, (True, "generated", "auto-submitted")),
        ({"X_Autoreply": "yes"}, (True, "reply", "x-autoreply")),
        ({"Precedence": "auto_reply"}, (True, "reply", "precedence")),
        ({"Subject": "Out of office: back on Monday"}, (True, "reply", "subject")),
        ({"Content_Type": "multipart/report; report-type=delivery-status"}, (True, "report", "content-type")),
        ({"Return_Path": "<>"}, (True, "report", "return-path")),
        ({"From": "Shop <no-reply@shop.example>"}, (True, "generated", "sender")),
        ({"From": "do_not_reply@x.example", "List_Unsubscribe": "<mailto:u@x>"}, (True, "bulk", "sender")),
        ({"From": "noel@x.example"}, (False, "human", "")),
        ({"List_Unsubscribe": "<https://x.example/u>"}, (True, "bulk", "list-unsubscribe")),
        ({"Precedence": "bulk"}, (True, "bulk", "precedence")),
        ({"List_Unsubscribe": "<mailto:u@x>", "List_Post": "<mailto:l@x>", "Precedence": "list"}, (False, "human", "")),
    ],
)
def test_who_wrote_it(headers: dict[str, str], answer: tuple[object, ...]) -> None:
    assert Automatic().analyse(letter(**headers)) == answer
