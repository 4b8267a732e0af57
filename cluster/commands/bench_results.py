"""`gbm bench all`, `compare`, `table`: every benchmark at once, and what becomes of the results."""

from pathlib import Path
from typing import Annotated

import typer

from cluster.commands.bench import app
from cluster.console import command, fail, notes, out, print_json

_Results = Annotated[Path, typer.Argument(help="File with results: JSON of one or several runs, one after the other.")]


@app.command("all")
@command
def run_all(
    quick: Annotated[
        bool, typer.Option("--quick", help="Take small sizes: less than ten minutes on two cores.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option(help="Run this benchmark only; repeat for several.")] = None,
) -> None:
    """Run every benchmark and print one JSON document, which `compare` and `table` read.

    Append the runs of one version to one file, in turns with the other version's: `compare` then shows the spread.

    Example: gbm bench all --quick
    """
    from cluster.bench.suite import FULL, QUICK, bench_all

    plans = QUICK if quick else FULL
    if unknown := [name for name in only or () if name not in plans]:
        fail(f"There is no benchmark {unknown[0]}: choose among {', '.join(plans)}.")
    chosen = {name: plan for name, plan in plans.items() if not only or name in only}
    result = bench_all(chosen, lambda name: notes.print(f"  {name}"))
    print_json(result.as_json())
    if result.failed:
        fail(f"Without a result: {', '.join(f'{name} ({reason})' for name, reason in result.failed.items())}")


@app.command()
@command
def compare(
    before: _Results,
    after: _Results,
    changed: Annotated[float, typer.Option(min=1, help="Print only ratios of at least this factor, up or down.")] = 1.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print two files of results side by side: medians, the spread of the runs, ratios.

    An asterisk marks measurements whose ranges do not overlap. With single runs it says only that they differ.

    Example: gbm bench compare before.json after.json --changed 1.2
    """
    from cluster.bench import comparison

    result = comparison.compare(comparison.read(before), comparison.read(after))
    if json:
        print_json(result.as_json())
        return
    shown = [row for row in result.rows if row.ratio is None or not 1 / changed < row.ratio < changed or changed == 1]
    width = max((len(row.name) for row in shown), default=0)
    for row in shown:
        ratio = "     -" if row.ratio is None else f"{row.ratio:6.2f}"
        mark = "*" if row.apart else " "
        before_said, after_said = (f"{side.median:12,.2f} ±{side.spread / 2:4.0%}" for side in (row.before, row.after))
        out.print(f"{row.name:<{width}}  {before_said}  {after_said}  {ratio}{mark}", markup=False)
    runs = (
        max((row.before.runs for row in result.rows), default=0),
        max((row.after.runs for row in result.rows), default=0),
    )
    notes.print(
        f"{len(shown)} measurements; {runs[0]} runs before, {runs[1]} after; ratio: after / before", markup=False
    )
    if result.missing:
        notes.print(f"In one file only: {len(result.missing)} measurements, such as {result.missing[0]}", markup=False)


@app.command()
@command
def table(
    results: _Results,
    into: Annotated[
        Path | None, typer.Option(help="File whose table to replace, such as cluster/bench/README.md.")
    ] = None,
) -> None:
    """Print the last run of `gbm bench all` as a Markdown table, or write it into a file.

    Example: gbm bench table results.json --into cluster/bench/README.md
    """
    from cluster.bench import comparison
    from cluster.bench import table as tables

    suite = comparison.read(results)[-1]
    if not isinstance(suite, dict) or "results" not in suite:
        fail("The results are of a single benchmark: name a file that `gbm bench all` wrote.")
    text = tables.table(suite)
    if into is None:
        out.print(text, markup=False)
    else:
        tables.write_into(into, text)
