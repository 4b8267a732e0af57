"""Lists, and how to leave them."""

from jobs.analysis.mailinglist import MailingList
from tests.unit.jobs.analysis.letters import letter


def test_the_unsubscribe_address_of_a_list_is_returned() -> None:
    mail = letter(
        List_Id="Talk <Talk.Example.org>",
        List_Unsubscribe="<http://x.example/old>, <mailto:u@x.example?subject=leave>, <https://x.example/\n u?a=1>",
        List_Unsubscribe_Post="List-Unsubscribe=One-Click",
        List_Post="<mailto:talk@example.org>",
    )

    assert MailingList().analyse(mail) == (
        "talk.example.org", "https://x.example/u?a=1", "mailto:u@x.example?subject=leave", True, True
    )  # fmt: skip


def test_one_click_needs_https() -> None:
    mail = letter(List_Unsubscribe="<http://x.example/>", List_Unsubscribe_Post="List-Unsubscribe=One-Click")

    assert MailingList().analyse(mail) == ("", "http://x.example/", "", False, None)


def test_what_is_no_address_to_call_is_not_told() -> None:
    answer = MailingList().analyse(letter(List_Unsubscribe="<javascript:alert(1)>, <file:///etc/passwd>, <https://>"))

    assert answer == ("", "", "", False, None)


def test_a_message_of_no_list_has_no_answer() -> None:
    assert MailingList().analyse(letter(From="a@b.example")) is None
