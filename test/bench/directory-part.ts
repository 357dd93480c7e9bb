import { Aorta } from "./aorta/aorta.ts";
import type { BenchOptions, Part, PartReport } from "./part.ts";
import { isWanted, progress } from "./part.ts";
import type { PeerName } from "./peers/clusters.ts";
import { peerKinds } from "./peers/clusters.ts";
import { Peer } from "./peers/peer.ts";
import { RawLimit } from "./raw/raw-limit.ts";
import { judge } from "./report/goals.ts";
import { report } from "./report/report.ts";
import { Results } from "./report/results.ts";
import type { Plan, System } from "./system.ts";

const FULL: Plan = {
  sequential: 500,
  parallel: 20_000,
  phaseMs: 2000,
  notices: 200,
  bindings: 100_000,
  idleMs: 10_000,
};
const QUICK: Plan = { sequential: 200, parallel: 5000, phaseMs: 1000, notices: 100, bindings: 20_000, idleMs: 2500 };

/** Claims, moves, lookups and notices, beside raw TCP and the key-value stores that are installed. @param profile folder for CPU profiles */
export async function directoryPart(profile: string | undefined): Promise<Part> {
  const peerNames = Object.keys(peerKinds) as readonly PeerName[];
  const peers = (await Promise.all(peerNames.map((name) => Peer.find(name)))).filter((peer) => peer !== undefined);
  const available: readonly System[] = [new RawLimit(), new Aorta(3, profile), new Aorta(5, profile), ...peers];
  const absent = peerNames.filter((name) => !peers.some((peer) => peer.name === name));
  const systems = new Set([...available.map(({ name }) => name), ...absent]);
  const operations = new Set(available.flatMap((system) => system.operations.map(({ name }) => name)));
  return {
    name: "directory",
    systems,
    operations,
    async run(options) {
      const wanted = available.filter(({ name }) => name === "raw" || isWanted(options.only, name, systems));
      const { text, data } = await run(wanted, operations, options);
      const how = peers.filter((peer) => wanted.includes(peer)).map((peer) => `${peer.name}: ${peer.how}.\n`);
      const missing = absent.length === 0 ? "" : `Not installed, so not compared: ${absent.join(", ")}.\n`;
      return { text: `${text}${how.join("")}${missing}`, data };
    },
  };
}

async function run(
  systems: readonly System[],
  names: ReadonlySet<string>,
  { quick, rounds, only, markdown }: BenchOptions,
): Promise<PartReport> {
  const plan = quick ? QUICK : FULL;
  const results = new Results();
  /** All systems in turn, so that whatever else the machine does meanwhile falls on all of them. */
  const runRound = async (round: number, of: Plan): Promise<void> => {
    for (const { name: system, operations } of systems) {
      for (const operation of operations) {
        if (system !== "raw" && !isWanted(only, operation.name, names)) continue;
        if (operation.once === true && round !== rounds) continue;
        const what = `${system} ${operation.name}`;
        progress(round === 0 ? `warming up: ${what}` : `round ${round} of ${rounds}: ${what}`);
        const figures = await operation.run(of);
        if (round > 0) results.add({ round, system, operation: operation.name, figures });
      }
    }
  };
  try {
    for (const system of systems) {
      progress(`starting ${system.name}`);
      await system.start();
    }
    await runRound(0, { ...plan, phaseMs: plan.phaseMs / 2 });
    for (let round = 1; round <= rounds; round++) await runRound(round, plan);
  } finally {
    await Promise.all(systems.map((system) => system.stop()));
  }
  progress("");
  return { text: report(results, markdown), data: { plan, samples: results.samples, goals: judge(results) } };
}
