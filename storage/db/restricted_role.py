"""Runs statements of a transaction under a role that may read and write rows, and nothing else.

For rows that come from elsewhere (storage/recovery/dump.py). The embedded server's only account is a superuser, which
may start programs (`COPY ... FROM PROGRAM`) and read the server's files.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql
from sqlalchemy import Connection, text

from storage.db.sql_files import query
from storage.errors import BackupError


class RoleTooPowerful(BackupError):
    """The account may run programs or use files of the server and cannot give this up. Use another account."""

    def __init__(self, role: str) -> None:
        super().__init__(role)
        self.role = role

    def __str__(self) -> str:
        return (
            f'The PostgreSQL account "{self.role}" may run programs or use files of the server: restore with an '
            "account that is not a member of pg_execute_server_program, pg_read_server_files or pg_write_server_files."
        )


@contextmanager
def rows_only(connection: Connection) -> Iterator[None]:
    """Let a superuser's statements run as a role that can only read and write rows until the block ends.

    The role exists only within the transaction. An account that may not run programs keeps its own role.

    Raises:
        RoleTooPowerful.
    """
    account = connection.execute(query("server_rights")).one()
    if not account.powerful:
        yield
        return
    if not account.superuser:
        raise RoleTooPowerful(account.name)
    role = sql.Identifier(f"gbm_rows_{account.pid}").as_string()
    connection.execute(text(f"CREATE ROLE {role} NOLOGIN NOSUPERUSER INHERIT"))
    connection.execute(text(f"GRANT pg_read_all_data, pg_write_all_data TO {role}"))
    connection.execute(text(f"SET LOCAL ROLE {role}"))
    yield
    # After an error the transaction is rolled back, the role with it.
    connection.execute(text("SET LOCAL ROLE none"))
    connection.execute(text(f"DROP ROLE {role}"))
