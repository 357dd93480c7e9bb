import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FuzzFailure } from "./fuzzer.ts";
import { FUZZERS } from "./fuzzers.ts";
import { measureGrowth } from "./growth.ts";

const USAGE = `npm run fuzz -- [--what ${[...FUZZERS.keys()].join("|")}] [--seed N] [--count N]`;
/** A run leaves caches and compiled code behind, but nothing that depends on how many messages there were. */
const HEAP_MAX_MB = 20;
/** Between linear and quadratic, nearer to linear. */
const EXPONENT_MAX = 1.4;
/** Below it, the time is that of starting, not of reading. */
const GROWTH_FROM_MS = 1;

function heapMb(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed / 1024 ** 2;
}

function integer(text: string, name: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  return refuse(`--${name} is a number, not ${JSON.stringify(text)}`);
}

function refuse(what: string): never {
  process.stderr.write(`${what}\n${USAGE}\n`);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    what: { type: "string", default: "messages" },
    seed: { type: "string" },
    count: { type: "string", default: "100000" },
    help: { type: "boolean" },
  },
});
if (values.help === true) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}
const fuzzer = FUZZERS.get(values.what) ?? refuse(`--what is none of ${[...FUZZERS.keys()].join(", ")}`);
const seed = values.seed === undefined ? randomBytes(3).readUIntBE(0, 3) : integer(values.seed, "seed");
const count = integer(values.count, "count");
process.stdout.write(`seed ${seed}, ${count} ${fuzzer.plural}\n`);

let failed = false;
try {
  await fuzzer.run({ seed, count: Math.min(count, 2000) });
  const beforeMb = heapMb();
  const cpu = process.cpuUsage();
  const { shown, findings } = await fuzzer.run({
    seed,
    count,
    onProgress: (done) => {
      if (process.stdout.isTTY || done % 100_000 === 0) process.stdout.write(`${done}\n`);
    },
  });
  const { user, system } = process.cpuUsage(cpu);
  const grownMb = heapMb() - beforeMb;
  process.stdout.write(
    [
      ...shown,
      ...findings.slice(0, 20),
      `${Math.round((user + system) / count)} µs of CPU each, with all checks`,
      `heap grown by ${grownMb.toFixed(1)} MB`,
      "",
    ].join("\n"),
  );
  if (grownMb > HEAP_MAX_MB || findings.length > 0) failed = true;
} catch (error) {
  if (!(error instanceof FuzzFailure)) throw error;
  process.stdout.write(`${error.message}\n${(error.cause as Error | undefined)?.stack ?? ""}\n`);
  failed = true;
}

for (const { what, exponent, ms } of measureGrowth(fuzzer.families, fuzzer.read)) {
  const isTooMuch = exponent > EXPONENT_MAX && ms > GROWTH_FROM_MS;
  process.stdout.write(
    `${what}: time grows with length^${exponent.toFixed(2)}, ${ms.toFixed(2)} ms for 60 KiB${isTooMuch ? " TOO MUCH" : ""}\n`,
  );
  failed ||= isTooMuch;
}
process.stdout.write(
  failed ? `failed; again: npm run fuzz -- --what ${values.what} --seed ${seed} --count ${count}\n` : "nothing broke\n",
);
process.exitCode = failed ? 1 : 0;
