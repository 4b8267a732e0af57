"""Several splits answer as one of all their messages would."""

from collections.abc import Sequence
from contextlib import ExitStack

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.files.blobs import FileDamaged
from storage.fulltext import search
from storage.fulltext.search import SegmentFile
from storage.fulltext.split import Hit, Split, SplitQuery
from storage.query.conditions import AnyOf, Contains
from tests.unit.storage.fulltext.made import Made, asked, opened, split

WORDS = ("apple", "pear", "plum", "fig")
#: Texts of one length, because tantivy holds lengths against the mean of a split.
texts = st.lists(st.sampled_from(WORDS), min_size=4, max_size=4).map(" ".join)
mailboxes = st.lists(st.lists(texts, max_size=5), min_size=1, max_size=4)
EITHER = AnyOf((Contains(("text",), ("apple",)), Contains(("text",), ("pear",)), Contains(("text",), ("fig", "plum"))))


def of(parts: Sequence[Sequence[Made]]) -> list[SegmentFile]:
    """The segments, newest first."""
    files = [
        SegmentFile(str(number), 1, max(made.received_at for made in part)) for number, part in enumerate(parts) if part
    ]
    return sorted(files, key=lambda file: file.last_at, reverse=True)


def made(mailbox: Sequence[Sequence[str]]) -> list[list[Made]]:
    numbers = iter(range(1000))
    return [[Made(n := next(numbers), {"text": (text,)}, minutes=n * 7 % 11) for text in part] for part in mailbox]


def never(file: SegmentFile, reason: FileDamaged) -> None:
    raise reason


class Opener:
    """Opens the splits of parts; `opened` are those that were."""

    def __init__(self, stack: ExitStack, parts: Sequence[Sequence[Made]]) -> None:
        self._splits = [stack.enter_context(opened(split(part))) for part in parts]
        self.opened: list[str] = []

    def __call__(self, file: SegmentFile) -> Split | None:
        self.opened.append(file.name)
        return self._splits[int(file.name)]


@settings(max_examples=40, deadline=None)
@given(mailboxes, st.integers(1, 20))
def test_parts_answer_as_the_whole(mailbox: list[list[str]], limit: int) -> None:
    parts = made(mailbox)
    whole = [[message for part in parts for message in part]]
    with ExitStack() as stack:
        for ask, most in ((search.newest, limit), (search.best, 100)):  # of a tie at its limit, `best` takes any
            found = [
                ask(of(messages), Opener(stack, messages), never, asked(EITHER), most) for messages in (parts, whole)
            ]
            assert found[0] == found[1]


def test_a_file_whose_mail_is_all_older_is_not_opened() -> None:
    parts = [[Made(number, {"text": ("apple",)}, minutes=number)] for number in range(5)]
    with ExitStack() as stack:
        opener = Opener(stack, parts)
        hits, unindexed = search.newest(of(parts), opener, never, asked(EITHER), 2)

    assert ([hit.message_id for hit in hits], unindexed, opener.opened) == ([4, 3], [], ["4", "3"])


class Broken:
    """A split that cannot be read when it is asked."""

    def newest(self, asked: SplitQuery, limit: int) -> list[Hit]:
        raise FileDamaged("broken", "it is")

    def frequencies(self, terms: Sequence[tuple[str, str]]) -> tuple[int, list[int]]:
        raise FileDamaged("broken", "it is")


def test_a_split_that_fails_is_reported_and_its_parquet_is_scanned() -> None:
    parts = [[Made(number, {"text": ("apple",)}, minutes=number)] for number in range(3)]
    files = of(parts)
    for ask in (search.newest, search.best):
        told: dict[SegmentFile, FileDamaged] = {}
        with ExitStack() as stack:
            opener = Opener(stack, parts)
            opener._splits[1] = Broken()  # type: ignore[call-overload]
            hits, unindexed = ask(files, opener, told.__setitem__, asked(EITHER), 9)

        assert ([hit.message_id for hit in hits], unindexed, list(told)) == ([2, 0], [files[1]], [files[1]])
