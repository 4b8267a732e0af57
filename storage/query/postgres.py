"""Compiles conditions on labels, dates and sizes to SQL over the message index (`m`), with sets of content matches."""

from dataclasses import dataclass, field

from storage.query.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Labelled,
    LargerThan,
    Negated,
    Since,
    SmallerThan,
    UserLabelled,
    all_of,
    any_of,
    is_content,
)


@dataclass(slots=True)
class Compiled:
    """sql: with :i0 … bound to `values`, and :set0 … to be bound to the ids of messages that satisfy each of `sets`."""

    sql: str = ""
    values: dict[str, object] = field(default_factory=dict)
    sets: tuple[Condition, ...] = ()


def compile_condition(condition: Condition) -> Compiled:
    """Compile a condition to SQL."""
    compiled = Compiled()
    compiled.sql = _sql(condition, compiled)
    return compiled


def _sql(condition: Condition, compiled: Compiled) -> str:
    if isinstance(condition, AllOf | AnyOf):
        if not condition.parts:
            return "TRUE" if isinstance(condition, AllOf) else "FALSE"
        joined = all_of if isinstance(condition, AllOf) else any_of
        content = [part for part in condition.parts if is_content(part)]
        parts = [_sql(part, compiled) for part in condition.parts if not is_content(part)]
        if content:
            parts.append(_set(joined(content), compiled))
        return "(" + (" AND " if isinstance(condition, AllOf) else " OR ").join(parts) + ")"
    if is_content(condition):
        return _set(condition, compiled)
    if isinstance(condition, Negated):
        return f"NOT {_sql(condition.part, compiled)}"
    name = f"i{len(compiled.values)}"
    if isinstance(condition, Labelled):
        compiled.values[name] = [condition.label_id]
        return f"(m.labels @> CAST(:{name} AS text[]))"
    if isinstance(condition, UserLabelled):
        return "EXISTS (SELECT FROM unnest(m.labels) AS label WHERE starts_with(label, 'Label_'))"
    if isinstance(condition, Since):
        compiled.values[name] = condition.at
        return f"(m.received_at >= CAST(:{name} AS timestamptz))"
    assert isinstance(condition, LargerThan | SmallerThan)
    compiled.values[name] = condition.size_bytes
    return f"(m.size_bytes {'>' if isinstance(condition, LargerThan) else '<'} CAST(:{name} AS bigint))"


def _set(condition: Condition, compiled: Compiled) -> str:
    compiled.sets += (condition,)
    return f"(m.message_id = ANY(CAST(:set{len(compiled.sets) - 1} AS bigint[])))"
