"""All settings, and the only place that reads the environment.

By precedence: `GBM_...` variables (`__` between levels), the YAML file that GBM_CONFIG names, the packaged defaults of
the environment (cluster/defaults/ENVIRONMENT.yaml), the models' own defaults. Below this module everything receives
frozen values.
"""

import os
import re
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from actors.config import EventsConfig, ShardConfig
from cluster.renames import renamed_document, renamed_variables
from jobs.analysis.config import AnalysisConfig
from jobs.gmail.config import GmailConfig
from jobs.restoring.config import RestoreConfig
from jobs.webhooks.config import WebhookConfig
from serve.config import ServeConfig
from storage.config import ArchiveConfig, PostgresConfig
from storage.errors import BackupError

Environment = Literal["development", "staging", "production"]
_DEFAULTS = Path(__file__).parent / "defaults"


class InvalidSettings(BackupError):
    """A setting is wrong. Correct it where it is set."""

    def __init__(self, problems: str) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return f"A setting is wrong: {self.problems}; correct it in the environment or in the file GBM_CONFIG names."


class ShardsSettings(ShardConfig, frozen=True):
    """The number of shards, and the limits of each."""

    count: PositiveInt = Field(4, le=4096, description="logical shards; mailboxes are dealt to the least loaded")


class SealingSettings(BaseModel, frozen=True):
    """The key that seals credentials at rest."""

    key: SecretStr | None = Field(
        None, description="32 bytes in base64; unset: the file GBM_HOME/sealing.key (0600), made at first use"
    )
    old_keys: tuple[Path, ...] = Field(
        (), description="files (0600) of former keys, which still open what they sealed until `gbm keys rotate-sealing`"
    )


class RaySettings(BaseModel, frozen=True):
    """The local Ray of `gbm up` and `gbm demo`."""

    cpus: PositiveInt = Field(default_factory=lambda: max(os.cpu_count() or 2, 2), description="logical CPUs")
    object_store_bytes: PositiveInt = Field(1 << 30, ge=80 << 20, description="shared memory for mail in flight")
    dashboard_port: PositiveInt = Field(8265, le=65535, description="port of the Ray dashboard, on loopback")
    ping_every_s: PositiveFloat = Field(2.0, description="seconds between looks at every shard's owner")
    hung_after_s: PositiveFloat = Field(
        20.0, ge=2.0, description="seconds without an answer after which the owner of a shard is killed and replaced"
    )


class JoinSettings(BaseModel, frozen=True):
    """A Ray cluster that runs already, as on Kubernetes (k8s/README.md). Unset: `gbm up` starts one."""

    address: str = Field("", description="address of the Ray cluster; `auto` on one of its nodes; unset: none")
    dashboard: str = Field("", description="http://HOST:PORT of that cluster's dashboard, which accepts jobs")
    gateway: str = Field(
        "", description="http://HOST:PORT of that cluster's gateway, which `gbm status` asks; unset: none"
    )
    folder: Path = Field(Path("/run/gbm"), description="private folder of HAProxy's script, configuration and sockets")
    proof: SecretStr | None = Field(
        None, description="secret that every HAProxy of the cluster sends to the gateway's replicas; 32 characters"
    )
    certificate: Path = Field(
        Path("/etc/gbm/replica/tls.crt"), description="certificate of the gateway's replicas, for the name gbm-replica"
    )
    key: Path = Field(Path("/etc/gbm/replica/tls.key"), description="key of that certificate")
    authority: Path = Field(Path("/etc/gbm/replica/ca.crt"), description="certificates that HAProxy trusts in replicas")

    @field_validator("proof")
    @classmethod
    def _is_long(cls, proof: SecretStr | None) -> SecretStr | None:
        if proof is not None and not re.fullmatch(r"[A-Za-z0-9_-]{32,128}", proof.get_secret_value()):
            raise ValueError("the secret must have 32 to 128 letters, digits, - or _")
        return proof


class UpgradeSettings(BaseModel, frozen=True):
    """Preparations before the databases are migrated."""

    copy_databases: bool = Field(True, description="copy them before the first migration, to go back by")
    copies: Path | None = Field(None, description="folder of the copies; unset: GBM_HOME/copies")
    keep_days: NonNegativeFloat = Field(30.0, description="days that a copy is kept")


class DefaultsMissing(BackupError):
    """The packaged defaults of the environment are missing. Reinstall the program."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"The packaged defaults {self.path} are missing from this installation: install it again."


class _Environment(EnvSettingsSource):
    """GBM_... variables, also under the previous release's names."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        known = {name: value for name, value in super()._load_env_vars().items() if value is not None}
        prefix = self.env_prefix if self.case_sensitive else self.env_prefix.lower()
        renamed = renamed_variables(known, prefix)
        return renamed if self.case_sensitive else {name.lower(): value for name, value in renamed.items()}


class _Given(EnvSettingsSource):
    """GBM_... variables of a mapping instead of this process's environment."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._variables.items()}


class _Yaml(YamlConfigSettingsSource):
    """A file of settings, also under the previous release's names."""

    def _read_file(self, file_path: Path | Traversable) -> dict[str, Any]:
        read: dict[str, Any] = super()._read_file(file_path)
        return renamed_document(read, str(file_path))


class Settings(BaseSettings):
    """All settings. `gbm config show` prints them."""

    model_config = SettingsConfigDict(
        env_prefix="GBM_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,
    )

    environment: Environment = Field("development", description="which packaged defaults apply")
    home: Path = Field(default_factory=lambda: default_home(), description="data of the embedded default")
    cluster: str = Field("", description="name of this cluster in leases; unset: one kept in GBM_HOME")
    postgres: PostgresConfig = PostgresConfig()
    archive: ArchiveConfig = ArchiveConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    gmail: GmailConfig = GmailConfig()
    restore: RestoreConfig = RestoreConfig()
    serve: ServeConfig = ServeConfig()
    shards: ShardsSettings = ShardsSettings()
    sealing: SealingSettings = SealingSettings()
    ray: RaySettings = RaySettings()
    join: JoinSettings = JoinSettings()
    events: EventsConfig = EventsConfig()
    webhooks: WebhookConfig = WebhookConfig()
    upgrade: UpgradeSettings = UpgradeSettings()

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources, by precedence."""
        environment = os.environ.get("GBM_ENVIRONMENT", "development")
        files = [_DEFAULTS / f"{environment}.yaml"]
        if os.environ.get("GBM_CONFIG"):
            files.insert(0, Path(os.environ["GBM_CONFIG"]))
        return (
            init_settings,
            _Environment(settings_cls),
            *(_Yaml(settings_cls, yaml_file=file) for file in files),
        )


def default_home() -> Path:
    """The data folder if GBM_HOME is unset: a system folder for root, because PostgreSQL cannot enter root's home."""
    if os.geteuid() == 0:
        return Path("/var/lib/gbm")
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "gbm"


def home_is_chosen() -> bool:
    """Whether the operator set GBM_HOME."""
    return bool(os.environ.get("GBM_HOME"))


def load(**overrides: object) -> Settings:
    """The settings in force.

    Args:
        overrides: override every other source, by top-level name.

    Raises:
        InvalidSettings: in one sentence, without the wrong value (it may be a secret).
        DefaultsMissing.
    """
    config = os.environ.get("GBM_CONFIG")
    if config and not Path(config).is_file():
        raise InvalidSettings(f"GBM_CONFIG names {config}, which is not a file")
    environment = os.environ.get("GBM_ENVIRONMENT", "development")
    if environment in get_args(Environment) and not (defaults := _DEFAULTS / f"{environment}.yaml").is_file():
        raise DefaultsMissing(str(defaults))
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as exc:
        raise InvalidSettings("; ".join(_problem(error["loc"], error["msg"]) for error in exc.errors())) from exc
    except yaml.YAMLError as exc:
        raise InvalidSettings(f"{config} is not YAML") from exc
    except ValueError as exc:  # pydantic-settings: a variable that should be JSON is not
        raise InvalidSettings(str(exc).splitlines()[0]) from exc


def load_variables(variables: Mapping[str, str]) -> Settings:
    """The settings that these variables make, over the packaged defaults; this process's environment has no part.

    Args:
        variables: GBM_... variables. Unlike `load`, a name that is no setting is an error.

    Raises:
        InvalidSettings: without the wrong value (it may be a secret).
    """
    if unknown := sorted(name for name in variables if not _is_setting(name)):
        raise InvalidSettings(f"{', '.join(unknown)}: no such setting")
    environment = variables.get("GBM_ENVIRONMENT", "development")
    if environment not in get_args(Environment):
        raise InvalidSettings(f"GBM_ENVIRONMENT: {environment} is not one of {', '.join(get_args(Environment))}")

    class Given(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            file = _Yaml(settings_cls, yaml_file=_DEFAULTS / f"{environment}.yaml")
            return _Given(settings_cls, variables), file

    try:
        return Given()
    except ValidationError as exc:
        raise InvalidSettings("; ".join(_problem(error["loc"], error["msg"]) for error in exc.errors())) from exc
    except ValueError as exc:  # pydantic-settings: a variable that should be JSON is not
        raise InvalidSettings(str(exc).splitlines()[0]) from exc


def _is_setting(name: str) -> bool:
    """Whether a variable names a field of the settings, at any level."""
    if not name.startswith("GBM_"):
        return False
    model: Any = Settings
    for part in name.removeprefix("GBM_").lower().split("__"):
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return False
        model = fields[part].annotation
    return True


def _problem(location: tuple[int | str, ...], message: str) -> str:
    name = "GBM_" + "__".join(str(part).upper() for part in location)
    return f"{name}: {message[0].lower()}{message[1:]}"
