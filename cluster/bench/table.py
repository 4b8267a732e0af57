"""The table of README.md, generated from the results of `gbm bench all`. Pure, except `write_into`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from storage.errors import BackupError

BEGIN, END = "<!-- begin: gbm bench table -->", "<!-- end: gbm bench table -->"

Row = tuple[str, str, str, str]


class NoTable(BackupError):
    """The file has no place for the table. Add the two lines that mark it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} has no place for the table: add the lines {BEGIN} and {END}."


def table(suite: Mapping[str, Any]) -> str:
    """The results of `suite.SuiteResult.as_json` as a Markdown table. Benchmarks without a result have no rows."""
    results: Mapping[str, Any] = suite["results"]
    rows = [row for name, make in _ROWS.items() if name in results for row in make(results[name])]
    lines = ["| benchmark | measurement | median | 95% or 99% |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", f"{suite['machine']}; {suite['seconds']:,.0f} s."]
    lines += [f"Without a result: {name} ({reason})." for name, reason in sorted(suite["failed"].items())]
    return "\n".join(lines)


def write_into(path: Path, text: str) -> None:
    """Replace what is between the marks of a file.

    Raises:
        NoTable.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoTable(str(path))
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _ingest(result: Mapping[str, Any]) -> Iterator[Row]:
    yield "ingest", f"{result['messages']:,} messages", f"{result['messages_per_s']:,.0f}/s", ""


def _archive(result: Mapping[str, Any]) -> Iterator[Row]:
    what = f"archive of {result['messages']:,}"
    yield what, "written", f"{result['written_per_s']:,.0f}/s", ""
    yield what, "stored per byte of mail", f"{result['stored_share']:.2f}", ""
    for name, latency in result["answers"]["latencies"].items():
        yield what, name, f"{latency['p50']:.1f} ms", f"{latency['p95']:.1f} ms"


def _numbers(result: Mapping[str, Any]) -> Iterator[Row]:
    for name, (p50, p95) in result["took_ms"].items():
        yield f"statistics of {result['messages']:,}", name, f"{p50:.1f} ms", f"{p95:.1f} ms"


def _as_of(result: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for row in result:
        yield "as of a time", f"{row['page']}, {row['moment']}", f"{row['p50_ms']:.1f} ms", f"{row['p95_ms']:.1f} ms"


def _catalog(result: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for row in result:
        yield "catalogue", row["step"], f"{row['p50_ms']:.1f} ms", f"{row['p95_ms']:.1f} ms"


def _serve(result: Mapping[str, Any]) -> Iterator[Row]:
    for load in result["loads"]:
        clients = f"{load['clients']} client{'' if load['clients'] == 1 else 's'}"
        spent = f"{load['per_s']:,.0f}/s, {load['p50_ms']:.1f} ms"
        yield "gateway", f"{load['what']}, {clients}", spent, f"{load['p99_ms']:.1f} ms"


def _crowding(result: Mapping[str, Any]) -> Iterator[Row]:
    for when, latencies in (("alone", result["idle"]), ("beside the crowd", result["crowded"])):
        for row in latencies:
            yield "crowding", f"{row['what']}, {when}", f"{row['p50_ms']:.1f} ms", f"{row['p95_ms']:.1f} ms"


def _mailboxes(result: Mapping[str, Any]) -> Iterator[Row]:
    yield "idle mailboxes", f"{result['mailboxes']:,} in one shard", f"{result['mailbox_kb']:.2f} KB each", ""


def _polling(result: Mapping[str, Any]) -> Iterator[Row]:
    what = f"{result['mailboxes']:,} polled"
    yield "idle mailboxes", what, f"{result['mailboxes_per_s']:,.0f}/s, {result['cpu_ms_each']:.1f} ms of CPU", ""


def _analysis(result: Mapping[str, Any]) -> Iterator[Row]:
    yield "analysis", "all analysers", f"{result['together_us'] / 1000:.2f} ms of CPU", ""


def _simulation(result: Mapping[str, Any]) -> Iterator[Row]:
    yield "simulation", f"{result['seeds']:,} seeds", f"{result['seeds_per_s']:.0f}/s", ""


def _upgrade(result: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for row in result:
        yield "upgrade", f"{row['step']}, {row['messages']:,} messages", f"{row['seconds']:.2f} s", ""


_ROWS: Mapping[str, Callable[[Any], Iterator[Row]]] = {
    "ingest": _ingest,
    "archive": _archive,
    "numbers": _numbers,
    "as-of": _as_of,
    "catalog": _catalog,
    "serve": _serve,
    "crowding": _crowding,
    "mailboxes": _mailboxes,
    "polling": _polling,
    "analysis": _analysis,
    "simulation": _simulation,
    "upgrade": _upgrade,
}
