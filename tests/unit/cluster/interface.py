"""What operators' files, scripts and dashboards name: settings, commands, metrics, codes of problems.

`python -m tests.unit.cluster.interface` prints it; released/VERSION.json keeps that of each release.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

import serve
from cluster.main import whole_program
from cluster.settings import Settings

Interface = dict[str, Any]
#: Of a setting's JSON schema: what says which values are taken.
_BOUNDS = ("type", "enum", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "pattern", "anyOf")
_SERVE = Path(serve.__path__[0])


def interface() -> Interface:
    """That of this version."""
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted(_SERVE.rglob("*.py")))
    return {
        "settings": dict(sorted(_settings(Settings, ""))),
        "commands": dict(sorted(_commands(typer.main.get_command(whole_program()), "gbm"))),
        "metrics": sorted(set(re.findall(r'"(gbm_[a-z0-9_]+)"', sources)) - {"gbm_signin"}),
        "problems": sorted(set(re.findall(r'Fault\(\s*\d+,\s*"([a-z_]+)"', sources))),
    }


def _settings(model: type[BaseModel], path: str) -> Iterator[tuple[str, Any]]:
    """Path of each setting, and which values it takes."""
    schemas = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings(kind, f"{path}{name}.")
        else:
            yield f"{path}{name}", {key: schemas[name][key] for key in _BOUNDS if key in schemas[name]}


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Each command, hidden ones too, with its options and arguments."""
    children = getattr(command, "commands", {})
    for child, inner in children.items():
        yield from _commands(inner, f"{name} {child}")
    if not children:
        yield name, {_name(each): _takes(each) for each in command.params if each.name != "help"}


def _name(parameter: Any) -> str:
    return max(parameter.opts, key=len) if parameter.param_type_name == "option" else f"<{parameter.name}>"


def _takes(parameter: Any) -> dict[str, Any]:
    choices = parameter.type_descriptor.choices
    return {
        "names": sorted([*parameter.opts, *parameter.secondary_opts]),
        "flag": bool(getattr(parameter, "is_flag", False)),
        "required": bool(parameter.required),
        **({"choices": sorted(str(getattr(each, "value", each)) for each in choices)} if choices else {}),
    }


def interface_changes(old: Interface, new: Interface, renamed: Mapping[str, str]) -> list[str]:
    """What users of the old interface may trip over in the new one, one line each; what is only added is none.

    Args:
        renamed: old path of a setting -> new path, where the old name still works.
    """
    return sorted(
        [
            *_of_settings(old["settings"], new["settings"], renamed),
            *_of_commands(old["commands"], new["commands"]),
            *(f"metric {name}: gone" for name in old["metrics"] if name not in new["metrics"]),
            *(f"problem {code}: gone" for code in old["problems"] if code not in new["problems"]),
        ]
    )


def _of_settings(old: dict[str, Any], new: dict[str, Any], renamed: Mapping[str, str]) -> Iterator[str]:
    for path, before in old.items():
        after = new.get(_present(path, renamed))
        if after is None:
            yield f"setting {path}: gone"
            continue
        for bound in sorted(before.keys() | after.keys()):
            was, now = before.get(bound), after.get(bound)
            if was != now and not _is_wider(bound, was, now):
                yield f"setting {path}: {bound} was {was!r} and is {now!r}"


def _present(path: str, renamed: Mapping[str, str]) -> str:
    """The path that a setting has now: it, or its section, may have another name."""
    for old, new in renamed.items():
        if path == old or path.startswith(f"{old}."):
            return new + path.removeprefix(old)
    return path


def _is_wider(bound: str, was: Any, now: Any) -> bool:
    """Whether all that was taken is taken still."""
    if now is None:
        return bound != "type" and bound != "anyOf"
    if was is None:
        return False
    if bound in ("enum", "anyOf"):
        return all(each in now for each in was)
    if bound in ("minimum", "exclusiveMinimum"):
        return bool(now <= was)
    return bound in ("maximum", "exclusiveMaximum") and bool(now >= was)


def _of_commands(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            yield f"command {name}: gone"
            continue
        for parameter, was in before.items():
            now = next((each for each in after.values() if parameter in each["names"]), after.get(parameter))
            if now is None:
                yield f"command {name}: {parameter} is gone"
                continue
            for each in ("names", "choices"):
                if missing := sorted({*was.get(each, ())} - {*now.get(each, was.get(each, ()))}):
                    yield f"command {name}: {parameter} no longer takes {', '.join(missing)}"
            if was["flag"] != now["flag"]:
                yield f"command {name}: {parameter} {'takes a' if was['flag'] else 'no longer takes a'} value"
            if now["required"] and not was["required"]:
                yield f"command {name}: {parameter} is required"
        known = {*before, *(each for was in before.values() for each in was["names"])}
        for parameter, now in after.items():
            if now["required"] and not known & {parameter, *now["names"]}:
                yield f"command {name}: {parameter} is required"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(interface(), indent=1, sort_keys=True) + "\n")
