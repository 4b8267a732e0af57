"""storage/files/bounded_cache.py"""

from storage.files.bounded_cache import BoundedCache


def test_what_was_used_longest_ago_makes_room() -> None:
    cache: BoundedCache[str, bytes] = BoundedCache(10, len)
    cache.keep("a", b"1234")
    cache.keep("b", b"1234")
    assert cache.get("a") == b"1234"

    cache.keep("c", b"1234")

    assert (cache.get("b"), sorted(cache.cached())) == (None, ["a", "c"])


def test_a_value_that_is_too_large_evicts_nothing() -> None:
    cache: BoundedCache[str, bytes] = BoundedCache(10, len)
    cache.keep("a", b"1234")
    cache.keep("b", b"12345678901")

    assert (cache.get("a"), cache.get("b")) == (b"1234", None)
