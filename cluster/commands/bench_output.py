"""Output of `gbm bench` for people; `--json` prints the same figures."""

from typing import TYPE_CHECKING

from cluster.console import count, out
from jobs.rendering.units import size

if TYPE_CHECKING:
    from cluster.bench.archive import ArchiveResult
    from cluster.bench.ingest import IngestResult
    from cluster.bench.quality import QualityResult


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


def print_quality(result: "QualityResult") -> None:
    """Print the results of this benchmark for people."""
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
    for each in result.judgements:
        unlearnt = "" if each.likely_spam_unlearnt is None else f" (not learnt: {each.likely_spam_unlearnt:.1%})"
        out.print(
            f"{each.kind}, {count(each.messages)} messages: warned {each.warned:.1%}"
            f"   score of 0.5 {each.likely_spam:.1%}{unlearnt}"
            f"   work or personal {each.known:.1%}   undecided {each.undecided:.1%}   high {each.high:.1%}"
            f"   positive {each.positive:.1%}   negative {each.negative:.1%}"
        )
    for language in result.languages:
        out.print(f"languages, {language.length:<12} {language.right} of {language.sentences} correct")
        if language.mistakes:
            out.print(f"    {', '.join(language.mistakes)}", markup=False)


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
