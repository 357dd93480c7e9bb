import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { directoryPart } from "./directory-part.ts";
import { checkNames, readOptions } from "./options.ts";
import { wantedParts } from "./part.ts";
import { summarizeProfiles } from "./profile.ts";
import { sipPart } from "./sip/sip-part.ts";

const options = readOptions();
const { rounds, only, json, profile } = options;
const all = [await directoryPart(profile), sipPart(profile)];
checkNames(only, all);
if (profile !== undefined) await mkdir(profile, { recursive: true });

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const startMs = performance.now();
const loadBefore = (loadavg()[0] as number).toFixed(1);
const data: Record<string, object> = {};
for (const part of wantedParts(only, all)) {
  const report = await part.run(options);
  data[part.name] = report.data;
  process.stdout.write(`${report.text}\n`);
}
const seconds = Math.round((performance.now() - startMs) / 1000);
process.stdout.write(
  `Medians of ${rounds} rounds on ${cpus().length} cores, Node ${process.version}, ${seconds} s; the machine's load before: ${loadBefore}. Compare ratios: absolutes are of this machine, now.\n`,
);
if (profile !== undefined) process.stdout.write(`\n${await summarizeProfiles(profile)}`);
if (json !== undefined)
  await writeFile(json, `${JSON.stringify({ rounds, node: process.version, loadBefore, ...data }, null, 1)}\n`);
