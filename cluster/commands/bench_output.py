"""Output of `gbm bench` for people; `--json` prints the same figures."""

from typing import TYPE_CHECKING

from cluster.console import count, out
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.bench.analysis import AnalysisResult
    from cluster.bench.archive import ArchiveResult
    from cluster.bench.crowding import CrowdingResult
    from cluster.bench.failover import FailoverResult
    from cluster.bench.ingest import IngestResult
    from cluster.bench.last_run import Change
    from cluster.bench.polling import PollResult
    from cluster.bench.quality import QualityResult
    from cluster.bench.serve import ServeResult


def print_ingest(result: "IngestResult") -> None:
    """Print the results of this benchmark for people."""
    out.print(f"{count(result.messages)} messages of {result.mailboxes} mailboxes in {result.seconds:.1f} s")
    out.print(
        f"  {result.messages_per_s:,.0f} messages/s   {result.megabytes_per_s:.1f} MB/s   {result.segments} segments"
    )
    out.print(f"  CPU per message {result.our_cpu_ms:.3f} ms (owners and tasks); by process:")
    for kind, used in sorted(result.cpu_ms.items()):
        out.print(f"    {kind:<10} {used:8.3f} ms   peak {result.peak_memory_mb.get(kind, 0):8.0f} MB")
    started = result.workers_started
    out.print(f"  tasks by stage ({started} worker{'' if started == 1 else 's'} started during the run):")
    for stage, used in sorted(result.stages_ms.items(), key=lambda item: -item[1]):
        out.print(f"    {stage:<10} {used:8.3f} ms")
    disk = ", ".join(f"{kind} {used / 1e6:,.0f} MB" for kind, used in result.disk_bytes.items())
    out.print(f"  disk at its peak: {result.disk_share:.2f} of the mail ({disk})")
    if (quota := result.quota) is not None:
        out.print(f"  use of the {result.quota_profile} quota while work remained: {quota.ceiling:.1%} of the ceiling,")
        out.print(f"    {quota.users:.1%} of the limits per user, {quota.project:.1%} of the project limit;")
        out.print(f"    {quota.throttled:.2%} of the calls were rejected (429)")
    fair = result.fairness
    out.print(
        f"  longest wait of a mailbox {fair.longest_idle_s:.2f} s: {fair.longest_idle:.1f} fair turns of"
        f" {fair.fair_turn_s:.2f} s ({fair.turns} fetches)"
    )


def print_quality(result: "QualityResult", changes: "list[Change] | None") -> None:
    """Print the results of this benchmark for people. changes: since the last run; None: there was none."""
    for score in result.spam:
        out.print(
            f"spam, by {score.split:<6} score {score.threshold:.2f}   precision {score.precision:.3f}"
            f"   recall {score.recall:.3f}   (ham {score.ham_precision:.3f}, {score.ham_recall:.3f})"
            f"   {score.ham_as_spam} ham as spam, {score.spam_as_ham} spam missed"
            f"   ({count(score.learnt)} for training, {count(score.measured)} for testing)"
        )
        for what, subjects in (("ham as spam", score.false_alarms), ("missed", score.missed)):
            for subject in subjects[:3]:
                out.print(f"    {what:<12} {subject}", markup=False)
    for split in dict.fromkeys(part.split for part in result.reliability):
        parts = [part for part in result.reliability if part.split == split]
        curve = "   ".join(f"{part.low:.1f}: {part.spam:.0%} of {count(part.messages)}" for part in parts)
        out.print(f"spam, by {split:<6} share of spam by score   {curve}")
    for each in result.judgements:
        unlearnt = "" if each.likely_spam_unlearnt is None else f" (not learnt: {each.likely_spam_unlearnt:.1%})"
        out.print(
            f"{each.kind}, {count(each.messages)} messages: warned {each.warned:.1%}"
            f"   score of 0.5 {each.likely_spam:.1%}{unlearnt}   spam-like {each.spam_like:.1%}"
            f"   work or personal {each.known:.1%}   undecided {each.undecided:.1%}   high {each.high:.1%}"
            f"   positive {each.positive:.1%}   negative {each.negative:.1%}"
        )
    for language in result.languages:
        out.print(f"languages, {language.length:<12} {language.right} of {language.sentences} correct")
        if language.mistakes:
            out.print(f"    {', '.join(language.mistakes)}", markup=False)
    for mood in result.moods:
        out.print(
            f"sentiment, {mood.domain}, {count(mood.sentences)} sentences: correlation {mood.correlation:.3f}"
            f"   F1 {mood.f1:.3f}   not English {mood.unsupported:.1%}"
        )
    for change in changes or ():
        before, after = ("none" if each is None else f"{each:g}" for each in (change.before, change.after))
        out.print(f"since the last run: {change.name}  {before} -> {after}", markup=False)
    if changes == []:
        out.print("since the last run: no figure changed")


def print_archive(result: "ArchiveResult") -> None:
    """Print the results of this benchmark for people."""
    out.print(
        f"{count(result.messages)} messages of {result.users} mailboxes, {size(result.raw_bytes)} of mail, written in"
        f" {result.write_s:.0f} s"
    )
    out.print(
        f"  {count(result.written_per_s)} messages/s, {count(result.written_per_core_s)} per second of CPU; each:"
    )
    for stage, used in sorted(result.stages_ms.items(), key=lambda item: -item[1]):
        out.print(f"    {stage:<10} {used:8.3f} ms")
    out.print(
        f"  {result.segments_written} segments compacted to {result.segments} in {result.compact_s:.0f} s;"
        f" {count(result.merged)} messages merged, {count(result.merged_per_core_s)} per second of CPU"
    )
    kinds = ", ".join(f"{kind} {size_bytes:,.0f}" for kind, size_bytes in result.bytes_per_message.items())
    out.print(f"  stored: {result.stored_share:.2f} of the mail's bytes; bytes per message: {kinds}")
    answers = result.answers
    out.print(f"  first list of a new reader: {answers.first_list_ms:.0f} ms; peak memory: {answers.peak_mb:,.0f} MB")
    for name, latency in answers.latencies.items():
        out.print(
            f"    {name:<28} p50 {latency.p50:8.1f} ms   p95 {latency.p95:8.1f} ms   first {latency.cold:8.1f} ms"
            f"   ({latency.asked} queries, {latency.found} results)"
        )


def print_failover(result: "FailoverResult") -> None:
    """Print the results of this benchmark for people."""
    for each in result.kinds:
        out.print(
            f"{len(each.seconds)} owners {each.kind}: next commit after {each.p50_s:.1f} s (p50), "
            f"{each.worst_s:.1f} s (worst)"
        )
    out.print(f"  an owner that is silent for {result.hung_after_s:.0f} s is replaced")


def print_crowding(result: "CrowdingResult") -> None:
    """Print the results of this benchmark for people."""
    out.print(f"two mailboxes of {count(result.messages)} messages")
    for when, latencies in (("alone", result.idle), ("beside the crowd", result.crowded)):
        for each in latencies:
            out.print(
                f"  {each.what:<12} {when:<18} p50 {each.p50_ms:8.2f} ms   p95 {each.p95_ms:8.2f} ms"
                f"   {each.failed} of {count(each.asked)} failed"
            )
    out.print(f"  p95 of the list beside the crowd: {result.ratio} times that alone")
    for what, told in (("heavy queries", result.queries), ("unfinished requests", result.unfinished)):
        out.print(f"  {what}: " + ", ".join(f"{count(number)} {outcome}" for outcome, number in sorted(told.items())))


def print_serve(result: "ServeResult") -> None:
    """Print the results of this benchmark for people."""
    out.print(f"a mailbox of {count(result.messages)} messages, one replica per application")
    for load in result.loads:
        failed = f"   {load.failed} failed" if load.failed else ""
        out.print(
            f"  {load.what:<28} {load.clients:>3} clients {load.per_s:9,.0f}/s   p50 {load.p50_ms:7.2f} ms"
            f"   p99 {load.p99_ms:7.2f} ms{failed}"
        )
    out.print(
        f"  replicas before, under and after load: {' -> '.join(map(str, result.replicas))}"
        f" ({result.upscaled_s:.0f} s, {result.downscaled_s:.0f} s);"
        f" a killed replica was replaced in {result.healed_s:.0f} s"
    )
    out.print(
        f"  a replica killed under load: {result.killed_failed} requests failed, {result.killed_held} were in flight"
    )


def print_poll(result: "PollResult") -> None:
    """Print the results of this benchmark for people."""
    out.print(f"{count(result.mailboxes)} idle mailboxes polled in {result.seconds:.1f} s")
    out.print(
        f"  {result.mailboxes_per_s:.0f} mailboxes/s   {result.units_each:.2f} units and {result.cpu_ms_each:.2f} ms of"
        f" CPU per mailbox   {result.files} files written"
    )


def print_analysis(result: "AnalysisResult") -> None:
    """Print the results of this benchmark for people."""
    out.print(f"{count(result.messages)} messages, {count(result.mean_bytes)} bytes on average; microseconds of CPU:")
    for name, cost in result.cost_us.items():
        out.print(f"  {name:<16} {cost:8.1f}")
    out.print(f"  {'total':<16} {result.together_us:8.1f}   {1e6 / result.together_us:,.0f} messages/s per core")
    if result.anew_per_s is not None:
        out.print(
            f"  {count(result.anew_messages)} archived messages re-analysed: {result.anew_per_s:,.0f} messages/s"
            " on 2 processes"
        )
