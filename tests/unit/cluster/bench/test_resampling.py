"""cluster/bench/resampling.py"""

from collections import Counter

from cluster.bench.resampling import Corpus, Share, message_id, segments, sizes, total
from storage.model.schemas import FETCHED

CORPUS = Corpus(tuple(f"Subject: {number}\r\n\r\nText {number}\r\n".encode() for number in range(30)))


def test_the_first_mailbox_is_the_large_one_and_the_rest_is_even() -> None:
    assert sizes(1000, 4, 100) == [100, 300, 300, 300]
    assert sizes(100, 3, 1000) == [50, 25, 25]
    assert sizes(7, 1, 5) == [7]
    assert sum(sizes(1001, 7, 100)) == 1001


def test_every_message_is_dealt_once_and_to_mixed_segments() -> None:
    wanted = [(1, 2300), (2, 700), (3, 700)]

    dealt = list(segments(wanted, 2000))

    numbers = Counter(
        (share.user_id, share.first + n) for shares in dealt for share in shares for n in range(share.count)
    )
    assert set(numbers) == {(user, number) for user, size in wanted for number in range(size)}
    assert set(numbers.values()) == {1}
    assert {share.user_id for share in dealt[0]} == {1, 2, 3}
    assert all(total(segment) <= 2000 for segment in dealt)


def test_dealt_mail_is_exact_in_order_of_time_and_of_its_own() -> None:
    table = CORPUS.deal([Share(1, 0, 40, 40), Share(2, 10, 5, 40)], seed=3)

    assert table.schema.equals(FETCHED) and table.num_rows == 45
    assert set(table["raw"].to_pylist()) <= set(CORPUS.messages)
    first = table.slice(0, 40)
    assert first["received_at"].to_pylist() == sorted(first["received_at"].to_pylist())
    assert len(set(table["message_id"].to_pylist())) == 45
    assert table["message_id"].to_pylist()[40] == message_id(2, 10)
    assert CORPUS.deal([Share(1, 0, 40, 40), Share(2, 10, 5, 40)], seed=3).equals(table)


def test_neighbours_stay_neighbours() -> None:
    raw = CORPUS.deal([Share(1, 0, 30, 30)], seed=1)["raw"].to_pylist()

    first = CORPUS.messages.index(raw[0])
    assert raw == [*CORPUS.messages[first:], *CORPUS.messages[:first]]
