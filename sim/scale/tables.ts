import type { Growth } from "./growth.ts";
import { OPERATIONS } from "./growth.ts";
import type { HotKey } from "./hot-key.ts";
import type { Memory } from "./memory.ts";
import type { Load } from "./model.ts";
import { FLOWS, HABITS, totalOf } from "./model.ts";
import type { Placement } from "./placement.ts";
import type { Slice, Storm } from "./storm.ts";

/** All that a run of the scale model found. */
export interface Findings {
  readonly growth: readonly Growth[];
  readonly hotKeys: readonly HotKey[];
  readonly placements: readonly Placement[];
  readonly memory: Memory;
  readonly storm: Storm;
  /** By servers, all voting, T = 10 s. */
  readonly loads: readonly Load[];
  /** Other choices of voters and T. */
  readonly variants: readonly Load[];
}

/** The findings as tables in Markdown. */
export function tablesOf(findings: Findings): string {
  return [
    "# Tables of the scale model",
    "Written by `npm run sim:scale`. What they mean is said in [README.md](README.md).",
    growthTable(findings.growth),
    loadTable([...findings.loads, ...findings.variants]),
    holdTable([...findings.loads, ...findings.variants]),
    memoryTable(findings.memory),
    placementTable(findings.placements),
    hotKeyTable(findings.hotKeys),
    stormTable(findings.storm),
  ].join("\n\n");
}

function growthTable(growth: readonly Growth[]): string {
  const rows = growth.flatMap(({ servers, costs }) =>
    OPERATIONS.map((operation) => {
      const { frames, bytes, cpuMicros, delays } = costs[operation];
      return [
        count(servers),
        operation,
        frames.toFixed(1),
        count(bytes),
        operation === "watch" ? "" : delays.toFixed(1),
        count(cpuMicros),
      ];
    }),
  );
  return section(
    "One operation, by members",
    "The production core and codec, every member running, on virtual time. Frames and bytes between servers, both ways; processor time of all servers together.",
    ["members", "operation", "frames", "bytes", "network delays", "CPU, µs"],
    rows.sort((a, b) => OPERATIONS.indexOf(a[1] as never) - OPERATIONS.indexOf(b[1] as never)),
  );
}

function loadTable(loads: readonly Load[]): string {
  return section(
    "Frames that one server sends a second, in the busy hour",
    `${count(HABITS.usersPerServer)} users a server; each moves once and logs in twice in the hour, is looked up ${HABITS.lookupsPerHour} times by who does not watch her, and watches ${HABITS.buddies} people. Renewals are those of a voter, asked and answered.`,
    ["servers", "voters", "users", "T", ...FLOWS, "together", "kB/s on the wire"],
    loads.map((load) => [
      count(load.servers),
      count(load.voters),
      millions(load.users),
      `${load.leaseMs / 1_000} s`,
      ...FLOWS.map((name) => count(load.flows[name].framesPerSecond)),
      count(totalOf(load).framesPerSecond),
      count(totalOf(load).bytesPerSecond / 1_000),
    ]),
  );
}

function holdTable(loads: readonly Load[]): string {
  return section(
    "What one server holds",
    "Of a server that votes.",
    [
      "servers",
      "voters",
      "registers",
      "users watched",
      "heap of the directory, MB",
      "sessions",
      "links",
      "roster, kB",
      "roster pushed by the steward at a change, MB",
    ],
    loads.map((load) => [
      count(load.servers),
      count(load.voters),
      count(load.heldRegisters),
      count(load.watchedUsers),
      count(load.heapBytes / 1e6),
      count(load.sessions),
      count(load.links),
      count(load.rosterBytes / 1_000),
      count((load.rosterBytes * load.links) / 1e6),
    ]),
  );
}

function memoryTable(memory: Memory): string {
  return section(
    "Heap of one item",
    "In the production core, after a collection of garbage.",
    ["item", "octets", "how many"],
    [
      ["register at a replica", count(memory.register), "5 for each user of the domain, over all voters"],
      ["user owned", count(memory.ownership), "one at her server"],
      ["user watched, at the watching server", count(memory.watch), "one for each server that watches her"],
      [
        "user watched, at a replica",
        count(memory.watchAtReplica),
        "5 for each server that watches her, over all voters",
      ],
      ["session at a replica", count(memory.session), "one for each server"],
      ["replica group", count(memory.group), "about 1.1 for each voter"],
    ],
  );
}

function placementTable(placements: readonly Placement[]): string {
  return section(
    "Placement",
    "Registers by real SHA-256 of real peer ids and AoRs, as multiples of the mean.",
    ["servers", "fullest", "99 of 100 below", "emptiest", "distinct groups"],
    placements.map(({ servers, fullest, p99, emptiest, groups }) => [
      count(servers),
      fullest.toFixed(2),
      p99.toFixed(2),
      emptiest.toFixed(2),
      count(groups),
    ]),
  );
}

function hotKeyTable(hotKeys: readonly HotKey[]): string {
  return section(
    "One move of a user whom every server watches",
    "The production core.",
    [
      "servers",
      "frames with notices",
      "from the busiest replica",
      "kB",
      "questions to the owner",
      "last watcher told, network delays after the claim",
    ],
    hotKeys.map(({ servers, notices, fromOne, bytes, confirmations, delays }) => [
      count(servers),
      count(notices),
      count(fromOne),
      (bytes / 1_000).toFixed(1),
      count(confirmations),
      delays.toFixed(1),
    ]),
  );
}

function stormTable(storm: Storm): string {
  const most = (read: (slice: Slice) => number) => Math.max(...storm.slices.map(read)) / (storm.sliceMs / 1_000);
  const total = (read: (slice: Slice) => number) => storm.slices.map(read).reduce((a, b) => a + b, 0);
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  return section(
    `One of ${storm.servers} servers dies with ${count(storm.users)} users`,
    `Each watched by ${storm.watchers} other server; their clients register elsewhere at random instants within ${seconds(storm.returnMs)}; T = 10 s. The production core; peaks are of ${storm.sliceMs} ms.`,
    ["what", "figure"],
    [
      ["every watcher knows that its user is nowhere", `${seconds(storm.allToldMs)} after the death`],
      ["last user served again", `${seconds(storm.allServedMs)} after the death`],
      ["claims that failed", count(storm.failed)],
      ["frames of the directory, all servers, in all", count(total(({ frames }) => frames))],
      ["peak of frames a second, one server in the mean", count(most(({ frames }) => frames) / (storm.servers - 1))],
      ["peak of claims granted a second, whole domain", count(most(({ claimed }) => claimed))],
      [
        "peak of watchers told of the new owner a second (each then subscribes)",
        count(most(({ toldOwner }) => toldOwner)),
      ],
      ["processor time, all servers together", `${storm.cpuSeconds.toFixed(1)} s`],
    ],
  );
}

function section(title: string, text: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, at) => (at === 0 ? "---" : "---:")), ...rows];
  return `## ${title}\n\n${text}\n\n${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}\n`;
}

function count(value: number): string {
  return (value < 10 ? Number(value.toFixed(1)) : Math.round(value)).toLocaleString("en-GB");
}

function millions(users: number): string {
  return `${Number((users / 1e6).toPrecision(2))} M`;
}
