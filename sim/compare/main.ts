import { parseArgs } from "node:util";
import { addFigures, noFigures } from "./measures.ts";
import type { Row } from "./report.ts";
import { tableOf } from "./report.ts";
import { compareRun, CONTEST_MS, CONTESTED, WEATHERS } from "./run.ts";
import type { WayName } from "./ways.ts";
import { WAYS } from "./ways.ts";

const USAGE = `Usage: npm run sim:compare -- [options]

Runs the same workload over five ways to keep one owner a user, in three weathers, on virtual time, and prints tables in Markdown.

  --seed N      first seed (default 1)
  --seeds N     runs of each way in each weather, whose figures are added (default 1)
  --servers N   servers (default 24)
  --users N     users (default 200)
  --minutes N   virtual minutes of a run (default 20)
`;

function usageError(message: string): never {
  process.stderr.write(`sim:compare: ${message}\n\n${USAGE}`);
  process.exit(2);
}

function readOptions() {
  const number = { type: "string" } as const;
  try {
    return parseArgs({
      options: {
        seed: number,
        seeds: number,
        servers: number,
        users: number,
        minutes: number,
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return usageError((error as Error).message);
  }
}

const values = readOptions();
if (values.help === true) {
  process.stdout.write(USAGE);
  process.exit(0);
}

function wholeNumber(name: "seed" | "seeds" | "servers" | "users", fallback: number): number {
  const value = Number(values[name] ?? fallback);
  return Number.isSafeInteger(value) && value > 0 ? value : usageError(`--${name} takes a whole number above 0`);
}

const [seed, seeds] = [wholeNumber("seed", 1), wholeNumber("seeds", 1)];
const [servers, users] = [wholeNumber("servers", 24), wholeNumber("users", 200)];
const minutes = Number(values.minutes ?? 20);
if (!(minutes > 0)) usageError("--minutes takes a number above 0");
if (servers < 3 || servers > 200) usageError("--servers takes 3 to 200");

process.stdout.write(
  `${servers} servers, ${users} users, ${seeds} × ${minutes} virtual minutes from seed ${seed}; ` +
    `in ${CONTESTED * 100} % of the moves a second server claims the user within ${CONTEST_MS} ms.\n`,
);
for (const weather of WEATHERS) {
  const rows: Row[] = [];
  for (const [way, name] of Object.entries(WAYS)) {
    const figures = noFigures();
    for (let run = seed; run < seed + seeds; run++) {
      if (process.stderr.isTTY) process.stderr.write(`\r${weather.name}: ${name}, seed ${run}\u001b[K`);
      addFigures(figures, compareRun(way as WayName, weather, { seed: run, servers, users, minutes }));
    }
    rows.push({ way: name, figures, servers, minutes: minutes * seeds, delayMs: weather.network.delayMs });
  }
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  process.stdout.write(`\n**${weather.name}**\n\n${tableOf(rows)}`);
}
