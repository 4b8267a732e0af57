"""A self-contained page of charts: one HTML text, no script, no external resources.

All text from mail is escaped here or in jobs/rendering/charts.py, and the page's own content security policy forbids
the rest, so that the page is as safe from a disk as from the gateway.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobs.mime.shown import escape

#: Content security policy: inline styles only. Repeated in the page itself, for readers who open the file.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { --ink:#1f2430; --soft:#5d6678; --paper:#f5f6f8; --card:#ffffff; --rule:#e2e5ea; --accent:#3867c8;
  --h0:#eceff4; --h1:#cfdcf5; --h2:#a3bdec; --h3:#7499e0; --h4:#4a77d0; --h5:#2a53a8;
  --p0:#3867c8; --p1:#2f9e8f; --p2:#c98a1b; --p3:#b5507a; --p4:#7a5cc0; --p5:#98a1b0; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6e9ef; --soft:#9aa4b5; --paper:#14171c; --card:#1d2128;
  --rule:#2d333d; --accent:#6d97ee; --h0:#262b34; --h1:#26385e; --h2:#2f4e8c; --h3:#3d66b8; --h4:#5583dd;
  --h5:#86aaf5; } }
* { box-sizing:border-box }
body { margin:0; background:var(--paper); color:var(--ink); font:15px/1.5 system-ui, sans-serif }
main { max-width:1120px; margin:0 auto; padding:32px 20px 48px }
h1 { font-size:24px; margin:0; overflow-wrap:anywhere } h2 { font-size:15px; margin:0 0 2px }
.sub, .note, footer { color:var(--soft); font-size:13px } .note { margin:0 0 12px }
.tiles { display:grid; grid-template-columns:repeat(auto-fit, minmax(150px, 1fr)); gap:12px; margin:24px 0 }
.tile, section { background:var(--card); border:1px solid var(--rule); border-radius:10px; padding:14px 18px }
.tile b { display:block; font-size:22px; font-variant-numeric:tabular-nums }
.tile span { color:var(--soft); font-size:13px }
.cards { display:grid; grid-template-columns:repeat(auto-fit, minmax(min(480px, 100%), 1fr)); gap:12px;
  align-items:start }
section.wide { grid-column:1 / -1 } section { min-width:0 }
svg { width:100%; height:auto; display:block } svg text { font:12px system-ui, sans-serif; fill:var(--ink) }
svg .axis, svg .value { fill:var(--soft) } .bar { fill:var(--accent) } .rule { stroke:var(--rule) }
.heat0{fill:var(--h0)} .heat1{fill:var(--h1)} .heat2{fill:var(--h2)} .heat3{fill:var(--h3)} .heat4{fill:var(--h4)}
.heat5{fill:var(--h5)} .part0{fill:var(--p0)} .part1{fill:var(--p1)} .part2{fill:var(--p2)} .part3{fill:var(--p3)}
.part4{fill:var(--p4)} .part5{fill:var(--p5)}
table { width:100%; border-collapse:collapse; font-size:13px; table-layout:fixed }
th { text-align:left; color:var(--soft); font-weight:500 } th:first-child { width:46% }
td, th { padding:4px 8px 4px 0; overflow-wrap:anywhere }
td { border-top:1px solid var(--rule) } .number { text-align:right; font-variant-numeric:tabular-nums }
.nothing { color:var(--soft); margin:8px 0 } footer { margin-top:24px }
@media print { body { background:none } section { break-inside:avoid } }
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A chart with its heading. note: a sentence that explains the chart. picture: HTML of `charts` or `table`."""

    title: str
    note: str
    picture: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """The contents of a page. tiles: (text of a number, what it counts), shown first."""

    title: str
    subtitle: str
    tiles: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    footer: str = field(default="")

    def html(self) -> str:
        """The document."""
        tiles = "".join(
            f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}</span></div>' for number, what in self.tiles
        )
        sections = "".join(
            f"<section{' class=wide' if section.wide else ''}><h2>{escape(section.title)}</h2>"
            f'<p class="note">{escape(section.note)}</p>{section.picture}</section>'
            for section in self.sections
        )
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="referrer" content="no-referrer">'
            f'<title>{escape(self.title)}</title><link rel="icon" href="data:,"><style>{_STYLE}</style></head><body>'
            "<main>"
            f'<header><h1>{escape(self.title)}</h1><div class="sub">{escape(self.subtitle)}</div></header>'
            f'<div class="tiles">{tiles}</div><div class="cards">{sections}</div>'
            f"<footer>{escape(self.footer)}</footer></main></body></html>\n"
        )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A table; the last `numbers` columns are numbers. Every text is escaped."""
    if not rows:
        return '<p class="nothing">Nothing to show.</p>'
    first = len(headings) - numbers

    def cell(tag: str, place: int, text: str) -> str:
        return f"<{tag}{' class=number' if place >= first else ''}>{escape(text)}</{tag}>"

    head = "".join(cell("th", place, text) for place, text in enumerate(headings))
    body = "".join(f"<tr>{''.join(cell('td', place, text) for place, text in enumerate(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
