"""The settings of restores into Gmail."""

from pydantic import BaseModel, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class RestoreConfig(BaseModel, frozen=True):
    """How hard a mailbox is written to, and how long an uncertain import is looked for."""

    at_once: PositiveInt = Field(
        4, le=100, description="restores that have a job at a time; the others wait, oldest first, until one has ended"
    )
    landing_s: NonNegativeFloat = Field(
        600.0,
        description="seconds after an import began in which it may still reach Gmail, though its job was replaced: the "
        "next job looks for the message only then; not less than GBM_GMAIL__TOTAL_TIMEOUT_S",
    )
    concurrency: PositiveInt = Field(8, le=32, description="calls under way at a time, for one restore")
    settle_s: PositiveFloat = Field(
        20.0, description="seconds from an uncertain import to the first look for the message, and between looks"
    )
    looks: PositiveInt = Field(2, description="looks that find nothing before a message is imported again")
    attempts: PositiveInt = Field(12, description="failed calls after which a message counts as not restored")
    unknown: NonNegativeInt = Field(
        500, description="messages of the target that its backup does not know yet and that are fetched to compare"
    )
    sync_s: PositiveFloat = Field(120.0, description="seconds that the target's own sync may take before a restore")
