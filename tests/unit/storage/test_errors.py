"""Every error of this package crosses processes and is one sentence that tells no secret."""

import inspect
import pickle
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from pydantic import SecretStr

import storage
from storage.config import PostgresConfig
from storage.db.engines import Databases, InvalidDsn
from storage.errors import BackupError
from storage.files.blobs import ArchiveUnusable, open_blobs


def modules() -> Iterator[str]:
    for module in pkgutil.walk_packages(storage.__path__, "storage."):
        if not module.name.startswith("storage.db.migrations."):
            yield module.name


def classes() -> list[type[BackupError]]:
    found = {
        member
        for name in modules()
        for _, member in inspect.getmembers(import_module(name), inspect.isclass)
        if issubclass(member, BackupError) and member is not BackupError and member.__module__.startswith("storage.")
    }
    return sorted(found, key=lambda error: error.__qualname__)


def example(error: type[BackupError]) -> BackupError:
    """An error with arguments of the types that its constructor declares."""
    values = {
        str: "text",
        int: 7,
        float: 2.5,
        tuple[int, ...]: (14, 15),
        frozenset[tuple[int, int]]: frozenset({(1, 2)}),
    }
    parameters = list(inspect.signature(error.__init__, eval_str=True).parameters.values())[1:]
    return error(*(values.get(parameter.annotation, "text") for parameter in parameters))


@pytest.mark.parametrize("error", classes(), ids=lambda error: error.__name__)
def test_an_error_survives_pickle(error: type[BackupError]) -> None:
    made = example(error)
    again = pickle.loads(pickle.dumps(made))

    assert type(again) is error
    assert (again.args, again.__dict__, str(again)) == (made.args, made.__dict__, str(made))


@pytest.mark.parametrize("error", classes(), ids=lambda error: error.__name__)
def test_an_error_is_one_sentence_with_an_action(error: type[BackupError]) -> None:
    text = str(example(error))

    assert len(text) > 30
    assert "\n" not in text
    assert error.__doc__


def test_the_search_for_errors_finds_them() -> None:
    assert len(classes()) >= 20


@pytest.mark.parametrize(
    "dsn", ["mysql://u:hunter2@h/d", "postgresql://u:hunter2@h:port/d", "postgresql://u:hunter2@h", "hunter2"]
)
def test_an_invalid_dsn_names_the_setting_and_not_the_password(dsn: str) -> None:
    with pytest.raises(InvalidDsn) as refused:
        Databases(PostgresConfig(control_dsn=SecretStr(dsn)))

    assert "GBM_POSTGRES__CONTROL_DSN" in str(refused.value)
    assert "hunter2" not in str(refused.value) + repr(refused.value)


@pytest.mark.parametrize(
    "uri", ["s3://key:hunter2@bucket/x", "http://a:hunter2@[x/", "relative/path", "file://host/x", "file:///%00"]
)
def test_an_archive_of_another_kind_is_refused_without_its_secret(uri: str) -> None:
    with pytest.raises(ArchiveUnusable) as refused:
        open_blobs(uri)

    assert "hunter2" not in str(refused.value)
