"""`gbm bench`: measurements that anyone can repeat."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cluster.console import command, count, fail, notes, out, print_json
from cluster.opening import settings
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.bench.archive import ArchiveResult
    from cluster.bench.ingest import IngestResult
    from cluster.bench.quality import QualityResult

app = typer.Typer(help="Measure. Machines differ and are noisy: compare runs of one machine.", no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def bench() -> None:
    """Measure. Machines differ and are noisy: compare runs of one machine."""


@app.command()
@command
def ingest(
    mail: Annotated[list[Path] | None, typer.Option(help="Mail to resample; generated if none is named.")] = None,
    mailboxes: Annotated[int, typer.Option(min=1, help="Mailboxes.")] = 20,
    messages: Annotated[int, typer.Option(min=1, help="Messages in all.")] = 10_000,
    quota_profile: Annotated[
        Literal["legacy", "standard", "unlimited"], typer.Option(help="Gmail's limits to keep.")
    ] = "unlimited",
    latency_ms: Annotated[float, typer.Option(min=0, help="Milliseconds before each of Gmail's answers.")] = 0.0,
    uneven: Annotated[bool, typer.Option("--uneven", help="Mailbox sizes follow a power law.")] = False,
    time_scale: Annotated[
        float, typer.Option(min=0.001, help="10: a minute of quota lasts 6 seconds, on both sides.")
    ] = 1.0,
    units_share: Annotated[
        float, typer.Option(min=0.001, max=1, help="0.1: a minute has a tenth of the profile's units, on both sides.")
    ] = 1.0,
    shards: Annotated[int | None, typer.Option(min=1, help="Shards; as configured if not named.")] = None,
    json: _Json = False,
) -> None:
    """Measure a backfill from listing to committed segments, in a home of its own."""
    from cluster.bench.ingest import IngestPlan, bench_ingest

    plan = IngestPlan(
        mail=tuple(mail or ()),
        mailboxes=mailboxes,
        messages=messages,
        quota_profile=quota_profile,
        latency_ms=latency_ms,
        uneven=uneven,
        time_scale=time_scale,
        units_share=units_share,
        shards=shards,
    )
    result = bench_ingest(settings(), plan)
    if json:
        print_json(result.as_json())
    else:
        _print_ingest(result)


def _print_ingest(result: "IngestResult") -> None:
    out.print(f"{count(result.messages)} messages of {result.mailboxes} mailboxes in {result.seconds:.1f} s")
    out.print(
        f"  {result.messages_per_s:,.0f} messages/s   {result.megabytes_per_s:.1f} MB/s   {result.segments} segments"
    )
    out.print(f"  our CPU per message {result.our_cpu_ms:.3f} ms (owners and tasks); by kind of process:")
    for kind, used in sorted(result.cpu_ms.items()):
        out.print(f"    {kind:<10} {used:8.3f} ms   peak {result.peak_memory_mb.get(kind, 0):8.0f} MB")
    started = result.workers_started
    out.print(f"  of the tasks, by stage ({started} worker{'' if started == 1 else 's'} started meanwhile):")
    for stage, used in sorted(result.stages_ms.items(), key=lambda item: -item[1]):
        out.print(f"    {stage:<10} {used:8.3f} ms")
    if (quota := result.quota) is not None:
        out.print(f"  of the {result.quota_profile} quota while work remained: {quota.ceiling:.1%} of the ceiling,")
        out.print(f"    {quota.users:.1%} of the users' limits, {quota.project:.1%} of the project's;")
        out.print(f"    {quota.throttled:.2%} of the calls were refused (429)")
    fair = result.fairness
    out.print(
        f"  longest idle mailbox {fair.longest_idle_s:.2f} s: {fair.longest_idle:.1f} fair turns of"
        f" {fair.fair_turn_s:.2f} s ({fair.turns} fetches)"
    )


@app.command()
@command
def simulation(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds to run.")] = 10_000,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    json: _Json = False,
) -> None:
    """Run the engine's simulation over many seeds; stops at the first that breaks an invariant, and names it.

    Needs a checkout of the project: the simulation is one of its tests.
    """
    from rich.progress import Progress

    from cluster.bench.simulation import bench_simulation

    with Progress(console=notes, transient=True) as progress:
        bar = progress.add_task("Seeds", total=seeds)
        result = bench_simulation(seeds, first, lambda ran: progress.update(bar, completed=ran))
    if json:
        print_json(result.as_json())
    else:
        out.print(
            f"{count(result.seeds)} seeds, {count(result.steps)} steps in {result.seconds:.1f} s"
            f" ({result.seeds_per_s:.0f} seeds/s on {result.processes} processes)"
        )
    if result.failed is not None:
        fail(f"Seed {result.failed} breaks an invariant: {result.failure}. World({result.failed}).run() repeats it.")


@app.command()
@command
def mailboxes(
    number: Annotated[int, typer.Option("--mailboxes", min=1, help="Idle mailboxes of one shard.")] = 10_000,
    known: Annotated[int, typer.Option(min=0, help="Messages that are stored of each.")] = 1000,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look once at so many quiet mailboxes instead; 1000 is a good number.")
    ] = False,
    json: _Json = False,
) -> None:
    """Measure what idle mailboxes cost: the memory of a shard's owner, or with --poll one look at each for news."""
    if poll:
        _poll(number, json)
        return
    from rich.progress import Progress

    from cluster.bench.mailboxes import bench_mailboxes

    with Progress(console=notes, transient=True) as progress:
        bar = progress.add_task("Mailboxes", total=number)
        result = bench_mailboxes(settings(), number, known, lambda made: progress.update(bar, completed=made))
    if json:
        print_json(result.as_json())
        return
    out.print(f"{count(result.mailboxes)} idle mailboxes of {count(result.known_each)} stored messages in one shard")
    out.print(
        f"  {result.memory_mb:.0f} MB, {result.base_mb:.0f} of them without any mailbox; "
        f"{result.mailbox_kb:.2f} KB each"
    )
    out.print(
        f"  taken on in {result.start_s:.1f} s; {result.timers} timers and {result.tasks} tasks for all together,"
    )
    out.print(f"  {result.idle_cpu_share:.1%} of a core while idle")


def _poll(number: int, json: bool) -> None:
    from cluster.bench.polling import bench_poll

    result = bench_poll(settings(), number)
    if json:
        print_json(result.as_json())
        return
    out.print(f"{count(result.mailboxes)} quiet mailboxes looked at in {result.seconds:.1f} s")
    out.print(
        f"  {result.mailboxes_per_s:.0f} mailboxes/s   {result.units_each:.2f} units and {result.cpu_ms_each:.2f} ms of"
        f" CPU each   {result.files} files written"
    )


@app.command()
@command
def serve(
    mail: Annotated[list[Path] | None, typer.Option(help="Mail to resample; generated if none is named.")] = None,
    messages: Annotated[int, typer.Option(min=1000, help="Messages of the mailbox.")] = 100_000,
    seconds: Annotated[int, typer.Option(min=1, max=60, help="Seconds that each kind of request is asked.")] = 8,
    json: _Json = False,
) -> None:
    """Measure the gateway under load, a replica killed under load, and how replicas come and go. Needs wrk."""
    from cluster.bench.serve import bench_serve

    result = bench_serve(settings(), tuple(mail or ()), messages, seconds, lambda what: notes.print(f"  {what}"))
    if json:
        print_json(result.as_json())
        return
    out.print(f"a mailbox of {count(result.messages)} messages, one replica of each application")
    for load in result.loads:
        failed = f"   {load.failed} failed" if load.failed else ""
        out.print(
            f"  {load.what:<28} {load.clients:>3} clients {load.per_s:9,.0f}/s   p50 {load.p50_ms:7.2f} ms"
            f"   p99 {load.p99_ms:7.2f} ms{failed}"
        )
    out.print(
        f"  replicas under load and after it: {' -> '.join(map(str, result.replicas))}"
        f" ({result.upscaled_s:.0f} s, {result.downscaled_s:.0f} s);"
        f" the killed one was replaced in {result.healed_s:.0f} s"
    )
    out.print(f"  one of them killed under load: {result.killed_failed} requests failed, of {result.killed_held} held")


@app.command()
@command
def moments(
    messages: Annotated[int, typer.Option(min=100, help="Messages of the mailbox.")] = 100_000,
    events: Annotated[int, typer.Option(min=0, help="Label events, two of a message; over a year.")] = 50_000,
    json: _Json = False,
) -> None:
    """Measure pages of 50 of a large mailbox now and as of earlier moments, without the content of the messages."""
    from cluster.bench.as_of import bench_moments

    if events > 2 * messages:
        fail("There can be at most two events of each message.")
    figures = bench_moments(settings(), messages, events)
    if json:
        print_json([figure.as_json() for figure in figures])
        return
    for figure in figures:
        out.print(f"{figure.page:<22} {figure.moment:<18} p50 {figure.p50_ms:8.2f} ms   p95 {figure.p95_ms:8.2f} ms")


@app.command()
@command
def catalog(
    segments: Annotated[int, typer.Option(min=100, help="Segments of the shard database.")] = 100_000,
    users: Annotated[int, typer.Option(min=10, help="Users that have mail in them.")] = 10_000,
    users_each: Annotated[int, typer.Option(min=1, help="Users with mail in one segment.")] = 20,
    commit_users: Annotated[int, typer.Option(min=1, help="Users of a segment that is committed.")] = 100,
    messages_each: Annotated[int, typer.Option(min=1, help="Messages of each of them in it.")] = 5,
    json: _Json = False,
) -> None:
    """Measure what readers and owners ask of a large catalogue: which segments to read, and one segment's commit."""
    from cluster.bench.catalog import CatalogPlan, bench_catalog

    if users_each > users:
        fail("A segment cannot have mail of more users than there are.")
    figures = bench_catalog(settings(), CatalogPlan(segments, users, users_each, commit_users, messages_each))
    if json:
        print_json([figure.as_json() for figure in figures])
        return
    for figure in figures:
        what = "segments" if figure.step.startswith("plan") else "messages"
        times = f"p50 {figure.p50_ms:8.2f} ms   p95 {figure.p95_ms:8.2f} ms"
        out.print(f"{figure.step:<18} {times}   {count(figure.found)} {what}")


@app.command()
@command
def upgrade(
    messages: Annotated[int, typer.Option(min=1000, help="Messages of the shard database.")] = 1_000_000,
    json: _Json = False,
) -> None:
    """Measure the copy before an upgrade, and every migration of a large shard database since the first."""
    from cluster.bench.upgrade import bench_upgrade

    figures = bench_upgrade(settings(), messages)
    if json:
        print_json([figure.as_json() for figure in figures])
        return
    for figure in figures:
        out.print(f"{figure.step:<24} {figure.seconds:8.2f} s   {count(figure.messages)} messages", markup=False)


@app.command()
@command
def analysis(
    mail: Annotated[list[Path] | None, typer.Option(help="Mail to analyse; generated if none is named.")] = None,
    quality: Annotated[bool, typer.Option("--quality", help="How often they are right, on labelled --mail.")] = False,
    archive: Annotated[int, typer.Option(min=0, help="Messages of an archive to analyse anew.")] = 0,
    json: _Json = False,
) -> None:
    """Measure what analysers cost, or how often they are right."""
    if quality:
        from cluster.bench.quality import bench_quality

        found = bench_quality(mail or ())
        print_json(found.as_json()) if json else _print_quality(found)
        return
    from cluster.bench.analysis import bench_analysis

    result = bench_analysis(settings(), tuple(mail or ()), archive, lambda text: notes.print(f"  {text}"))
    if json:
        print_json(result.as_json())
        return
    out.print(f"{count(result.messages)} messages of {count(result.mean_bytes)} bytes, microseconds of CPU each")
    for name, cost in result.cost_us.items():
        out.print(f"  {name:<16} {cost:8.1f}")
    out.print(f"  {'all together':<16} {result.together_us:8.1f}   {1e6 / result.together_us:,.0f} messages/s per core")
    if result.anew_per_s is not None:
        out.print(
            f"  {count(result.anew_messages)} of an archive anew: {result.anew_per_s:,.0f} messages/s on 2 processes"
        )


def _print_quality(found: "QualityResult") -> None:
    for each in found.spam:
        out.print(
            f"spam, by {each.split:<6} score {each.threshold:.1f}   precision {each.precision:.3f}"
            f"   recall {each.recall:.3f}   (ham {each.ham_precision:.3f}, {each.ham_recall:.3f})"
            f"   {each.ham_as_spam} of ham as spam, {each.spam_as_ham} of spam missed"
            f"   ({count(each.learnt)} learnt, {count(each.measured)} measured)"
        )
        for what, subjects in (("ham as spam", each.false_alarms), ("missed", each.missed)):
            for subject in subjects[:3]:
                out.print(f"    {what:<12} {subject}", markup=False)
    for language in found.languages:
        out.print(f"languages, {language.length:<12} {language.right} of {language.sentences} right")
        if language.mistakes:
            out.print(f"    {', '.join(language.mistakes)}", markup=False)


@app.command()
@command
def numbers(
    mail: Annotated[list[Path] | None, typer.Option(help="Mail to resample; generated if none is named.")] = None,
    messages: Annotated[int, typer.Option(min=1000, help="Messages of the mailbox.")] = 100_000,
    json: _Json = False,
) -> None:
    """Measure questions about a whole mailbox: overview, timelines, senders and others."""
    from cluster.bench.numbers import bench_numbers

    result = bench_numbers(settings(), tuple(mail or ()), messages, lambda text: notes.print(f"  {text}"))
    if json:
        print_json(result.as_json())
        return
    out.print(f"a mailbox of {count(result.messages)} messages, nothing kept")
    for name, (p50, p95) in result.took_ms.items():
        out.print(f"  {name:<24} p50 {p50:8.1f} ms   p95 {p95:8.1f} ms")


@app.command()
@command
def archive(
    mail: Annotated[list[Path] | None, typer.Option(help="Mail to resample; generated if none is named.")] = None,
    messages: Annotated[int, typer.Option(min=1, help="Messages in all.")] = 100_000,
    users: Annotated[int, typer.Option(min=1, help="Mailboxes; the first has 100,000 messages, or half of all.")] = 20,
    times: Annotated[int, typer.Option(min=20, help="How often each question is asked.")] = 200,
    processes: Annotated[int, typer.Option(min=1, help="Processes that write and merge.")] = 2,
    home: Annotated[
        Path | None, typer.Option(help="An empty folder to keep it all in; a temporary one if none is named.")
    ] = None,
    json: _Json = False,
) -> None:
    """Write an archive of any size, compact it and ask it: sizes, speeds, latencies."""
    from rich.progress import Progress

    from cluster.bench.archive import ArchivePlan, bench_archive

    plan = ArchivePlan(tuple(mail or ()), messages, users, times, processes, home)
    with Progress(console=notes, transient=True) as progress:
        bars = {what: progress.add_task(what, total=None) for what in ("writing", "compacting", "asking")}
        result = bench_archive(
            settings(), plan, lambda what, done, total: progress.update(bars[what], completed=done, total=total)
        )
    if json:
        print_json(result.as_json())
    else:
        _print_archive(result)


def _print_archive(result: "ArchiveResult") -> None:
    out.print(
        f"{count(result.messages)} messages of {result.users} mailboxes, {size(result.raw_bytes)} of mail, written in"
        f" {result.write_s:.0f} s"
    )
    out.print(
        f"  {count(result.written_per_s)} messages/s, {count(result.written_per_core_s)} per second of CPU; of each:"
    )
    for stage, used in sorted(result.stages_ms.items(), key=lambda item: -item[1]):
        out.print(f"    {stage:<10} {used:8.3f} ms")
    out.print(
        f"  {result.segments_written} segments compacted to {result.segments} in {result.compact_s:.0f} s;"
        f" {count(result.merged)} messages were merged, {count(result.merged_per_core_s)} per second of CPU"
    )
    kinds = ", ".join(f"{kind} {size_bytes:,.0f}" for kind, size_bytes in result.bytes_per_message.items())
    out.print(f"  stored: {result.stored_share:.2f} of the mail's bytes; bytes of a message: {kinds}")
    answers = result.answers
    out.print(
        f"  a reader's first list after {answers.first_list_ms:.0f} ms; its memory {answers.peak_mb:,.0f} MB at most"
    )
    for name, latency in answers.latencies.items():
        out.print(
            f"    {name:<28} p50 {latency.p50:8.1f} ms   p95 {latency.p95:8.1f} ms   first {latency.cold:8.1f} ms"
            f"   ({latency.asked} asked, {latency.found} found)"
        )
