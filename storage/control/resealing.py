"""Seals every stored secret again with the current key, so that older keys can be thrown away.

Each value is one transaction and is replaced only if it is still the value that was opened, so a running cluster may
write meanwhile, and an interrupted run is continued by the next. Blocking.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, text

from storage.control.sealing import KeyUnknown, SealBroken, Sealer, context, domain_context, signing_context
from storage.control.webhooks import webhook_context
from storage.db.engines import transaction
from storage.db.sql_files import fill, postgres_sql

_ROWS = 500

#: (secrets looked at, secrets in total)
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of sealed values. context: of the value with a key of the table."""

    name: str
    key: str
    context: Callable[[Any], str]
    before_first: object

    def sql(self, name: str) -> str:
        return fill(postgres_sql(name), table=self.name, key=self.key)


_TABLES = (
    _Table("credentials", "user_id", lambda key: context("credentials", key), -1),
    _Table("domains", "domain", domain_context, ""),
    _Table("signing_keys", "kid", signing_context, ""),
    _Table("webhooks", "webhook_id", webhook_context, ""),
)


@dataclass(slots=True)
class Resealed:
    """Result. unopened: what no key of the ring opens, and why."""

    resealed: int = 0
    current: int = 0
    unopened: list[tuple[str, str]] = field(default_factory=list)


def reseal(engine: Engine, sealer: Sealer, tell: Tell) -> Resealed:
    """Seal everything in the control database with the sealer's current key."""
    with transaction(engine) as connection:
        total = sum(connection.execute(text(table.sql("sealed_count"))).scalar_one() for table in _TABLES)
    done, seen = Resealed(), 0
    for table in _TABLES:
        after: object = table.before_first
        while rows := _page(engine, table, after):
            for key, sealed in rows:
                _one(engine, sealer, table, key, sealed, done)
                seen += 1
                tell(seen, max(total, seen))
            after = rows[-1][0]
    return done


def _page(engine: Engine, table: _Table, after: object) -> list[tuple[Any, bytes]]:
    with transaction(engine) as connection:
        rows = connection.execute(text(table.sql("sealed_values")), {"after": after, "limit": _ROWS})
        return [(row.key, bytes(row.sealed)) for row in rows]


def _one(engine: Engine, sealer: Sealer, table: _Table, key: object, sealed: bytes, done: Resealed) -> None:
    bound = table.context(key)
    if sealer.is_current(sealed):
        done.current += 1
        return
    try:
        again = sealer.seal(sealer.open(sealed, bound), bound)
    except (KeyUnknown, SealBroken) as exc:
        done.unopened.append((bound, str(exc)))
        return
    with transaction(engine) as connection:
        values = {"key": key, "old": sealed, "sealed": again}
        done.resealed += connection.execute(text(table.sql("reseal")), values).rowcount
