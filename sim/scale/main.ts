import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chartsOf } from "./charts.ts";
import { measureGrowth } from "./growth.ts";
import { measureHotKey } from "./hot-key.ts";
import { measureMemory } from "./memory.ts";
import type { Load } from "./model.ts";
import { loadOf } from "./model.ts";
import { measurePlacement } from "./placement.ts";
import { measureStorm } from "./storm.ts";
import type { Findings } from "./tables.ts";
import { tablesOf } from "./tables.ts";

const USAGE = `Usage: npm run sim:scale -- [options]

Measures the production code in domains of many servers on virtual time, computes from that what a server sends and holds in
domains of 10 to 10,000, and writes tables in Markdown and charts as SVG.

  --out DIR         where to write (default: docs/scale)
  --storm-users N   users of the server that dies (default 10000; 100000 takes some minutes)
  --quick           a small run that touches everything, to see that it works
`;

const { values } = (() => {
  try {
    return parseArgs({
      options: {
        out: { type: "string", default: "docs/scale" },
        "storm-users": { type: "string", default: "10000" },
        quick: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return usageError((error as Error).message);
  }
})();
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const users = Number(values["storm-users"]);
if (!Number.isSafeInteger(users) || users < 1) usageError("--storm-users takes a whole number above 0");

function usageError(message: string): never {
  process.stderr.write(`sim:scale: ${message}\n\n${USAGE}`);
  process.exit(2);
}

const say = (what: string) => process.stderr.write(`${what} …\n`);
const { quick } = values;

say("costs of operations, by members");
const growth = (quick ? [3, 10, 30] : [3, 10, 30, 100, 300, 1_000]).map((members) => measureGrowth(members));
say("a user whom every server watches");
const hotKeys = (quick ? [10, 30] : [10, 30, 100, 300, 1_000]).map(measureHotKey);
say("placement");
const placements = (quick ? [10, 100] : [10, 30, 100, 300, 1_000, 3_000, 10_000]).map((servers) =>
  measurePlacement(servers),
);
say("heap of each item");
const memory = measureMemory();
say(`a server with ${users} users dies`);
const storm = measureStorm({ servers: 30, users: quick ? 300 : users, watchers: 1, returnMs: 30_000 });

const { costs } = growth.at(-1) as (typeof growth)[number];
const lastHot = hotKeys.at(-1) as (typeof hotKeys)[number];
const measured = { costs, memory, noticesPerWatcher: lastHot.notices / (lastHot.servers - 1) };
const loads: Load[] = [];
for (const servers of [10, 30, 100, 300, 1_000, 3_000, 10_000]) loads.push(await loadOf(servers, measured));
const variants = [
  await loadOf(1_000, measured, { leaseMs: 30_000 }),
  await loadOf(10_000, measured, { voters: 1_024 }),
  await loadOf(10_000, measured, { leaseMs: 60_000 }),
];
const findings: Findings = { growth, hotKeys, placements, memory, storm, loads, variants };

mkdirSync(values.out, { recursive: true });
for (const [name, svg] of Object.entries(chartsOf(findings))) writeFileSync(join(values.out, `${name}.svg`), svg);
const tables = tablesOf(findings);
writeFileSync(join(values.out, "tables.md"), tables);
process.stdout.write(tables);
