"""Results of benchmarks side by side: names of measurements, medians, spread, ratios; and the table made from them."""

from pathlib import Path

import orjson
import pytest

from cluster.bench import comparison, table
from cluster.bench.comparison import Compared, ResultsUnreadable, Side
from cluster.bench.suite import FULL, QUICK, SuiteResult, bench_all

_BEFORE = {"messages": 100, "loads": [{"what": "list", "p50_ms": 10.0}, {"what": "list", "p50_ms": 30.0}]}
_AFTER = {"messages": 100, "loads": [{"what": "list", "p50_ms": 5.0}, {"what": "list", "p50_ms": 30.0}], "new": 1}


def test_measurements_are_named_by_keys_and_by_the_texts_of_list_items() -> None:
    assert dict(comparison.numbers({**_BEFORE, "failed": True, "name": "x"})) == {
        "messages": 100,
        "loads / list / p50_ms": 10,
        "loads / list #2 / p50_ms": 30,
    }
    assert dict(comparison.numbers({"took": [1.5, 2.5]})) == {"took / 0": 1.5, "took / 1": 2.5}


def test_what_changed_is_compared_and_constants_are_left_out() -> None:
    compared = comparison.compare([_BEFORE], [_AFTER])

    assert compared.rows == (
        Compared("loads / list / p50_ms", Side(10, 10, 10, 1), Side(5, 5, 5, 1), ratio=0.5, apart=True),
    )
    assert compared.missing == ("new",)


def test_of_several_runs_the_medians_are_compared_and_overlapping_ranges_are_not_apart() -> None:
    compared = comparison.compare([{"ms": 10}, {"ms": 12}, {"ms": 20}], [{"ms": 11}, {"ms": 6}, {"ms": 5}])

    [row] = compared.rows
    assert (row.before.median, row.after.median, row.ratio, row.apart) == (12, 6, 0.5, False)
    assert row.before.spread == 10 / 12
    assert comparison.compare([{"ms": 10}, {"ms": 12}], [{"ms": 5}, {"ms": 9}]).rows[0].apart


def test_a_measurement_that_was_zero_has_no_ratio() -> None:
    [row] = comparison.compare([{"failed": 0}], [{"failed": 2}]).rows

    assert row.ratio is None
    assert row.before.spread == 0


@pytest.mark.parametrize("indented", [True, False])
def test_a_file_may_contain_several_runs(tmp_path: Path, indented: bool) -> None:
    file = tmp_path / "runs.json"
    option = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indented else 0)
    file.write_bytes(orjson.dumps(_BEFORE, option=option) + orjson.dumps([_AFTER], option=option))

    assert comparison.read(file) == [_BEFORE, [_AFTER]]


@pytest.mark.parametrize(("content", "reason"), [("", "empty"), ("{", "not JSON"), (None, "No such file")])
def test_a_file_without_results_is_refused_by_name(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "runs.json"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ResultsUnreadable, match=reason) as refused:
        comparison.read(file)
    assert str(file) in str(refused.value)


def test_every_benchmark_runs_and_one_that_fails_stops_no_other() -> None:
    ran: list[tuple[str, ...]] = []

    def run(arguments: tuple[str, ...]) -> tuple[int, bytes, str]:
        ran.append(arguments)
        return (1, b"", "gbm: no wrk") if arguments[0] == "serve" else (0, b'{"n": 1}', "")

    reported: list[str] = []
    result = bench_all(QUICK, reported.append, run)

    assert reported == list(QUICK) == list(FULL)
    assert all(arguments[-1] == "--json" for arguments in ran)
    assert result.failed == {"serve": "gbm: no wrk"}
    assert result.results == {name: {"n": 1} for name in QUICK if name != "serve"}


_SUITE = SuiteResult(
    machine="2 cores",
    seconds=400.0,
    seconds_each={},
    results={
        "archive": {
            "messages": 20000,
            "written_per_s": 3000.4,
            "stored_share": 0.612,
            "answers": {"latencies": {"newest 50": {"p50": 1.23, "p95": 4.56}}},
        },
        "serve": {"loads": [{"what": "health", "clients": 1, "per_s": 1234.5, "p50_ms": 0.77, "p99_ms": 3.3}]},
    },
    failed={"crowding": "no room"},
).as_json()


def test_the_table_has_a_row_for_every_measurement_of_the_results() -> None:
    assert table.table(_SUITE).splitlines() == [
        "| benchmark | measurement | median | 95% or 99% |",
        "|---|---|---|---|",
        "| archive of 20,000 | written | 3,000/s |  |",
        "| archive of 20,000 | stored per byte of mail | 0.61 |  |",
        "| archive of 20,000 | newest 50 | 1.2 ms | 4.6 ms |",
        "| gateway | health, 1 client | 1,234/s, 0.8 ms | 3.3 ms |",
        "",
        "2 cores; 400 s.",
        "Without a result: crowding (no room).",
    ]


def test_the_table_replaces_the_former_one_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"# Title\n\n{table.BEGIN}\n\nold\n\n{table.END}\nrest\n")

    table.write_into(file, "new")

    assert file.read_text() == f"# Title\n\n{table.BEGIN}\n\nnew\n\n{table.END}\nrest\n"


def test_a_file_without_marks_is_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text("# Title\n")

    with pytest.raises(table.NoTable):
        table.write_into(file, "new")
    assert file.read_text() == "# Title\n"
