"""How pages for people look: on a screen by day and night, and on paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1b1e23; --paper: #fbfaf7; --card: #fff; --line: #d9d5cb;
  --faint: #5f5a50; --sun: #b97a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #17191d; --card: #1f2227;
  --line: #3a3d44; --faint: #a7a39a; --sun: #f2b53a; }
  figure svg { filter: invert(0.9) hue-rotate(180deg); } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 66rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.2rem; font-weight: 600; color: var(--faint); margin-bottom: .2rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; }
p.headline { font-size: 1.9rem; line-height: 1.25; font-weight: 650; margin: 0 0 1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .8rem;
  margin: 1.2rem 0; padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .7rem 1rem; color: var(--faint); }
.tiles b { display: block; font-size: 1.7rem; color: var(--ink);
  font-variant-numeric: tabular-nums; }
.tiles li:first-child b { color: var(--sun); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th:first-child, td:first-child, table.facts td { text-align: left; }
table.facts td:first-child { white-space: nowrap; color: var(--faint); }
td small { display: block; color: var(--faint); max-width: 24rem; }
tr.plan { font-weight: 650; } tr.plan small { font-weight: 400; }
figure { margin: .6rem 0 1rem; }
figure svg { display: block; width: 100%; height: auto; background: #fff; border-radius: 8px; }
figcaption, p.note { color: var(--faint); font-size: .95rem; margin: 0 0 .5rem; }
@media print { body { max-width: none; } figure { break-inside: avoid; } }
"""
COMPARISON_STYLE = """
dl.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr));
  gap: .8rem; margin: 1.2rem 0; }
dl.answers div { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .7rem 1rem; }
dl.answers dt { color: var(--faint); }
dl.answers dd { margin: 0; font-size: .95rem; }
dl.answers dd b { display: block; font-size: 1.7rem; font-variant-numeric: tabular-nums; }
.bars { list-style: none; padding: 0; margin: .4rem 0 1rem; }
.bars li { display: grid; grid-template-columns: 12rem 1fr; gap: .2rem .8rem; align-items: center;
  margin: .35rem 0; font-size: .9rem; }
.bar { display: flex; align-items: center; font-variant-numeric: tabular-nums; }
.bar i, .key i { height: 1.5rem; flex: none; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
.bar b { font-weight: 400; padding-left: .5rem; white-space: nowrap; color: var(--faint); }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0;
  font-size: .9rem; }
.key i { display: inline-block; width: .9rem; height: .9rem; margin-right: .4rem;
  vertical-align: -.1rem; }
@media (max-width: 40rem) { .bars li { grid-template-columns: 1fr; } }
"""
