"""What is encoded for COPY is what Postgres stores, to the bit."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from storage.catalog.index_copy import copy_index
from storage.model.schemas import INDEX

_INT8 = st.integers(-(1 << 63), (1 << 63) - 1)
_SIZE = st.integers(0, (1 << 31) - 1)
_LABEL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_MOMENT = st.datetimes(datetime(1601, 1, 1), datetime(9998, 12, 31)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
)


def _row(message_id: int) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {
            "user_id": _INT8,
            "message_id": st.just(message_id),
            "thread_id": _INT8,
            "history_id": _INT8,
            "received_at": _MOMENT,
            "labels": st.lists(st.sampled_from(["INBOX", "UNREAD", ""]) | _LABEL, max_size=4),
            "size_bytes": _SIZE,  # they are added up; Gmail's limit is 150 MB
            "sha256": st.binary(min_size=32, max_size=32),
            "frame_offset": _INT8,
            "frame_bytes": _SIZE,
            "raw_offset": _SIZE,
        }
    )


_ROWS = st.integers(0, 8).flatmap(lambda number: st.tuples(*(_row(message_id) for message_id in range(number))))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS, segment_id=_INT8, cut=st.integers(0, 8))
def test_every_row_arrives_as_it_was_also_from_a_table_of_pieces(
    engine: Engine, rows: tuple[dict[str, object], ...], segment_id: int, cut: int
) -> None:
    pieces = [pa.Table.from_pylist(list(part), schema=INDEX) for part in (rows[:cut], rows[cut:])]

    stored = _copied(engine, pa.concat_tables(pieces), segment_id)

    assert stored == [{**row, "segment_id": segment_id} for row in rows]


def test_a_table_with_nulls_is_refused_before_anything_is_sent(engine: Engine) -> None:
    index = pa.table({name: pa.nulls(1, INDEX.field(name).type) for name in INDEX.names})

    with pytest.raises(ValueError, match=r"null|NULL|Casting"):
        _copied(engine, index, 1)


def _copied(engine: Engine, index: pa.Table, segment_id: int) -> list[dict[str, object]]:
    names = [*INDEX.names, "segment_id"]
    with engine.connect() as connection:  # never committed: other tests' mailboxes are in the same table
        connection.execute(text("DELETE FROM messages"))
        copy_index(connection, index, segment_id)
        rows = connection.execute(text(f"SELECT {', '.join(names)} FROM messages ORDER BY message_id")).all()
        connection.rollback()
        return [{**row._mapping, "sha256": bytes(row.sha256)} for row in rows]
