"""The disk that a backfill needs, told before it."""

from cluster.disk_forecast import ASSUMED_BYTES, disk_forecast


def test_a_first_backfill_assumes_a_size_and_says_so() -> None:
    found = disk_forecast(0, 0, 100_000, 20_000_000_000)

    assert found is not None and found.fits
    assert found.needed_bytes == int(100_000 * ASSUMED_BYTES * 1.1)
    assert "100,000 messages to fetch need about 8.2 GB of disk" in str(found)
    assert "assumed" in str(found) and "20.0 GB are free." in str(found)


def test_stored_mail_tells_the_size_of_the_rest() -> None:
    found = disk_forecast(10_000, 10_000 * 6_000, 110_000, 500_000_000)

    assert found is not None and (found.messages, found.message_bytes) == (100_000, 6_000)
    assert not found.fits
    assert "the mean of the stored mail" in str(found)
    assert str(found).endswith("The backup pauses when the disk is full, and continues when there is room.")


def test_a_full_disk_has_nothing_free() -> None:
    found = disk_forecast(0, 0, 5_000, -1)

    assert found is not None and found.free_bytes == 0 and not found.fits


def test_a_small_sync_is_not_worth_a_line() -> None:
    assert disk_forecast(50_000, 1, 50_900, 0) is None
