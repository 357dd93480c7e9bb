import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ChaosOptions } from "../../node/cli/commands/chaos/options.ts";
import { exitCode } from "../../node/cli/exit-code.ts";
import { note, paint, print, printJson } from "../../node/cli/terminal.ts";
import { ConfigurationError } from "../../node/runtime/errors.ts";
import { ChaosFault } from "./child.ts";
import type { ChaosPlan } from "./plan.ts";
import { planChaos } from "./plan.ts";
import { ProgressLine } from "./report/progress-line.ts";
import { renderPage } from "./report/page.ts";
import { renderSummary } from "./report/summary.ts";
import { replayCommand } from "./report/facts.ts";
import type { RunResult } from "./run.ts";
import { runChaos } from "./run.ts";

/** A quarter: a lease that is believed to last four times as long as it does. */
const wrongRate = 0.25;
/** One Ctrl-C can arrive several times: from the terminal and from whoever passes it on. */
const samePressMs = 1000;

/** `aorta chaos`: runs a plan, shows progress, reports. Resolves with the exit code. @throws {ConfigurationError} `REPORT_EXISTS` */
export async function runCommand(options: ChaosOptions): Promise<number> {
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 31);
  const plan = planChaos({
    seed,
    servers: options.servers,
    chaosMs: options.minutes * 60_000,
    leaseMs: options.lease,
    ...(options.wrongClock !== undefined && { wrongClockAt: options.wrongClock }),
  });
  const folder = openFolder(options.report);
  writeFileSync(join(folder, "plan.json"), `${JSON.stringify(plan, undefined, 1)}\n`);
  const minutes = `${options.minutes} ${options.minutes === 1 ? "minute" : "minutes"}`;
  note(`chaos with seed ${seed}: ${plan.servers} servers, ${plan.users.length} users, ${plan.faults.length} faults in ${minutes}`); // prettier-ignore
  const progress = new ProgressLine(plan, process.stderr);
  try {
    const result = await runChaos({
      plan,
      folder,
      signal: interruption(),
      onProgress: (step) => progress.show(step),
      ...(options.wrongClock !== undefined && { wrongClock: { place: options.wrongClock, rate: wrongRate } }),
    });
    progress.clear();
    return report(result, folder, options);
  } catch (error) {
    progress.clear();
    if (!(error instanceof ChaosFault)) throw error;
    return reportFault(error, plan, folder, options);
  }
}

/** A new folder for everything that the run leaves behind. */
function openFolder(wanted: string | undefined): string {
  if (wanted === undefined) return mkdtempSync(join(tmpdir(), "aorta-chaos-"));
  const folder = resolve(wanted);
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new ConfigurationError("REPORT_EXISTS", `${folder} is not empty: choose a new folder with --report`);
  }
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Aborted by the first Ctrl-C; the second ends the process, and its servers with it. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  let askedMs: number | undefined;
  const stop = () => {
    askedMs ??= performance.now();
    if (!controller.signal.aborted) return controller.abort();
    if (performance.now() - askedMs > samePressMs) process.exit(exitCode.interrupted);
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}

function report(result: RunResult, folder: string, { json }: ChaosOptions): number {
  const { plan, findings, figures, fromMs, interrupted, identities } = result;
  const ok = findings.length === 0;
  const page = join(folder, "report.html");
  writeFileSync(page, renderPage(result));
  // Of a clean run the report is what is of interest; of the other everything is.
  if (ok) for (const { name } of identities) rmSync(join(folder, name), { recursive: true, force: true });
  const replay = replayCommand(result);
  const broken = findings.map(({ promise, atMs, what }) => ({ promise, atSeconds: (atMs - fromMs) / 1000, what }));
  const { seed, servers, chaosMs, leaseMs } = plan;
  const summary = { seed, servers, minutes: chaosMs / 60_000, leaseMs, ok, interrupted, findings: broken, figures };
  writeFileSync(join(folder, "report.json"), `${JSON.stringify({ ...summary, replay }, undefined, 1)}\n`);
  if (json) printJson({ ...summary, replay, report: page });
  else for (const line of renderSummary(result, page)) print(line);
  if (!ok) return exitCode.failure;
  return interrupted ? exitCode.interrupted : exitCode.ok;
}

/** The run did not work out: nothing is known of the promises. */
function reportFault({ message }: ChaosFault, plan: ChaosPlan, folder: string, { json }: ChaosOptions): number {
  const { seed, servers, chaosMs, leaseMs } = plan;
  const replay = replayCommand({ plan, wrongClock: undefined });
  if (json) printJson({ seed, servers, minutes: chaosMs / 60_000, leaseMs, ok: false, error: message, replay, folder });
  else {
    print(paint("bad", `the run did not work out: ${message}`));
    print(`replay: ${replay}`);
    print(`all logs: ${folder}`);
  }
  return exitCode.failure;
}
