import type { Verdict } from "../report/goals.ts";
import { format } from "../report/goals.ts";
import { goalTable } from "../report/report.ts";
import { table } from "../report/table.ts";
import type { SipPlan } from "./operations.ts";
import type { SipResults } from "./results.ts";

/** Where Aorta has to be beside Kamailio. Rates and absolute CPU are of this machine. */
export function judgeSip(results: SipResults): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  const add = (goal: string, value: number | undefined, met: (value: number) => boolean, unit: string) => {
    const measured = value === undefined ? "not measured" : `${format(value)}${unit}`;
    verdicts.push({ goal, measured, met: value === undefined ? undefined : met(value) });
  };
  const atMost = (bound: number) => (value: number) => value <= bound;
  const atLeast = (bound: number) => (value: number) => value >= bound;
  const { value, cpuRatio } = { value: results.value.bind(results), cpuRatio: results.cpuRatio.bind(results) };

  const oneHop = { system: "kamailio", operation: "message" };
  const replicated = { system: "kamailio-2", operation: "register" };
  const across = cpuRatio("aorta-3", "message-across", oneHop);
  add("a MESSAGE across two servers for twice the CPU of Kamailio's one hop", across, atMost(2), " ×");
  add("8,000 MESSAGEs a second at one node", value("aorta-1", "message-rate", "perSecond"), atLeast(8000), " /s");
  const register = cpuRatio("aorta-3", "register", replicated);
  add("a REGISTER with its claim, three servers, for the CPU of Kamailio × 2 with DMQ", register, atMost(1), " ×");
  add("10,000 NOTIFYs a second", value("aorta-1", "notify", "perSecond"), atLeast(10_000), " /s");
  add("a NOTIFY for 45 µs of CPU", value("aorta-1", "notify", "cpuMicros"), atMost(45), " µs");
  const crossings = value("aorta-3", "notify", "crossingsPerChange");
  add("a change crosses the mesh once for each of two servers with watchers", crossings, (n) => n === 2, " NOTIFYs");
  return verdicts;
}

/** The figures and the goals, for people. */
export function reportSip(results: SipResults, plan: SipPlan, markdown: boolean): string {
  const rows = results.rows().map(({ system, operation }) => {
    const cell = (metric: "perSecond" | "cpuMicros") => {
      const value = results.value(system.name, operation.name, metric);
      return value === undefined ? "–" : format(value);
    };
    const ratio = results.cpuRatio(system.name, operation.name, operation.base);
    const { raw } = operation;
    const above =
      raw === undefined
        ? undefined
        : results.cpuRatio(system.name, operation.name, { system: raw, operation: operation.name });
    const failures = [...results.failures(system.name, operation.name)].map(
      ([cause, count]) => `${format(count)} × ${cause}`,
    );
    return [
      operation.title,
      system.title,
      cell("perSecond"),
      cell("cpuMicros"),
      ratio === undefined ? "" : `${format(ratio)} ×`,
      above === undefined ? "" : `${format(above)} ×`,
      failures.join(", "),
    ];
  });
  const titles = [
    "operation",
    "system",
    "per second",
    "CPU µs, all servers",
    "CPU by Kamailio's",
    "by the relay's",
    "failed",
  ];
  const { calls, watchers, changes } = plan;
  const how = `${format(calls)} calls a round, 64 under way; NOTIFY: ${format(watchers)} watchers, ${changes} changes of one user. MESSAGE across servers is compared with Kamailio's one hop. The relay passes datagrams on unread. All on UDP, sharing the cores with the load.`;
  return `${table([titles, ...rows], markdown)}\n\n${how}\n\n${goalTable(judgeSip(results), markdown)}\n`;
}
