"""serve/config.py"""

import pickle

import pytest
from pydantic import BaseModel, ValidationError

from serve.config import EdgeConfig, PushConfig, ScaleConfig, ServeConfig, TokenConfig
from storage.sql_sandbox.config import SandboxConfig


@pytest.mark.parametrize("model", [ServeConfig, TokenConfig, ScaleConfig, PushConfig, SandboxConfig, EdgeConfig])
def test_every_setting_of_our_own_is_described(model: type[BaseModel]) -> None:
    nested = ("tokens", "scale", "push", "rates", "google", "streams", "sandbox", "reading", "edge")
    plain = {name: field for name, field in model.model_fields.items() if name not in nested}

    assert plain
    assert all(field.description for field in plain.values())


def test_the_gateway_listens_on_this_machine_alone_by_default() -> None:
    assert ServeConfig().host == "127.0.0.1"


@pytest.mark.parametrize("port", [0, 65_536])
def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    with pytest.raises(ValidationError):
        ServeConfig(port=port)


def test_it_travels_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(ServeConfig(port=8001))) == ServeConfig(port=8001)
