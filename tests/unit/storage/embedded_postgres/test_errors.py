"""Each error of the embedded PostgreSQL crosses processes and says what to do."""

import pickle

import pytest

from storage.embedded_postgres.errors import (
    AccountMissing,
    BinariesMissing,
    DirectoryClosed,
    InitFailed,
    NotOurs,
    PasswordMissing,
    ServerUnreachable,
    VersionMismatch,
)
from storage.errors import BackupError

ERRORS = [
    (BinariesMissing("source auto"), "install it"),
    (VersionMismatch("/data", 14, (15, 18)), "15 and 18: install PostgreSQL 14"),
    (DirectoryClosed("/root", "postgres", "/root/home/postgres"), "chmod o+x /root"),
    (NotOurs("/data", "belongs to alice"), "use a directory of your own"),
    (AccountMissing("nobody"), "name an existing unprivileged account"),
    (InitFailed("/data", "initdb: error: no space left."), "no space left"),
    (ServerUnreachable("/data", "FATAL: bad setting", "/data/postgres.log"), "see its log /data/postgres.log"),
    (PasswordMissing("/data/password"), "put /data/password back"),
]


@pytest.mark.parametrize(("error", "remedy"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_says_what_to_do_on_both_sides_of_a_process(error: BackupError, remedy: str) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert remedy in str(copy)
