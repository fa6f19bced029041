"""The style of the evaluation's page; its colours are those of align/page.css."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f7f7f5; --card: #ffffff; --ink: #1b1f24; --soft: #5c6670; --line: #e2e4e6; --band: #e3ecfa;
  --blue: #2463c9; --orange: #c96a12; --amber: #8a6100; --amber-wash: #fbf3df;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --card: #1c2024; --ink: #e8eaed; --soft: #9aa5b1; --line: #31373d; --band: #24344f;
    --blue: #74a7ff; --orange: #f0a45a; --amber: #e2b64a; --amber-wash: #352b14;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main { max-width: 980px; margin: 0 auto; padding: 32px 20px 80px; }
h1, h2, h3, p, figure { margin: 0; }
code, pre {
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .88em;
}
code { overflow-wrap: anywhere; }
.eyebrow { color: var(--soft); font-size: .82rem; letter-spacing: .06em; text-transform: uppercase; }
.verdict {
  margin: 10px 0 0; padding: 26px 28px; border-radius: 14px; background: var(--card);
  border-left: 6px solid var(--blue);
}
.verdict h1 { color: var(--blue); font-size: clamp(2.2rem, 8vw, 3.6rem); line-height: 1.1; letter-spacing: -.02em; }
.interval { margin: 6px 0 12px; font-size: 1.15rem; font-weight: 600; }
svg text { fill: var(--soft); font-size: 12px; text-anchor: middle; }
svg .axis { stroke: var(--line); stroke-width: 2; }
.bar .zero { stroke: var(--soft); stroke-width: 1.5; }
.bar .reach { stroke: var(--blue); stroke-width: 6; stroke-linecap: round; opacity: .45; }
.bar circle { fill: var(--blue); }
.notes {
  margin: 16px 0 0; padding: 14px 20px 14px 38px; border-radius: 12px; background: var(--amber-wash);
  color: var(--amber);
}
section:not(.verdict) { margin-top: 40px; }
h2 { font-size: 1.25rem; margin-bottom: 12px; }
h3 { font-size: 1rem; margin: 18px 0 8px; }
section > figure { padding: 16px 18px; border: 1px solid var(--line); border-radius: 12px; background: var(--card); }
section > figure > svg { display: block; width: 100%; height: auto; }
svg .band { fill: var(--band); }
svg .count { fill: var(--soft); opacity: .75; }
svg .mean { stroke: var(--orange); stroke-width: 2.5; stroke-dasharray: 5 4; }
svg .all { stroke: var(--blue); stroke-width: 2.5; }
section > figure > figcaption {
  display: flex; flex-wrap: wrap; gap: 4px 20px; margin-top: 8px; color: var(--soft); font-size: .84rem;
}
figcaption span { display: inline-flex; align-items: center; gap: 7px; }
figcaption i { width: 18px; height: 0; border-top: 3px solid var(--soft); }
figcaption i.count, figcaption i.band { height: 12px; border: 0; background: var(--soft); }
figcaption i.band { background: var(--band); }
figcaption i.mean { border-top: 3px dashed var(--orange); }
figcaption i.all { border-color: var(--blue); }
table {
  width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line);
  font-variant-numeric: tabular-nums;
}
th, td { padding: 7px 14px; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
td:nth-child(2) { text-align: right; white-space: nowrap; }
td:last-child { color: var(--soft); font-size: .9rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(96px, 1fr)); gap: 10px; }
.grid img { display: block; width: 100%; aspect-ratio: 1; object-fit: cover; }
.grid img:first-child { border-radius: 8px 8px 0 0; }
.grid img:nth-child(2) { border-radius: 0 0 8px 8px; margin-top: 2px; }
.grid figcaption { color: var(--soft); font-size: .8rem; text-align: center; }
details { margin-top: 40px; }
summary { cursor: pointer; color: var(--soft); }
pre {
  margin: 10px 0 0; padding: 14px; overflow: auto; border: 1px solid var(--line); border-radius: 10px;
  background: var(--card);
}
@media (max-width: 700px) {
  main { padding: 18px 12px 56px; }
  .verdict { padding: 20px; }
  th, td { padding: 6px 8px; }
}
"""
