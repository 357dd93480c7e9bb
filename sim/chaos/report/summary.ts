import { facts, paint, table } from "../../../node/cli/terminal.ts";
import type { RunResult } from "../run.ts";
import { inSeconds } from "./drawing.ts";
import { factsOf, replayCommand, verdictOf } from "./facts.ts";

/** How many broken promises are listed; all are in the report. */
const findingsShown = 20;

/** A run on the terminal: verdict, figures, what was broken, where the report is. */
export function renderSummary(result: RunResult, page: string): string[] {
  const { plan, findings, figures, fromMs } = result;
  const verdict = verdictOf(result);
  const broken = findings.slice(0, findingsShown).map(({ promise, atMs, what }) => [promise, inSeconds(atMs - fromMs), what]); // prettier-ignore
  const outages = Object.entries(figures.longestOutageMs).map(([user, ms]) => [user, ms === 0 ? "none" : inSeconds(ms)]); // prettier-ignore
  return [
    `seed ${plan.seed}: ${paint(verdict.isGood ? "good" : "bad", verdict.text)}`,
    ...(broken.length === 0 ? [] : ["", ...table(["promise", "at", "what"], broken)]),
    ...(findings.length > broken.length ? [`… and ${findings.length - broken.length} more in the report`] : []),
    "",
    ...facts(factsOf(result).map(({ name, value, note }): [string, string] => [name, `${value} (${note})`])),
    "",
    ...table(["longest time without an owner", ""], outages),
    "",
    ...facts([
      ["report", page],
      ["replay", replayCommand(result)],
    ]),
  ];
}
