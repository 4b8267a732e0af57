"""What the gateway can be told: where it listens, how long tokens live, how far it scales."""

import re
from ipaddress import ip_network
from typing import Literal

from pydantic import BaseModel, Field, NonNegativeFloat, PositiveFloat, PositiveInt, SecretStr, field_validator

from actors.rate_limits import RatesConfig
from storage.sql_sandbox.config import SandboxConfig

Application = Literal["auth", "emails", "sync", "analytics", "push", "gateway"]


class TokenConfig(BaseModel, frozen=True):
    """The tokens that the gateway gives and accepts."""

    issuer: str = Field("gmail-backup-manager", min_length=1, description="`iss` of access tokens")
    audience: str = Field("gmail-backup-manager", min_length=1, description="`aud` of access tokens")
    access_s: PositiveInt = Field(900, description="seconds that an access token is good for")
    rotate_s: PositiveFloat = Field(30 * 86_400.0, description="seconds after which another key signs access tokens")
    revocations_s: PositiveFloat = Field(3.0, description="seconds until every replica has heard of a revocation")
    revocations_grace_s: PositiveFloat = Field(
        900.0, description="seconds that the last known revocations count while the control database is away"
    )
    grant_s: PositiveInt = Field(8 * 3600, description="seconds that a grant to read another's mail may last at most")
    audit_s: PositiveFloat = Field(10.0, description="seconds in which repeated refusals are one line of the audit log")
    keys_per_user: PositiveInt = Field(100, description="live API keys of one user, of those made over HTTP")
    refresh_s: PositiveFloat = Field(30 * 86_400.0, description="seconds that an unused refresh token is good for")


class ScaleConfig(BaseModel, frozen=True):
    """Replicas of each application, and what one of them takes on."""

    min_replicas: PositiveInt = Field(1, description="replicas of each application that always run")
    max_replicas: PositiveInt = Field(4, description="replicas of each application at most")
    target_requests: PositiveFloat = Field(16.0, description="requests at a time per replica that scaling aims at")
    max_requests: PositiveInt = Field(64, description="requests at a time per replica; further ones wait")
    max_queued_requests: PositiveInt = Field(256, description="requests that wait per replica; further ones get 503")
    num_cpus: NonNegativeFloat = Field(0.1, description="logical CPUs that a replica reserves")
    upscale_s: NonNegativeFloat = Field(10.0, description="seconds of too many requests after which replicas are added")
    downscale_s: NonNegativeFloat = Field(120.0, description="seconds of too few after which replicas end")
    health_check_s: PositiveFloat = Field(10.0, description="seconds between two health checks of a replica")
    health_timeout_s: PositiveFloat = Field(
        5.0, description="seconds until a health check has failed; a replica that fails three in a row is replaced"
    )
    drain_s: PositiveFloat = Field(5.0, description="seconds that a replica about to end may finish its requests in")


class PushConfig(BaseModel, frozen=True):
    """Gmail's pushes through Pub/Sub: whose are believed. Both unset: none."""

    audience: str = Field("", description="audience of the push subscription's OIDC token")
    service_account: str = Field("", description="address of the service account that the subscription signs as")
    certificates_url: str = Field(
        "https://www.googleapis.com/oauth2/v1/certs", description="Google's public certificates; https, or loopback"
    )


class StreamConfig(BaseModel, frozen=True):
    """Server-sent events of one replica."""

    most: PositiveInt = Field(32, description="streams at a time; they count among max_requests")
    most_each: PositiveInt = Field(4, description="streams at a time of one user")
    every_s: PositiveFloat = Field(1.0, description="seconds between two looks")
    heartbeat_s: PositiveFloat = Field(15.0, description="seconds of silence after which a stream says that it lives")


class GoogleConfig(BaseModel, frozen=True):
    """Signing in with Google: an OAuth client of the type Web application. Unset: nobody can."""

    client_id: str = Field("", description="the OAuth client's id")
    client_secret: SecretStr | None = Field(None, description="and its secret")
    redirect_uri: str = Field("", description="https://HOST/api/v1/auth/google/callback, as registered with Google")
    auth_uri: str = Field("https://accounts.google.com/o/oauth2/v2/auth", description="https, or loopback")
    token_uri: str = Field("https://oauth2.googleapis.com/token", description="https, or loopback")
    keys_url: str = Field("https://www.googleapis.com/oauth2/v3/certs", description="Google's public keys")


class EdgeConfig(BaseModel, frozen=True):
    """What one client may hold of the proxy in front of the replicas."""

    connections: PositiveInt = Field(
        2048, description="connections at a time; fewer where the limit of open files is low (2.5 files each)"
    )
    connections_each: PositiveInt = Field(
        64, description="connections at a time from one address (IPv6: one network of 64 bits) that is no trusted proxy"
    )
    requests_each: PositiveInt = Field(
        20_000, description="requests in 10 s from one address that is no trusted proxy; further ones get 429"
    )
    request_s: PositiveInt = Field(10, description="seconds in which a request's head and body must be there")
    idle_s: PositiveInt = Field(30, description="seconds of silence after which a client's connection is closed")
    spool_bytes: PositiveInt = Field(
        1 << 30, description="bytes of answers that wait for slow readers in temporary files, per replica"
    )
    answer_bytes_per_s: PositiveInt = Field(
        32 << 10, description="bytes of an answer that a client must take per second, after the first 30 s"
    )


class ServeConfig(BaseModel, frozen=True):
    """The gateway."""

    host: str = Field("127.0.0.1", description="address that the gateway listens on")
    port: int = Field(8000, ge=1, le=65_535, description="port that the gateway listens on")
    threads: PositiveInt = Field(8, description="blocking calls at a time, per replica")
    timeout_s: PositiveFloat = Field(60.0, description="seconds that a request may take until its answer begins")
    cors_origins: tuple[str, ...] = Field(
        (), description="origins (https://app.example.com) whose pages may call the API; unset: none"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="networks of proxies in front of the gateway whose X-Forwarded-For is believed"
    )
    edge: EdgeConfig = EdgeConfig()
    rates: RatesConfig = RatesConfig()
    sandbox: SandboxConfig = SandboxConfig()
    answers_bytes: PositiveInt = Field(
        64 << 20, description="bytes of answers that a replica keeps, until mail changes"
    )
    body_bytes: PositiveInt = Field(512 << 10, description="bytes of a request's body at most")
    owner_timeout_s: PositiveFloat = Field(10.0, description="seconds to wait for the owner of a shard")
    probe_timeout_s: PositiveFloat = Field(2.0, description="seconds that /ready and status wait for one dependency")
    tokens: TokenConfig = TokenConfig()
    scale: ScaleConfig = ScaleConfig()
    applications: dict[Application, ScaleConfig] = Field(
        {}, description="by application (auth, emails, sync, analytics, push, gateway): its own instead of `scale`"
    )
    push: PushConfig = PushConfig()
    google: GoogleConfig = GoogleConfig()
    streams: StreamConfig = StreamConfig()

    def scale_of(self, application: str) -> ScaleConfig:
        """How far an application scales."""
        return next((own for name, own in self.applications.items() if name == application), self.scale)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[a-z0-9.-]+(:[0-9]+)?", origin):
                raise ValueError(f"{origin} is no origin such as https://app.example.com; a * is not taken")
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ip_network(network)
        return networks
