"""Settings of the simulator, as a frozen value."""

from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
)

from cluster.simulator.quota import DATA_METHODS, Profile

FaultKind = Literal[
    "429",
    "403-rateLimitExceeded",
    "403-userRateLimitExceeded",
    "403-quotaExceeded",
    "400-failedPrecondition",
    "500",
    "503",
    "cut",
    "stall",
    "lost",
]

# "stall" and "400-failedPrecondition" are rare at Google and slow down tests, and "lost" (the call is made, its
# response is not sent) only matters for calls that change something: they occur only if named.
USUAL_FAULTS: tuple[FaultKind, ...] = (
    "429",
    "403-rateLimitExceeded",
    "403-userRateLimitExceeded",
    "403-quotaExceeded",
    "500",
    "503",
    "cut",
)


class SimulatorConfig(BaseModel, frozen=True):
    """The mail to serve, the address, and the faults to inject."""

    mail: tuple[Path, ...] = Field((), description=".eml, folder of .eml, maildir, mbox, .tar or .tar.gz of .eml")
    generate: NonNegativeInt | None = Field(
        None, description="generated messages, one more source beside `mail`; unset: 500 if there is no mail"
    )
    hostile: bool = Field(False, description="add damaged and extreme messages to the generated ones")
    users: PositiveInt | None = Field(None, description="deal all mail to so many users; unset: one per source")
    messages_per_user: PositiveInt | None = Field(
        None, description="with `users`: give each so many messages, repeating the mail where it is too little"
    )
    uneven: NonNegativeFloat = Field(
        0, description="with `messages_per_user`: exponent of the power law of mailbox sizes; 0: all are alike"
    )
    domain: str = Field("example.com", description="of the users' addresses")
    seed: int = Field(0, description="of generated mail, labels, credentials and faults")
    mail_max_bytes: PositiveInt = Field(8 * 1024**3, description="bytes of mail held in memory")

    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535, description="0: any free one")
    control_token: SecretStr | None = Field(None, description="bearer token that /_sim/ demands; unset: none")
    access_token_ttl_s: PositiveFloat = Field(3600, description="seconds an access token lives")

    quota_profile: Profile = Field("legacy", description="legacy: 15,000 units/min/user, standard: 6,000")
    costs: dict[str, NonNegativeInt] = Field({}, description="units per Gmail method, over the profile's table")
    units_per_user: PositiveInt | None = Field(None, description="units per minute and user; unset: the profile's")
    units_per_project: PositiveInt | None = Field(None, description="units per minute, all users; unset: the profile's")
    time_scale: PositiveFloat = Field(1, description="10: a quota minute lasts 6 s")
    concurrency: PositiveInt | None = Field(
        None, description="requests in flight per user; unset: 50 (Google publishes none), unlimited: no limit"
    )

    latency_ms: NonNegativeFloat = Field(0, description="milliseconds before each HTTP answer")
    fault_rate: float = Field(0, ge=0, le=1, description="share of Gmail calls that fail")
    faults: tuple[FaultKind, ...] = Field(USUAL_FAULTS, min_length=1, description="kinds of faults injected")
    push_to: str = Field("", description="address that changes of watched mailboxes are pushed to; unset: nowhere")
    push_audience: str = Field("", description="audience of the pushes' tokens; unset: the address")
    push_service_account: str = Field(
        "pushes@simulator.iam.gserviceaccount.com", description="whom the pushes' tokens name"
    )
    push_loss_rate: float = Field(0, ge=0, le=1, description="share of the pushes that get lost")
    trace_imports: bool = Field(False, description="put trace header fields before imported mail")
    empty_history_pages: bool = Field(False, description="every other history page is empty, with a token")

    @field_validator("push_to")
    @classmethod
    def _an_address(cls, push_to: str) -> str:
        if push_to and not push_to.startswith(("http://", "https://")):
            raise ValueError("an http or https address is needed")
        return push_to

    @field_validator("costs")
    @classmethod
    def _known_methods(cls, costs: dict[str, int]) -> dict[str, int]:
        unknown = sorted(costs.keys() - DATA_METHODS)
        if unknown:
            raise ValueError(f"no such Gmail method: {', '.join(unknown)}")
        return costs
