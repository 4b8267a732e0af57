"""Settings of the gateway: address, tokens, scaling, limits."""

import re
from ipaddress import ip_network
from typing import Literal

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, field_validator

from actors.rate_limits import RatesConfig
from jobs.isolation.config import ReadLimits
from storage.sql_sandbox.config import SandboxConfig

Application = Literal["auth", "emails", "sync", "analytics", "push", "gateway"]


class TokenConfig(BaseModel, frozen=True):
    """Tokens that the gateway issues and accepts."""

    issuer: str = Field("gmail-backup-manager", min_length=1, description="`iss` of access tokens")
    audience: str = Field("gmail-backup-manager", min_length=1, description="`aud` of access tokens")
    access_s: PositiveInt = Field(900, description="lifetime of an access token, in seconds")
    rotate_s: PositiveFloat = Field(30 * 86_400.0, description="seconds between rotations of the signing key")
    revocations_s: PositiveFloat = Field(3.0, description="seconds until a revocation reaches every replica")
    revocations_grace_s: PositiveFloat = Field(
        900.0, description="seconds for which cached revocations are used while the control database is unreachable"
    )
    grant_s: PositiveInt = Field(
        8 * 3600, description="maximum duration of a grant to read another user's mail, in seconds"
    )
    audit_s: PositiveFloat = Field(
        10.0, description="seconds in which repeated refusals share one entry of the audit log"
    )
    keys_per_user: PositiveInt = Field(
        100, description="maximum number of active API keys per user; counts keys created over HTTP"
    )
    refresh_s: PositiveFloat = Field(30 * 86_400.0, description="seconds until an unused refresh token expires")


class ScaleConfig(BaseModel, frozen=True):
    """Number of replicas per application and load per replica."""

    min_replicas: PositiveInt = Field(1, description="minimum number of replicas per application")
    max_replicas: PositiveInt = Field(4, description="maximum number of replicas per application")
    target_requests: PositiveFloat = Field(
        16.0, description="concurrent requests per replica that autoscaling aims for"
    )
    max_requests: PositiveInt = Field(
        64, description="maximum number of concurrent requests per replica; further requests wait"
    )
    max_queued_requests: PositiveInt = Field(
        256, description="maximum number of waiting requests per replica; further requests get 503"
    )
    num_cpus: NonNegativeFloat = Field(0.1, description="logical CPUs that a replica reserves")
    upscale_s: NonNegativeFloat = Field(10.0, description="seconds of high load before replicas are added")
    downscale_s: NonNegativeFloat = Field(120.0, description="seconds of low load before replicas are removed")
    health_check_s: PositiveFloat = Field(10.0, description="seconds between health checks of a replica")
    health_timeout_s: PositiveFloat = Field(
        5.0, description="timeout of a health check, in seconds; three failures in a row replace the replica"
    )
    drain_s: PositiveFloat = Field(5.0, description="seconds that a stopping replica has to finish its requests")


class PushConfig(BaseModel, frozen=True):
    """Accepted senders of Gmail's Pub/Sub pushes. If `audience` and `service_account` are empty, none are accepted."""

    audience: str = Field("", description="audience of the push subscription's OIDC token")
    service_account: str = Field("", description="address of the service account that signs the subscription's pushes")
    certificates_url: str = Field(
        "https://www.googleapis.com/oauth2/v1/certs",
        description="URL of Google's public certificates; https or loopback",
    )


class StreamConfig(BaseModel, frozen=True):
    """Server-sent events of one replica."""

    max_streams: PositiveInt = Field(
        32, description="maximum number of concurrent streams; streams count towards max_requests"
    )
    max_per_user: PositiveInt = Field(4, description="maximum number of concurrent streams per user")
    poll_s: PositiveFloat = Field(1.0, description="seconds between polls of the streamed state")
    events_poll_s: PositiveFloat = Field(0.2, description="seconds between looks for new events of all streams")
    heartbeat_s: PositiveFloat = Field(
        15.0, description="seconds without an event after which a stream sends a heartbeat"
    )


class GoogleConfig(BaseModel, frozen=True):
    """Sign-in with Google, with an OAuth client of type Web application. Disabled if `client_id` is empty."""

    client_id: str = Field("", description="id of the OAuth client")
    client_secret: SecretStr | None = Field(None, description="secret of the OAuth client")
    redirect_uri: str = Field("", description="https://HOST/api/v1/auth/google/callback, as registered with Google")
    auth_uri: str = Field(
        "https://accounts.google.com/o/oauth2/v2/auth", description="URL of the consent page; https or loopback"
    )
    token_uri: str = Field(
        "https://oauth2.googleapis.com/token", description="URL of the token endpoint; https or loopback"
    )
    keys_url: str = Field("https://www.googleapis.com/oauth2/v3/certs", description="URL of Google's public keys")


class EdgeConfig(BaseModel, frozen=True):
    """Limits of the proxy in front of the replicas, in total and per client."""

    connections: PositiveInt = Field(
        2048,
        description="maximum number of connections; lower if the limit of open files is (2.5 files per connection)",
    )
    connections_per_address: PositiveInt = Field(
        64, description="maximum number of connections per address (IPv6: per /64 network), except trusted proxies"
    )
    requests_per_address: PositiveInt = Field(
        20_000,
        description="maximum number of requests per address in 10 s, except trusted proxies; further requests get 429",
    )
    request_s: PositiveInt = Field(10, description="seconds in which a request's head and body must arrive")
    idle_s: PositiveInt = Field(30, description="seconds after which an idle connection is closed")
    spool_bytes: PositiveInt = Field(
        1 << 30,
        description="maximum size of responses buffered in temporary files for slow clients, per replica, in bytes",
    )
    response_bytes_per_s: PositiveInt = Field(
        32 << 10,
        description="minimum rate at which a client must read a response after the first 30 s, in bytes per second",
    )


class ServeConfig(BaseModel, frozen=True):
    """The gateway."""

    host: str = Field("127.0.0.1", description="address that the gateway listens on")
    port: int = Field(8000, ge=1, le=65_535, description="port that the gateway listens on")
    together: bool = Field(
        False,
        description="run all applications in one process, scaled as the application `gateway`",
    )
    threads: PositiveInt = Field(8, description="number of threads for blocking calls, per application and replica")
    timeout_s: PositiveFloat = Field(60.0, description="seconds until a response must begin")
    cors_origins: tuple[str, ...] = Field(
        (), description="origins (https://app.example.com) whose pages may call the API"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="networks of proxies in front of the gateway whose X-Forwarded-For header is trusted"
    )
    edge: EdgeConfig = EdgeConfig()
    rates: RatesConfig = RatesConfig()
    sandbox: SandboxConfig = SandboxConfig()
    reading: ReadLimits = ReadLimits()
    response_cache_bytes: PositiveInt = Field(
        64 << 20, description="size of an application's response cache per replica, in bytes"
    )
    body_bytes: PositiveInt = Field(512 << 10, description="maximum size of a request's body, in bytes")
    owner_timeout_s: PositiveFloat = Field(10.0, description="seconds to wait for a shard owner")
    probe_timeout_s: PositiveFloat = Field(2.0, description="seconds that /ready and status wait per dependency")
    tokens: TokenConfig = TokenConfig()
    scale: ScaleConfig = ScaleConfig()
    applications: dict[Application, ScaleConfig] = Field(
        {}, description="overrides of `scale` per application (auth, emails, sync, analytics, push, gateway)"
    )
    push: PushConfig = PushConfig()
    google: GoogleConfig = GoogleConfig()
    streams: StreamConfig = StreamConfig()

    def scale_of(self, application: str) -> ScaleConfig:
        """Scaling of an application."""
        return next((own for name, own in self.applications.items() if name == application), self.scale)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]+)?", origin):
                raise ValueError(
                    f"{origin} is not an origin such as https://app.example.com; wildcards are not allowed"
                )
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ip_network(network)
        return networks
