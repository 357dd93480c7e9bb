import { placesOf } from "../plan.ts";
import type { RunResult } from "../run.ts";
import { colourOf, escape, inSeconds } from "./drawing.ts";
import { factsOf, replayCommand, verdictOf } from "./facts.ts";
import { describeTrouble, drawTimeline } from "./timeline.ts";

/** The report of a run as one HTML page that needs nothing else. */
export function renderPage(result: RunResult): string {
  const { plan, findings, figures, troubles, fromMs } = result;
  const verdict = verdictOf(result);
  const cards = factsOf(result).map(
    ({ name, value, note }) => `<div class="card"><b>${escape(value)}</b><span>${escape(name)}</span><i>${escape(note)}</i></div>`, // prettier-ignore
  );
  const outages = Object.entries(figures.longestOutageMs).map(
    ([user, ms]) => `<tr><td>${escape(user)}</td><td class="number">${ms === 0 ? "none" : inSeconds(ms)}</td></tr>`,
  );
  const list = troubles.map((trouble) => {
    const toMs = Math.min(trouble.toMs, result.toMs);
    return `<tr><td class="number">${inSeconds(trouble.fromMs - fromMs)}</td><td class="number">${inSeconds(toMs - trouble.fromMs)}</td><td>${escape(describeTrouble(trouble))}</td></tr>`;
  });
  const broken = findings.map(
    ({ promise, atMs, what }) => `<li><b>${promise}</b> at ${inSeconds(atMs - fromMs)}: ${escape(what)}</li>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>aorta chaos, seed ${plan.seed}: ${escape(verdict.text)}</title>
<style>${style}</style></head><body>
<h1>aorta chaos <small>seed ${plan.seed}, ${plan.servers} servers, ${plan.users.length} users, lease ${inSeconds(plan.leaseMs)}</small></h1>
<p class="verdict ${verdict.isGood ? "good" : "bad"}">${escape(verdict.text)}</p>
${broken.length === 0 ? "" : `<ol class="findings">${broken.join("")}</ol>`}
<div class="cards">${cards.join("")}</div>
${legend(plan.servers)}
<div class="timeline">${drawTimeline(result)}</div>
<p class="hint">Point at anything to see what it is, with its times and epochs.</p>
<div class="tables">
<table><caption>Longest time without an owner</caption><tr><th>user</th><th class="number">for</th></tr>${outages.join("")}</table>
<table><caption>What was done to the servers</caption><tr><th class="number">at</th><th class="number">for</th><th>what</th></tr>${list.join("")}</table>
</div>
<p>The same plan again: <code>${escape(replayCommand(result))}</code></p>
</body></html>
`;
}

function legend(servers: number): string {
  const chip = (look: string, text: string) => `<span><svg width="22" height="12">${look}</svg>${text}</span>`;
  const box = (look: string) => `<rect ${look} width="22" height="12"/>`;
  const places = placesOf(servers).map((place) => chip(`<rect width="22" height="12" rx="2" fill="${colourOf(place)}"/>`, `s${place}`)); // prettier-ignore
  return `<div class="legend">
<div><b>servers</b>${[
    chip(box('class="up"'), "runs"),
    chip(box('fill="url(#gone)"'), "does not run"),
    chip(box('class="frozen"'), "frozen (SIGSTOP)"),
    chip(box('fill="url(#busy)"'), "event loop blocked"),
    chip('<rect class="cut" y="4" width="22" height="4"/>', "links cut both ways"),
    chip('<rect class="half-cut" y="4" width="22" height="4"/>', "links cut one way"),
    chip('<text class="mark kill" x="6" y="11">✕</text>', "kill -9"),
    chip('<text class="mark wipe" x="4" y="11">⌫</text>', "killed and wiped"),
    chip('<text class="mark leave" x="4" y="11">↩</text>', "leaves"),
  ].join("")}</div>
<div><b>owned by</b>${places.join("")}</div>
<div><b>users</b>${[
    chip('<path class="lost" d="M8 2h6l-3 5z"/>', "lost without a hand-over: lease ran out, process died"),
    chip('<line class="outage" x1="0" x2="22" y1="6" y2="6"/>', "wants to be online, nobody owns"),
    chip('<rect class="double" x="1" y="1" width="20" height="10"/>', "two owners at once: broken"),
    chip('<line class="away" x1="0" x2="22" y1="6" y2="6"/>', "signed off"),
    chip('<circle class="unanswered" cx="11" cy="6" r="2"/>', "REGISTER unanswered"),
  ].join("")}</div></div>`;
}

const style = `
:root{color-scheme:light}
body{font:14px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;color:#22252b;background:#fff;margin:24px 28px}
h1{font-size:22px;margin:0 0 8px}h1 small{font-weight:400;color:#6a6f7a;font-size:15px;margin-left:8px}
.verdict{display:inline-block;font-weight:600;padding:5px 12px;border-radius:5px;margin:0 0 12px}
.good{background:#dff3e4;color:#14632b}.bad{background:#fde0df;color:#9b1c17}
.findings{background:#fff5f4;border-left:4px solid #d43a32;padding:8px 8px 8px 34px;margin:0 0 14px}
.cards{display:flex;flex-wrap:wrap;gap:10px;margin:4px 0 16px}
.card{border:1px solid #e1e3e8;border-radius:6px;padding:8px 12px;min-width:118px}
.card b{display:block;font-size:19px}.card span{display:block}.card i{font-style:normal;color:#6a6f7a;font-size:12px}
.legend{display:grid;gap:3px;margin:0 0 10px;font-size:12px;color:#444a55}
.legend b{display:inline-block;width:76px;font-weight:600}.legend span{margin-right:14px;white-space:nowrap}
.legend svg{vertical-align:-2px;margin-right:5px}
.timeline{overflow-x:auto;border:1px solid #e1e3e8;border-radius:6px;padding:4px 0}
.hint{color:#6a6f7a;font-size:12px;margin:4px 0 16px}
.tables{display:flex;flex-wrap:wrap;gap:40px;align-items:flex-start}
table{border-collapse:collapse}caption{text-align:left;white-space:nowrap;font-weight:600;padding-bottom:4px}
td,th{padding:2px 14px 2px 0;text-align:left;border-bottom:1px solid #eef0f3;font-weight:400}th{color:#6a6f7a}
.number{text-align:right;font-variant-numeric:tabular-nums}
code{background:#f3f4f6;padding:2px 6px;border-radius:4px}
svg text{font:11px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#444a55}
.grid{stroke:#eceef2}.tick{text-anchor:middle;fill:#8a8f99}.lane{text-anchor:end}.caption{fill:#6a6f7a}
.healed{fill:#eef7f0}.up{fill:#c9dccd}.frozen{fill:#6fa8dc}.cut{fill:#d43a32}.half-cut{fill:#f0a43a}
.mark{font-size:13px;font-weight:700}.kill{fill:#b3261e}.wipe{fill:#7a1fa2}.leave{fill:#0b5f8a}.joined{font-size:10px;fill:#33553d}
.tenure{stroke:#fff;stroke-width:.6}.lost{fill:#22252b}
.double{fill:none;stroke:#d40000;stroke-width:2.2}
.outage{stroke:#d43a32;stroke-width:2.4}.away{stroke:#b9bdc6;stroke-dasharray:2 3}.unanswered{fill:#fff;stroke:#c77700}
.finding line{stroke:#d43a32;stroke-width:1.5}.finding circle{fill:#d43a32}.finding text{fill:#fff;text-anchor:middle;font-weight:700}
`;
