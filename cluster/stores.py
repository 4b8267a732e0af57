"""Open databases, keys and archive, for every command; an embedded PostgreSQL if no DSN is set.

Readers, the catalogue and the client of Gmail are imported by the methods that use them: `gbm status` needs none.

Several processes may open the stores of one home at the same time; the embedded server stops with the last of them.
"""

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import SecretStr

from actors.config import BackupConfig
from cluster.console import running
from cluster.home import ExistingCluster, Home
from cluster.settings import Settings
from cluster.upgrade.upgrade import upgrading
from storage.config import PostgresConfig
from storage.control.control import Control
from storage.control.sealing import Sealer, context, domain_context, load_key
from storage.control.shard_map import ShardMap
from storage.db import migrate
from storage.db.engines import Databases
from storage.embedded_postgres.config import EmbeddedConfig
from storage.embedded_postgres.embedded import EmbeddedPostgres
from storage.files.blobs import LocalBlobs, open_blobs
from storage.model.records import User

if TYPE_CHECKING:
    from jobs.gmail.directory import DirectoryUser
    from jobs.isolation.searching import IsolatedTexts
    from storage.catalog.catalog import Catalog
    from storage.model.results import Body
    from storage.reader import MailboxReader

CONTROL_DATABASE = "gbm_control"
#: The environment variable in which the cluster's processes find the sealing key, unless it is in its file.
SEALING_VARIABLE = "GBM_SEALING__KEY"


@dataclass(frozen=True)
class Stores:
    """Open stores, and the frozen configuration with which other processes open the same stores."""

    settings: Settings
    home: Home
    config: BackupConfig
    databases: Databases

    @cached_property
    def control(self) -> Control:
        """Users, credentials, keys."""
        return Control(self.databases.control, actor="command line")

    @cached_property
    def sealer(self) -> Sealer:
        """Encrypts and decrypts secrets."""
        return self.config.sealer()

    @cached_property
    def blobs(self) -> LocalBlobs:
        """The archive's files."""
        return open_blobs(self.config.archive.uri)

    @property
    def shards(self) -> dict[int, int]:
        """Shard id -> index of its database."""
        return self._shard_map.current()

    @cached_property
    def _shard_map(self) -> ShardMap:
        return ShardMap(lambda _wanted: self.control.shards())

    def catalog(self, user: User) -> "Catalog":
        """The catalogue of a user's shard, for writing."""
        return self.catalog_of(user.shard_id)

    def catalog_of(self, shard_id: int) -> "Catalog":
        """The catalogue of a shard, for writing."""
        from storage.catalog.catalog import Catalog

        return Catalog(self.databases.shard_database(self.shards[shard_id]))

    def reader(self, user: User) -> "MailboxReader":
        """A reader of one user's mail."""
        from storage.fulltext.cache import cache_of
        from storage.reader import MailboxReader

        engine = self.databases.shard_database(self.shards[user.shard_id])
        splits = cache_of(self.config.archive)
        return MailboxReader(user.user_id, engine, self.blobs, splits, _body, texts=self.texts)

    @cached_property
    def texts(self) -> "IsolatedTexts":
        """Reads what strangers wrote, for a search, in a child process that starts when a search needs it."""
        from jobs.isolation.searching import IsolatedTexts

        texts = IsolatedTexts(self.settings.serve.reading)
        atexit.register(texts.close)
        return texts

    def add_account(self, email: str, authorized_user: bytes) -> User:
        """Add an account with these credentials, or replace the credentials of a known account.

        Raises:
            CredentialsUnusable, EndpointUnsafe: the file is not an authorized-user file.
        """
        from jobs.gmail.credentials import AuthorizedUser

        AuthorizedUser.parse(email, authorized_user)
        user = self.control.add_user(email)
        sealed = self.sealer.seal(authorized_user, context("credentials", user.user_id))
        self.control.save_credentials(user.user_id, sealed)
        self.catalog(user).open_mailbox(user.shard_id, user.user_id, user.email)
        return user

    def add_domain(self, domain: str, service_account: bytes, admin: str) -> tuple[list[User], list[str]]:
        """Add every active user of a domain.

        Returns:
            The users, and the addresses of suspended or archived users.

        Raises:
            CredentialsUnusable, EndpointUnsafe: the file is not a service account's.
            DelegationMissing, and the other errors of jobs.gmail: the directory cannot be read.
        """
        found = self.discover(domain, service_account, admin)
        self.control.save_domain(domain, self.sealer.seal(service_account, domain_context(domain)), admin)
        users = []
        for entry in found:
            if entry.active:
                user = self.control.add_user(entry.email)
                self.catalog(user).open_mailbox(user.shard_id, user.user_id, user.email)
                users.append(user)
        return users, [entry.email for entry in found if not entry.active]

    def discover(self, domain: str, service_account: bytes, admin: str) -> "list[DirectoryUser]":
        """List the users of a domain without storing anything. Raises the errors of `add_domain`."""
        from jobs.gmail.directory import domain_users
        from jobs.gmail.service_account import DIRECTORY_SCOPE, ServiceAccount, delegated_token

        account, gmail = ServiceAccount.parse(service_account), self.config.gmail
        token = delegated_token(account, admin, DIRECTORY_SCOPE, gmail, datetime.now(UTC))
        return domain_users(gmail, token.token.get_secret_value(), domain)


def _body(raw: bytes) -> "Body":
    """The body of a message; the parser is imported for the first one, which a list does not need."""
    from jobs.mime import reading

    return reading.body(raw)


@contextmanager
def open_databases(settings: Settings, tell: Callable[[str], None]) -> Iterator[tuple[Databases, PostgresConfig]]:
    """Start or join the embedded server if needed. Yield the databases, not upgraded, and their configuration.

    Raises:
        BackupError: one sentence that says what is wrong and what to do.
    """
    home = home_of(settings)
    home.prepare()
    with ExitStack() as stack:
        postgres = settings.postgres
        if postgres.control_dsn is None:
            tell("PostgreSQL")
            embedded = EmbeddedConfig(source=postgres.binaries, run_as=postgres.run_as)
            server = stack.enter_context(EmbeddedPostgres(home.postgres, embedded))
            postgres = postgres.model_copy(update={"control_dsn": SecretStr(server.dsn(CONTROL_DATABASE))})
        databases = Databases(postgres, running())
        stack.callback(databases.close)
        yield databases, postgres


@contextmanager
def open_stores(settings: Settings, progress: Callable[[str], None] | None = None) -> Iterator[Stores]:
    """Start or join the embedded server if needed, upgrade the schemas (not in production), and yield the stores.

    Raises:
        SchemaOutdated: a production database is older than this release; run `gbm db upgrade`.
        HomeNewer: a newer program has upgraded this home; nothing was changed.
        BackupError: one sentence that says what is wrong and what to do.
    """
    home = home_of(settings)
    tell = progress or (lambda _: None)
    with open_databases(settings, tell) as (databases, postgres):
        if settings.environment == "production" and settings.postgres.control_dsn is not None:
            migrate.require(databases)  # in production, an operator decides about `gbm db upgrade`
            migrate.register(databases, settings.shards.count)
        else:
            with upgrading(settings, home, databases, tell) as are_newest:
                if are_newest:  # a cluster maintains the partitions when it starts, and daily
                    migrate.register(databases, settings.shards.count)
                else:
                    migrate.upgrade(databases, settings.shards.count, tell)
        # A key is created only before anything is sealed: silently replacing a lost key would hide the loss.
        load_key(settings.sealing.key, home.sealing_key, create=not Control(databases.control).has_secrets())
        share_sealing_key(settings)
        config = backup_config(settings, home, postgres)
        open_blobs(config.archive.uri)
        yield Stores(settings, home, config, databases)


def share_sealing_key(settings: Settings) -> None:
    """Let processes that this process starts inherit the sealing key, which may come from a file of settings."""
    if settings.sealing.key is not None:
        os.environ[SEALING_VARIABLE] = settings.sealing.key.get_secret_value()


def home_of(settings: Settings) -> Home:
    """The home that the settings name, and the cluster that runs already, if they name one."""
    join = settings.join
    return Home(settings.home, ExistingCluster(join.address, join.dashboard, join.gateway) if join.address else None)


def backup_config(settings: Settings, home: Home, postgres: PostgresConfig) -> BackupConfig:
    """The frozen configuration with which other processes open the same stores. Opens nothing."""
    archive = settings.archive
    if not archive.uri:
        archive = archive.model_copy(update={"uri": home.archive.as_uri()})
    if not archive.index_cache:
        archive = archive.model_copy(update={"index_cache": str(home.words)})
    return BackupConfig(
        cluster=settings.cluster or home.cluster_name(),
        shard=settings.shards,
        gmail=settings.gmail,
        archive=archive,
        analysis=settings.analysis,
        events=settings.events,
        webhooks=settings.webhooks,
        postgres=postgres,
        sealing_key=settings.sealing.key,
        sealing_key_variable=SEALING_VARIABLE if settings.sealing.key else "",
        old_sealing_key_paths=tuple(path.absolute() for path in settings.sealing.old_keys),
        sealing_key_path=home.sealing_key,
    )
