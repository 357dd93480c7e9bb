import type { Finding } from "../verdict.ts";
import { outagesOf } from "../figures.ts";
import type { Place } from "../plan.ts";
import { placesOf } from "../plan.ts";
import type { RunResult } from "../run.ts";
import type { Identity, Trouble } from "../swarm.ts";
import type { Tenure } from "../tenures.ts";
import { lastEpochOf } from "../tenures.ts";
import { colourOf, escape, inSeconds, Scale } from "./drawing.ts";

const gutter = 76;
const right = 24;
const serverLane = { height: 30, bar: 14 };
const userLane = { height: 20, bar: 11 };
const axis = 26;
const gap = 30;

/** A timeline of a run as one SVG element: a lane for each place of a server, then one for each user, coloured by who owned them. */
export function drawTimeline(result: RunResult): string {
  const { plan, fromMs, toMs, healedMs } = result;
  const seconds = (toMs - fromMs) / 1000;
  const width = gutter + Math.max(1150, Math.round(seconds * 9)) + right;
  const scale = new Scale(fromMs, toMs, gutter, width - right);
  const serversTop = axis;
  const usersTop = serversTop + plan.servers * serverLane.height + gap;
  const bottom = usersTop + plan.users.length * userLane.height;
  const parts = [
    drawGrid(scale, seconds, bottom),
    `<rect class="healed" x="${scale.x(healedMs)}" y="${axis}" width="${scale.width(healedMs, toMs)}" height="${bottom - axis}"><title>all faults healed: everybody has to be reachable again</title></rect>`,
    ...placesOf(plan.servers).map((place, index) =>
      drawPlace(result, scale, place, serversTop + index * serverLane.height),
    ),
    `<text class="caption" x="${gutter}" y="${usersTop - 9}">who owned each user, by the colour of the server</text>`,
    ...plan.users.map((user, index) => drawUser(result, scale, user, usersTop + index * userLane.height)),
    ...result.findings.map((finding, index) => drawFinding(finding, index, scale, bottom)),
  ];
  const height = bottom + 12;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="timeline of the run">
${hatches}
${parts.join("\n")}
</svg>`;
}

const hatches = `<defs>
<pattern id="busy" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="5" height="5" fill="#fde6b8"/><rect width="2" height="5" fill="#c77700"/></pattern>
<pattern id="gone" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect width="5" height="5" fill="#f3f3f5"/><rect width="1.5" height="5" fill="#9a9aa3"/></pattern>
</defs>`;

function drawGrid(scale: Scale, seconds: number, bottom: number): string {
  const step = seconds > 90 ? 10 : seconds > 30 ? 5 : 2;
  const lines: string[] = [];
  for (let second = 0; second <= seconds; second += step) {
    const x = scale.x(scale.fromMs + second * 1000);
    lines.push(`<line class="grid" x1="${x}" y1="${axis - 6}" x2="${x}" y2="${bottom}"/>`);
    lines.push(`<text class="tick" x="${x}" y="${axis - 11}">${second} s</text>`);
  }
  return lines.join("");
}

/** Above: what its process did. Below: which of its links were cut. */
function drawPlace(result: RunResult, scale: Scale, place: Place, top: number): string {
  const { identities, troubles } = result;
  const y = top + 5;
  const own = identities.filter((identity) => identity.place === place);
  const lives = own.map((identity) => drawLives(identity, scale, y, result.toMs));
  const spans = troubles.filter(({ places }) => places.includes(place)).map((trouble) => drawTrouble(trouble, place, scale, y)); // prettier-ignore
  const label = `<text class="lane" x="${gutter - 10}" y="${y + 11}">s${place}</text>`;
  const chip = `<rect x="${gutter - 68}" y="${y + 2}" width="10" height="10" rx="2" fill="${colourOf(place)}"/>`;
  const off = rect(scale, { fromMs: result.fromMs, toMs: result.toMs }, y, serverLane.bar, 'fill="url(#gone)"', "not running"); // prettier-ignore
  return [label, chip, off, ...lives, ...spans].join("");
}

function drawLives({ name, lives }: Identity, scale: Scale, y: number, endMs: number): string {
  return lives
    .map((life, index) => {
      const toMs = Math.min(life.toMs, endMs);
      const title = `${name} runs${index === 0 ? "" : ` again (start ${index + 1})`}: ${scale.span(life.fromMs, toMs)}`;
      const bar = rect(scale, { fromMs: life.fromMs, toMs }, y, serverLane.bar, 'class="up"', title);
      const isNew = index === 0 && name.includes("-");
      const named = `<text class="joined" x="${scale.x(life.fromMs) + 4}" y="${y + 11}">${escape(name)} joins</text>`;
      return bar + (isNew ? named : "");
    })
    .join("");
}

function drawTrouble(trouble: Trouble, place: Place, scale: Scale, y: number): string {
  const span = { fromMs: trouble.fromMs, toMs: Math.min(trouble.toMs, scale.toMs) };
  const title = `${describeTrouble(trouble)}: ${scale.span(span.fromMs, span.toMs)}`;
  switch (trouble.kind) {
    case "freeze":
      return rect(scale, span, y, serverLane.bar, 'class="frozen"', title);
    case "block":
      return rect(scale, span, y, serverLane.bar, 'fill="url(#busy)"', title);
    case "kill":
    case "wipe":
    case "leave": {
      const x = scale.x(span.fromMs);
      const mark = trouble.kind === "kill" ? "✕" : trouble.kind === "wipe" ? "⌫" : "↩";
      return `<text class="mark ${trouble.kind}" x="${x}" y="${y + 12}">${mark}<title>${escape(title)}</title></text>`;
    }
    default: {
      const isOneWay = trouble.kind === "one-way" || trouble.kind === "deaf";
      // Where one server is cut off from all, the others hardly notice.
      const isMeant = !["isolate", "deaf"].includes(trouble.kind) || place === isolatedOf(trouble.severed);
      const look = `class="${isOneWay ? "half-cut" : "cut"}"${isMeant ? "" : ' opacity="0.25"'}`;
      return rect(scale, span, y + serverLane.bar + 2, 4, look, title);
    }
  }
}

/** For people: `freeze s3`. */
export function describeTrouble({ kind, places, severed }: Pick<Trouble, "kind" | "places" | "severed">): string {
  const [first] = severed;
  const names = places.map((place) => `s${place}`);
  switch (kind) {
    case "kill":
      return `kill -9 ${names.join()}, then started again`;
    case "freeze":
      return `SIGSTOP ${names.join()}, then SIGCONT`;
    case "block":
      return `event loop of ${names.join()} blocked`;
    case "wipe":
      return `${names.join()} killed, its disk wiped, its identity removed; a new server joins in its place`;
    case "leave":
      return `${names.join()} leaves the domain; a new server joins in its place`;
    case "cut":
      return `link ${names.join("–")} cut`;
    case "one-way":
      return `link s${first?.[0]} → s${first?.[1]} cut in this direction only`;
    case "deaf":
      return `s${first?.[1]} hears nobody, all hear it`;
    case "isolate":
      return `s${isolatedOf(severed)} cut off from all`;
    case "split":
      return `split: ${sidesOf(places, severed).map((side) => side.map((place) => `s${place}`).join(" ")).join(" | ")}`; // prettier-ignore
  }
}

/** The place that is part of every direction cut. */
function isolatedOf(severed: Trouble["severed"]): Place | undefined {
  return severed[0]?.find((place) => severed.every((direction) => direction.includes(place)));
}

function sidesOf(places: readonly Place[], severed: Trouble["severed"]): readonly (readonly Place[])[] {
  const first = places[0] as Place;
  const others = places.filter((place) => severed.some(([from, to]) => from === first && to === place));
  return [places.filter((place) => !others.includes(place)), others];
}

function drawUser(result: RunResult, scale: Scale, user: string, top: number): string {
  const { tenures, sightings, healedMs } = result;
  const y = top + 4;
  const middle = y + userLane.bar / 2;
  const own = tenures.filter(({ aor }) => aor.startsWith(`sip:${user}@`));
  const away = sightings.signOffs
    .filter((one) => one.user === user)
    .map(({ fromMs, toMs }) => line(scale, fromMs, Math.min(toMs, scale.toMs), middle, "away", `${user} signed off`));
  const outages = outagesOf(user, tenures, sightings, healedMs).map(({ fromMs, toMs }) =>
    line(scale, fromMs, toMs, middle, "outage", `nobody owned ${user}: ${scale.span(fromMs, toMs)}`),
  );
  const unanswered = sightings.registrations
    .filter((one) => one.user === user && one.status === 0)
    .map(({ place, askedAtMs, answeredAtMs }) => {
      const title = `REGISTER at s${place} unanswered: ${scale.span(askedAtMs, answeredAtMs)}`;
      return `<circle class="unanswered" cx="${scale.x(askedAtMs)}" cy="${y - 1}" r="2"><title>${escape(title)}</title></circle>`;
    });
  const label = `<text class="lane" x="${gutter - 10}" y="${y + 9}">${escape(user)}</text>`;
  const owned = own.map((tenure) => drawTenure(tenure, scale, y));
  return [label, ...away, ...outages, ...owned, ...drawDoubles(own, scale, y), ...unanswered].join("");
}

/** Where two servers believed to own the user at once. */
function drawDoubles(own: readonly Tenure[], scale: Scale, y: number): string[] {
  let last: Tenure | undefined;
  return own.map((tenure) => {
    const before = last;
    if (last === undefined || tenure.toMs > last.toMs) last = tenure;
    if (before === undefined) return "";
    const toMs = Math.min(before.toMs, tenure.toMs);
    const title = `owned by ${before.server} and ${tenure.server} at once: ${scale.span(tenure.fromMs, toMs)}`;
    return rect(scale, { fromMs: tenure.fromMs, toMs }, y - 2, userLane.bar + 4, 'class="double"', title);
  });
}

const endings: Readonly<Record<Tenure["end"], string>> = {
  "handed-over": "handed over",
  expired: "its lease ran out",
  released: "let go",
  died: "its process died",
  lasts: "still owned",
};

function drawTenure(tenure: Tenure, scale: Scale, y: number): string {
  const { server, place, fromMs, toMs, end } = tenure;
  const last = lastEpochOf(tenure);
  const epochs = last === tenure.epoch ? tenure.epoch : `${tenure.epoch}, raised to ${last}`;
  const title = `${server}, epoch ${epochs}: ${scale.span(fromMs, toMs)}; ${endings[end]}`;
  const bar = rect(scale, { fromMs, toMs }, y, userLane.bar, `class="tenure" fill="${colourOf(place)}"`, title);
  if ((end !== "expired" && end !== "died") || toMs > scale.toMs) return bar;
  const x = scale.x(toMs);
  return `${bar}<path class="lost" d="M${x - 3} ${y - 3}h6l-3 5z"><title>${escape(title)}</title></path>`;
}

function drawFinding({ promise, what, atMs }: Finding, index: number, scale: Scale, bottom: number): string {
  const x = scale.x(Math.min(Math.max(atMs, scale.fromMs), scale.toMs));
  const title = `<title>${escape(`${promise} at ${inSeconds(atMs - scale.fromMs)}: ${what}`)}</title>`;
  return `<g class="finding"><line x1="${x}" y1="${axis - 4}" x2="${x}" y2="${bottom}"/><circle cx="${x}" cy="${axis - 4}" r="8"/><text x="${x}" y="${axis}">${index + 1}</text>${title}</g>`;
}

function rect(
  scale: Scale,
  span: { readonly fromMs: number; readonly toMs: number },
  y: number,
  height: number,
  look: string,
  title: string,
): string {
  const fromMs = Math.max(span.fromMs, scale.fromMs);
  const toMs = Math.min(span.toMs, scale.toMs);
  if (toMs <= fromMs) return "";
  const width = Math.max(1, scale.width(fromMs, toMs));
  return `<rect ${look} x="${scale.x(fromMs)}" y="${y}" width="${width}" height="${height}"><title>${escape(title)}</title></rect>`;
}

function line(scale: Scale, fromMs: number, toMs: number, y: number, look: string, title: string): string {
  const [x1, x2] = [scale.x(Math.max(fromMs, scale.fromMs)), scale.x(toMs)];
  if (x2 <= x1) return "";
  return `<line class="${look}" x1="${x1}" x2="${x2}" y1="${y}" y2="${y}"><title>${escape(title)}</title></line>`;
}
