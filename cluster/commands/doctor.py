"""`gbm doctor`: checks everything that a cluster depends on."""

from typing import Annotated

import typer

from cluster.console import command, count, out, print_json
from cluster.lazy_imports import settings

_STYLES = {"ok": "green", "warning": "yellow", "error": "red"}


@command
def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check this machine, the databases, Google's addresses, quota and mailboxes; say how to correct what is wrong.

    Changes nothing and sends no credentials. Works with and without a running cluster. The exit code is 1 if a check
    reports an error; warnings leave it at 0.

    Example: gbm doctor
    """
    from cluster.doctor.examination import examine
    from cluster.doctor.finding import Level

    found = []
    for finding in examine(settings()):
        found.append(finding)
        if json:
            continue
        style = _STYLES[finding.level.value]
        out.print(f"[{style}]{finding.level.value:<8}[/{style}] {finding.check:<16} ", end="")
        out.print(finding.detail, markup=False, soft_wrap=True)
        if finding.remedy:
            out.print(f"{'':<26}-> {finding.remedy}", markup=False, soft_wrap=True)
    errors = sum(finding.level is Level.ERROR for finding in found)
    warnings = sum(finding.level is Level.WARNING for finding in found)
    if json:
        print_json({"errors": errors, "warnings": warnings, "findings": [finding.as_json() for finding in found]})
    else:
        out.print(f"{count(len(found))} findings: {count(errors)} errors, {count(warnings)} warnings", markup=False)
    if errors:
        raise typer.Exit(1)
