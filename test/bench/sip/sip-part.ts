import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../../interop/programs.ts";
import type { BenchOptions, Part, PartReport } from "../part.ts";
import { isWanted, progress } from "../part.ts";
import type { SipFigures, SipOperation, SipPlan } from "./operations.ts";
import { sipOperations } from "./operations.ts";
import { judgeSip, reportSip } from "./report.ts";
import { SipResults } from "./results.ts";
import { Sipp } from "./sipp.ts";
import { RelaySystem } from "./relay-system.ts";
import type { SipSystem } from "./systems.ts";
import { AortaSystem, KamailioSystem } from "./systems.ts";
import { UserAgent } from "./user-agent.ts";

const FULL: SipPlan = { calls: 10_000, watchers: 1000, watched: 3, changes: 10 };
const QUICK: SipPlan = { calls: 3000, watchers: 1000, watched: 1, changes: 5 };

/** Node compiles what is hot over the first ten to twenty thousand calls, in which one costs up to three times what it does later. */
const WARM_UP_CALLS = 15_000;

/** Aorta beside Kamailio, under the same load of SIPp and of watchers. @param profile folder for CPU profiles */
export function sipPart(profile: string | undefined): Part {
  const folder = mkdtempSync(join(tmpdir(), "aorta-bench-sip-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const programs = { sipp: findProgram("sipp"), kamailio: findProgram("kamailio") };
  const operations = sipOperations(new Sipp(programs.sipp ?? "sipp", folder));
  const names = new Set(operations.map(({ name }) => name));
  const all: readonly SipSystem[] = [
    new KamailioSystem(programs.kamailio ?? "kamailio", folder, 1),
    new KamailioSystem(programs.kamailio ?? "kamailio", folder, 2),
    new RelaySystem(1),
    new RelaySystem(2),
    new AortaSystem(1, profile),
    new AortaSystem(3, profile),
  ];
  const systems = new Set(all.map(({ name }) => name));
  return {
    name: "sip",
    systems,
    operations: names,
    async run(options) {
      const { only } = options;
      const missing = Object.entries(programs).flatMap(([name, path]) => (path === undefined ? [name] : []));
      const absent = missing.length === 0 ? "" : `Not installed, so not used: ${missing.join(", ")}.\n`;
      const isHere = (system: SipSystem) => programs.kamailio !== undefined || !(system instanceof KamailioSystem);
      const hasLoad = ({ isBySipp }: SipOperation) => programs.sipp !== undefined || !isBySipp;
      const { text, data } = await run(
        all.filter((system) => isWanted(only, system.name, systems) && isHere(system)),
        operations.filter((operation) => isWanted(only, operation.name, names) && hasLoad(operation)),
        options,
      );
      return { text: `${text}${absent}`, data };
    },
  };
}

async function run(
  systems: readonly SipSystem[],
  operations: readonly SipOperation[],
  { quick, rounds, calls, markdown }: BenchOptions,
): Promise<PartReport> {
  const usual = quick ? QUICK : FULL;
  const plan = { ...usual, calls: calls ?? usual.calls };
  const results = new SipResults();
  try {
    for (const system of systems) {
      progress(`starting ${system.title}`);
      await system.start();
      for (const port of system.ports) await isUp(port);
    }
    const ended = new Set<SipSystem>();
    // Round 0 warms up.
    for (let round = 0; round <= rounds; round++) {
      for (const operation of operations) {
        for (const system of systems) {
          if (!operation.applies(system) || ended.has(system)) continue;
          const what = `${system.title}, ${operation.title}`;
          progress(round === 0 ? `warming up: ${what}` : `round ${round} of ${rounds}: ${what}`);
          const load = round === 0 ? warmUpOf(plan) : plan;
          let figures = await operation.run(system, load).catch((error: Error) => failed(error.message));
          if (!system.pids.every(isAlive)) {
            ended.add(system);
            figures = failed("a server has ended: no more of this system", figures);
          }
          if (round > 0 || ended.has(system)) results.add({ round, system, operation, figures });
        }
      }
    }
  } finally {
    for (const system of systems) await system.stop();
  }
  progress("");
  const data = { plan, samples: results.toJSON(), goals: judgeSip(results) };
  return { text: reportSip(results, plan, markdown), data };
}

function warmUpOf(plan: SipPlan): SipPlan {
  const all = Math.max(Math.ceil(WARM_UP_CALLS / plan.watchers), plan.watched, plan.changes);
  return { ...plan, calls: WARM_UP_CALLS, watched: all, changes: all };
}

/** Rates and CPU of what went wrong say nothing. */
function failed(cause: string, figures: SipFigures = { succeeded: 0, failures: {} }): SipFigures {
  return { succeeded: figures.succeeded, failures: { ...figures.failures, [cause]: 1 } };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function isUp(port: number): Promise<void> {
  const agent = await UserAgent.open("bench");
  await agent.ask({ method: "OPTIONS", port, uri: `sip:127.0.0.1:${port}`, to: "<sip:example.com>" });
  agent.close();
}
