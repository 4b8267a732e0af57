"""Settings of webhooks."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class WebhookConfig(BaseModel, frozen=True):
    """Delivery of events to servers of users."""

    allow_private: bool = Field(
        False, description="deliver to private and loopback addresses, and without TLS: for tests and trusted networks"
    )
    timeout_s: PositiveFloat = Field(15.0, le=60.0, description="seconds that a receiver has to respond")
    concurrency: PositiveInt = Field(16, le=256, description="maximum number of concurrent deliveries")
    per_webhook: PositiveInt = Field(4, le=64, description="maximum number of concurrent deliveries to one webhook")
    per_user: PositiveInt = Field(10, le=1000, description="maximum number of webhooks per user")
    log_days: PositiveInt = Field(30, description="days that ended deliveries are listed")
