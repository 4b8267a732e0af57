"""Builds the applications from configuration. A replica calls this in its constructor. No Ray here.

Connections open on first use: an application starts while its databases are down and reports them in /ready.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property, partial

from fastapi import APIRouter, FastAPI

from actors.announcer import Announcer
from actors.forecast import Forecast, forecast
from jobs.isolation.reading import IsolatedReading, reading_of
from serve.analytics import routes, sql
from serve.auth.audit_buffer import AuditBuffer
from serve.auth.authentication import AccessTokens, authenticator
from serve.auth.authorization import AccessControl
from serve.auth.pubsub_auth import Certificates, Sender
from serve.auth.rate_enforcement import Broker, LocalBroker, RateLimits
from serve.auth.revocations import Revocations
from serve.auth.routes import auth, google, grants, keys
from serve.auth.signing import SigningKeys
from serve.auth.tokens import TokenService
from serve.config import Application
from serve.events import routes as event_routes
from serve.events import webhooks
from serve.gateway import application, root_application
from serve.http.executor import BlockingExecutor
from serve.http.prefixes import PrefixMiddleware
from serve.http.response_cache import ResponseCache
from serve.http.sse import Streams
from serve.mail import attachments, content, emails, threads
from serve.mail.answers import MailAnswers, MessageAnswers
from serve.mail.lookups import MailLookups
from serve.mail.ports import MailReader, StatsReader
from serve.mail.readers import Mailboxes, UnknownShard
from serve.ops import admin, fleet, root
from serve.ops.metrics import Metrics, State
from serve.ops.readiness import CONTROL, Probe, Probes
from serve.settings import PREFIXES, Settings
from serve.sync import campaigns, gmail_push, operations, restores, sync
from serve.sync.ports import Jobs, NoJobs, Owners
from storage.catalog.catalog import ping
from storage.control.control import Control
from storage.control.grants import Grants
from storage.control.principal import Principal
from storage.control.wait_reasons import WaitReasons
from storage.control.webhooks import Webhooks
from storage.db.audit import Audit
from storage.db.engines import Databases
from storage.events.log import FleetEvents, UserEvents
from storage.files.blobs import open_blobs
from storage.fleet import shard_status
from storage.fleet.analysis_stats import FleetAnalysisStats
from storage.fleet.stats import Totals
from storage.fulltext.cache import cache_of
from storage.replication.control_fallback import Lookups
from storage.replication.routing import Replicas

_SYSTEM_THREADS = 2
#: Of the seconds in which a revocation counts: the age of a list that is used, and the time between two looks at the
#: token of a stream. The rest is for reading the list.
_LIST_PART, _LOOK_PART = 0.6, 0.25
#: Seconds between two announcements of this process.
_ANNOUNCE_S = 15.0


class Assembly:
    """The applications of one process and the objects that they share."""

    def __init__(
        self,
        settings: Settings,
        owners: Owners,
        jobs: Jobs | None = None,
        broker: Broker | None = None,
        answered: Callable[[Application, bool], None] = lambda _application, _kept: None,
    ) -> None:
        """Store the configuration; connections open on first use.

        Args:
            jobs: starts campaign jobs; None: campaigns are read-only.
            broker: rate broker; None: a broker in this process.
            answered: called for every response about a mailbox: its application, and True if it came from the cache.
        """
        self._answered = answered
        self._backup, self._config, self._owners = settings.backup, settings.serve, owners
        self._proof = settings.proof.get_secret_value() if settings.proof is not None else None
        self._jobs = jobs or NoJobs()
        self._broker = broker or LocalBroker(settings.serve.rates)
        self._announcing: asyncio.Task[None] | None = None
        # One pool of threads per application: slow requests of one application never delay those of another.
        self._threads = defaultdict[Application, BlockingExecutor](lambda: BlockingExecutor(self._config.threads))

    def application(self, name: Application) -> FastAPI:
        """The application `name`; "gateway" contains all applications if they run together."""
        makers: Mapping[Application, Callable[[], FastAPI]] = {
            "auth": self.auth,
            "emails": self.emails,
            "sync": self.sync,
            "analytics": self.analytics,
            "push": self.push,
            "gateway": self.together if self._config.together else self.root,
        }
        return makers[name]()

    def together(self) -> FastAPI:
        """All applications in one, each with its own middleware stack, threads and limits."""
        apps = self._others()
        root = self._root(apps)
        root.add_middleware(PrefixMiddleware, applications={PREFIXES[name]: app for name, app in apps.items()})
        return root

    def auth(self) -> FastAPI:
        """/api/v1/auth."""
        pool = self._threads["auth"]
        token_service = TokenService(self._control, self._tokens, self._config.tokens.refresh_s)
        services = auth.AuthServices(token_service, self._control, self._grants, self._signing, self._audit_buffer)
        config, gmail = self._config.google, self._backup.gmail
        sign_in = google.GoogleSignIn(config, gmail, Certificates(config.keys_url, gmail), self._backup.sealer())
        routers = (
            auth.router(services, pool),
            keys.router(self._control, pool, self._config.tokens.keys_per_user),
            grants.router(self._grants, self._control, self._tokens, pool, self._config.tokens),
            google.router(sign_in, self._control, token_service, self._audit_buffer, pool),
        )
        return self._application("auth", routers)

    def emails(self) -> FastAPI:
        """/api/v1 without the prefixes of other applications: emails, threads, labels and admin."""
        pool, cache = self._threads["emails"], self._cache("emails")
        single = MessageAnswers(self._mailboxes, cache, pool, self._mail_lookups)
        messages = content.MessageContent(self._mailboxes, pool, single, self._reading)
        lists: MailAnswers[MailReader] = MailAnswers(self._mailboxes, cache, pool, self._mail_lookups)
        routers = [
            emails.router(lists, single),
            content.router(messages),
            attachments.router(messages),
            threads.router(self._mailboxes, pool),
        ]
        # This application has the shortest prefix, so it also serves the routes without an application of their own.
        routers.append(admin.router(Audit(self._databases.control), self._control, pool))
        totals = Totals(self._databases, self._control.shards, FleetAnalysisStats(open_blobs(self._backup.archive.uri)))
        routers.append(fleet.router(totals, pool))
        routers.append(self._events(pool))
        hooks = Webhooks(self._databases.control, self._backup.sealer())
        routers.append(webhooks.router(hooks, self._backup.webhooks, pool))
        return self._application("emails", routers)

    def _events(self, pool: BlockingExecutor) -> APIRouter:
        """The feeds of events, read from the primaries."""
        keep_days, config = self._backup.postgres.retention.outbox_days, self._config.streams
        fleet_events = FleetEvents(self._databases, self._control.shards, keep_days)

        def of_user(principal: Principal) -> UserEvents:
            database = self._mailboxes.databases_of([principal.shard_id]).get(principal.shard_id)
            if database is None:
                raise UnknownShard(principal.shard_id)
            engine = self._databases.shard_database(database)
            return UserEvents(principal.user_id, principal.shard_id, engine, keep_days)

        return event_routes.router(
            *(of_user, fleet_events, fleet_events.heads, self._streams, pool),
            *(config.events_poll_s, config.heartbeat_s),
        )

    def analytics(self) -> FastAPI:
        """/api/v1/analytics."""
        pool = self._threads["analytics"]
        sandbox = sql.router(sql.Sandbox(self._mailboxes, self._config.sandbox), pool)
        lists: MailAnswers[StatsReader] = MailAnswers(
            self._mailboxes, self._cache("analytics"), pool, self._mail_lookups
        )
        statistics = routes.routers(lists)
        return self._application("analytics", [*statistics, sandbox])

    def sync(self) -> FastAPI:
        """/api/v1/sync."""
        pool = self._threads["sync"]
        backfills = campaigns.Backfills(self._databases, self._control, self._jobs)
        given_back = restores.MailboxRestores(self._databases.control, self._jobs)
        readers, streams = self._mailboxes_of_primaries, self._streams
        routers = [
            sync.router(readers, self._owners, self._control, streams, pool, self._config, self._today),
            campaigns.router(backfills, pool),
            restores.router(given_back, pool),
            operations.router({"backfill": backfills, "restore": given_back}, streams, pool),
        ]
        return self._application("sync", routers)

    def push(self) -> FastAPI:
        """/api/v1/push."""
        pool = self._threads["push"]
        certificates = Certificates(self._config.push.certificates_url, self._backup.gmail)
        sender = Sender(self._config.push, certificates)
        router = gmail_push.router(self._control, self._owners, sender, pool, self._config)
        return self._application("push", [router])

    def root(self) -> FastAPI:
        """/, with the description of all applications."""
        return self._root(self._others())

    def _others(self) -> dict[Application, FastAPI]:
        """The applications besides the root application."""
        return {
            "auth": self.auth(),
            "emails": self.emails(),
            "sync": self.sync(),
            "analytics": self.analytics(),
            "push": self.push(),
        }

    def _root(self, apps: Mapping[Application, FastAPI]) -> FastAPI:
        probes = Probes(self._probes, self._config.probe_timeout_s)
        metrics = Metrics(self._state, self._owners, self._config.probe_timeout_s)
        routers = root.routers(probes, metrics, lambda: self._replicas.health(), self._revocations.grace)
        return root_application(routers, [*apps.values()], self._config, self._access_control, self._proof)

    def _application(self, name: str, routers: list[APIRouter] | tuple[APIRouter, ...]) -> FastAPI:
        return application(name, routers, self._config, self._access_control, self._proof)

    async def check(self) -> None:
        """Return once every application has a free thread; blocks if all threads of one hang.

        Called every few seconds, so it keeps the revocations read and this process announced, too, without waiting for
        a database that is down.
        """
        self._revocations.keep()
        if self._announcing is None or self._announcing.done():
            self._announcing = self._system_threads.begin(self._system_threads.run(self._announcer.announce_if_due))
        await asyncio.gather(*(pool.run(lambda: None) for pool in self._threads.values()))

    def close(self) -> None:
        """Close all connections. Serve does not call it: the announcement of an ended replica expires in a minute."""
        if "_announcer" in self.__dict__:
            self._announcer.leave()
        for pool in self._threads.values():
            pool.close()
        self._system_threads.close()
        if "_lookup_threads" in self.__dict__:
            self._lookup_threads.close()
        if "_replicas" in self.__dict__:
            self._replicas.close()
        self._databases.close()

    @cached_property
    def _databases(self) -> Databases:
        # One connection per thread, two for lookups and one for replica checks, so that no thread waits for one.
        threads = self._config.threads * (len(PREFIXES) if self._config.together else 1)
        size = max(self._backup.postgres.pool_size, threads + _SYSTEM_THREADS + 3)
        return Databases(self._backup.postgres.model_copy(update={"pool_size": size}), application="gbm gateway")

    @cached_property
    def _announcer(self) -> Announcer:
        return Announcer(self._databases.control, "gateway", _ANNOUNCE_S)

    @cached_property
    def _control(self) -> Control:
        return Control(self._databases.control)

    @cached_property
    def _lookups(self) -> Lookups:
        return Lookups(self._control, self._databases, self._replicas)

    @cached_property
    def _system_threads(self) -> BlockingExecutor:
        """Threads for signing keys, revocations and the audit log, which no caller may block."""
        return BlockingExecutor(_SYSTEM_THREADS)

    @cached_property
    def _tokens(self) -> AccessTokens:
        return AccessTokens(self._signing, self._config.tokens)

    @cached_property
    def _signing(self) -> SigningKeys:
        config = self._config.tokens
        return SigningKeys(
            self._lookups, self._backup.sealer(), rotate_s=config.rotate_s, lives_s=float(config.access_s)
        )

    @cached_property
    def _grants(self) -> Grants:
        return Grants(self._databases.control)

    def _cache(self, name: Application) -> ResponseCache:
        return ResponseCache(self._config.response_cache_bytes, counted=partial(self._answered, name))

    @cached_property
    def _mail_lookups(self) -> MailLookups:
        return MailLookups(self._mailboxes, self._lookup_threads)

    @cached_property
    def _lookup_threads(self) -> BlockingExecutor:
        """Threads for short lookups, two for each shard database (versions, messages) and one for the shard map."""
        return BlockingExecutor(2 * self._databases.shard_databases + 1)

    @cached_property
    def _streams(self) -> Streams:
        config = self._config.streams
        return Streams(config.max_streams, config.max_per_user, config.poll_s, config.heartbeat_s)

    @cached_property
    def _audit_buffer(self) -> AuditBuffer:
        return AuditBuffer(Audit(self._databases.control), self._system_threads, self._config.tokens.audit_s)

    @cached_property
    def _access_control(self) -> AccessControl:
        config = self._config.tokens
        authenticate = authenticator(self._tokens, self._system_threads, self._revocations)
        limits = RateLimits(self._config.rates, self._broker)
        return AccessControl(authenticate, limits, self._audit_buffer, look_s=_LOOK_PART * config.revocations_s)

    @cached_property
    def _revocations(self) -> Revocations:
        config = self._config.tokens
        every_s, horizon_s = _LIST_PART * config.revocations_s, config.access_s + 60.0
        replica, grace_s = self._lookups, config.revocations_grace_s
        return Revocations(self._grants, self._system_threads, horizon_s, every_s, grace_s=grace_s, replica=replica)

    @cached_property
    def _reading(self) -> IsolatedReading:
        return reading_of(self._config.reading)

    @cached_property
    def _mailboxes(self) -> Mailboxes:
        return self._make_mailboxes(primary_only=False)

    @cached_property
    def _mailboxes_of_primaries(self) -> Mailboxes:
        """Readers for mailbox status: after a status of "current", lists include all mail that it counted."""
        return self._make_mailboxes(primary_only=True)

    def _make_mailboxes(self, primary_only: bool) -> Mailboxes:
        archive = self._backup.archive
        blobs, splits = open_blobs(archive.uri), cache_of(archive)
        return Mailboxes(
            self._databases,
            self._lookups,
            blobs,
            splits,
            replicas=self._replicas,
            primary_only=primary_only,
            body=self._reading.body,
        )

    @cached_property
    def _replicas(self) -> Replicas:
        return Replicas(self._databases)

    def _today(self) -> Forecast:
        """The project's quota units of this day. Blocking."""
        return forecast(self._databases, self._backup.gmail, datetime.now(UTC))

    async def _state(self) -> State:
        """State of the cluster in Postgres, for metrics."""

        def gather() -> State:
            shards = self._control.shards()
            return State(
                shard_status.shards(self._databases, shards),
                shard_status.phases(self._databases, shards),
                self._today(),
                self._replicas.health(),
                WaitReasons(self._databases.control).all(),
            )

        return await self._threads["gateway"].run(gather)

    async def _probes(self) -> Mapping[str, Probe]:
        """Probes of the control database, every shard database and every shard owner."""
        shards = await self._threads["gateway"].run(self._lookups.shards)
        probes: dict[str, Probe] = {CONTROL: partial(self._threads["gateway"].run, ping, self._databases.control)}
        for index in range(self._databases.shard_databases):
            engine = self._databases.shard_database(index)
            probes[f"shard_database:{index}"] = partial(self._threads["gateway"].run, ping, engine)
        for shard_id in shards:
            probes[f"shard:{shard_id}"] = partial(self._owners.ping, shard_id)
        return probes
