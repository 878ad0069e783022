"""Style sheet and script of the page."""

from __future__ import annotations

from typing import Final

GENERATOR: Final = "ecgmon evaluate --report"
"""What the page says it was made by; only such a page is ever replaced."""

STYLE_SHEET: Final = """
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1rem;
  background:var(--paper);color:var(--ink);font:1rem/1.5 var(--font)}
h1{font-size:1.5rem;margin:.2rem 0}
h2{font-size:1.2rem;margin:2.2rem 0 .4rem;padding-top:.6rem;border-top:1px solid var(--grid)}
h3{font-size:1rem;margin:1.4rem 0 .2rem}
p,figcaption,li{max-width:46rem}
p.note,figcaption,caption,footer{color:var(--muted);font-size:.875rem}
a{color:inherit}
nav a{display:inline-block;margin:0 .9rem .2rem 0}
code{font-size:.875em;overflow-wrap:anywhere}
figure{margin:0 0 1rem}
svg{display:block;width:100%;height:auto}
.pictures{display:grid;gap:.5rem 1.5rem;align-items:start;
  grid-template-columns:repeat(auto-fill,minmax(min(100%,28rem),1fr))}
.beats{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr));gap:.5rem 1rem}
.beats figcaption{font-size:.8rem}
.timeline .pan,.wide{overflow-x:auto}
.timeline svg{min-width:40rem}
dl.facts{display:grid;gap:.8rem 1.2rem;margin:1rem 0;
  grid-template-columns:repeat(auto-fill,minmax(min(100%,14rem),1fr))}
dl.facts div{border-left:3px solid var(--grid);padding-left:.7rem}
dt{color:var(--muted);font-size:.875rem}
dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums}
dd small{display:block;font-size:.8rem;color:var(--muted)}
table{border-collapse:separate;border-spacing:0;margin-bottom:1rem;font-size:.8125rem;
  font-variant-numeric:tabular-nums;white-space:nowrap}
caption{text-align:left;padding:.3rem 0}
th,td{padding:.22rem .55rem;text-align:right;border-bottom:1px solid var(--grid)}
thead th{vertical-align:bottom;font-weight:600}
thead th[colspan]{text-align:left;border-left:1px solid var(--grid)}
tr>:first-child{position:sticky;left:0;background:var(--paper);text-align:left}
tfoot th,tfoot td{border-top:1px solid var(--muted);font-weight:600}
thead button{all:unset;cursor:pointer;text-decoration:underline dotted}
thead button:focus-visible,.wide:focus-visible{outline:2px solid var(--S)}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
@media print{nav{display:none}figure,tr{break-inside:avoid}}
"""

SCRIPT: Final = """
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  for (const head of table.tHead.rows[1].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending", i = head.cellIndex;
      for (const other of table.tHead.rows[1].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => i ? parseFloat(row.cells[i].dataset.v) : row.cells[0].textContent;
      body.append(...[...body.rows].sort((a, b) => {
        const x = key(a), y = key(b);
        if (x !== x || y !== y) return (x !== x) - (y !== y);
        return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1);
      }));
    });
  }
}
"""
