import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg } from "node:os";
import { Aorta } from "./aorta/aorta.ts";
import { readOptions } from "./options.ts";
import { summarizeProfiles } from "./profile.ts";
import type { PeerName } from "./peers/clusters.ts";
import { peerKinds } from "./peers/clusters.ts";
import { Peer } from "./peers/peer.ts";
import { RawLimit } from "./raw/raw-limit.ts";
import { judge } from "./report/goals.ts";
import { report } from "./report/table.ts";
import { Results } from "./report/results.ts";
import type { Plan, System } from "./system.ts";

const folder = process.argv.find((_, index, all) => all[index - 1] === "--profile");
const peerNames = Object.keys(peerKinds) as readonly PeerName[];
const peers = (await Promise.all(peerNames.map((name) => Peer.find(name)))).filter((peer) => peer !== undefined);
const absent = peerNames.filter((name) => !peers.some((peer) => peer.name === name));
const available: readonly System[] = [new RawLimit(), new Aorta(3, folder), new Aorta(5, folder), ...peers];
const systemNames = new Set(available.map(({ name }) => name));
const operationNames = new Set(available.flatMap(({ operations }) => operations.map(({ name }) => name)));
const { plan, rounds, only, json, profile } = readOptions(new Set([...systemNames, ...operationNames]));
const isWanted = (name: string, among: ReadonlySet<string>) =>
  only.has(name) || [...only].every((other) => !among.has(other));
const systems = available.filter(({ name }) => name === "raw" || isWanted(name, systemNames));
const results = new Results();

/** One line that changes on a terminal, a line each elsewhere. */
function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`);
}

/** All systems in turn, so that whatever else the machine does meanwhile falls on all of them. */
async function runRound(round: number, of: Plan): Promise<void> {
  for (const system of systems) {
    for (const operation of system.operations) {
      if (system.name !== "raw" && !isWanted(operation.name, operationNames)) continue;
      if (operation.once === true && round !== rounds) continue;
      progress(
        round === 0
          ? `warming up: ${system.name} ${operation.name}`
          : `round ${round} of ${rounds}: ${system.name} ${operation.name}`,
      );
      const figures = await operation.run(of);
      if (round > 0) results.add({ round, system: system.name, operation: operation.name, figures });
    }
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const startMs = performance.now();
const loadBefore = (loadavg()[0] as number).toFixed(1);
try {
  if (profile !== undefined) await mkdir(profile, { recursive: true });
  for (const system of systems) {
    progress(`starting ${system.name}`);
    await system.start();
  }
  await runRound(0, { ...plan, phaseMs: plan.phaseMs / 2 });
  for (let round = 1; round <= rounds; round++) await runRound(round, plan);
} finally {
  await Promise.all(systems.map((system) => system.stop()));
}
const seconds = (performance.now() - startMs) / 1000;
progress("");
process.stdout.write(
  `${report(results)}\nMedians of ${rounds} rounds on ${cpus().length} cores, Node ${process.version}, ${Math.round(seconds)} s; the machine's load before: ${loadBefore}. Compare ratios: absolutes are of this machine, now.\n`,
);
for (const peer of peers) if (systems.includes(peer)) process.stdout.write(`${peer.name}: ${peer.how}.\n`);
if (absent.length > 0) process.stdout.write(`Not installed, so not compared: ${absent.join(", ")}.\n`);
if (profile !== undefined) process.stdout.write(`\n${await summarizeProfiles(profile)}`);
if (json !== undefined) {
  const { samples } = results;
  await writeFile(
    json,
    `${JSON.stringify({ rounds, plan, node: process.version, loadBefore, samples, goals: judge(results) }, null, 1)}\n`,
  );
}
