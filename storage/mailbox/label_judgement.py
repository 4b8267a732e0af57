"""Corrects analysers' results by the labels of a message: an analyser sees one message, and labels change.

Mail in Spam has a low priority, whatever its text says. Tables are corrected by corrected_priority.sql.
"""

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa

_SPAM = "SPAM"
#: The reason that is added.
REASON = "-in Spam"


def corrected(
    analysis: Mapping[str, Mapping[str, Any]] | None, labels: Collection[str]
) -> dict[str, dict[str, Any]] | None:
    """The results of one message, analyser -> fields, with the priority corrected."""
    if analysis is None:
        return None
    said = {name: dict(fields) for name, fields in analysis.items()}
    priority = said.get("priority", {})
    if _SPAM in labels and "level" in priority and priority.get("error") is None:
        priority["level"] = "low"
        priority["reasons"] = [*(priority.get("reasons") or ()), REASON]
    return said


def needs_labels(table: pa.Table) -> bool:
    """Whether a table of results has a priority to correct."""
    if "priority" not in table.schema.names:
        return False
    kind = table.schema.field("priority").type
    return {"error", "level", "reasons"} <= {kind.field(index).name for index in range(kind.num_fields)}
