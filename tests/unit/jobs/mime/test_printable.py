from jobs.mime.printable import escape
from jobs.rendering.html import table


def test_a_page_shows_subjects_without_overrides_of_the_reading_direction() -> None:
    assert escape("a\u202e<b>\x9b") == "a&lt;b&gt;"
    assert "\u202e" not in table(["name"], [["invoice\u202efdp.exe"]])
