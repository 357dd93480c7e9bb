import type { RunResult } from "../run.ts";
import { inSeconds } from "./drawing.ts";

/** How a run ended, in a sentence. */
export interface Verdict {
  readonly isGood: boolean;
  readonly text: string;
}

/** One figure: `claims won`, `185`, `3.0 a second`. */
export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly note: string;
}

export function verdictOf({ findings, interrupted, figures }: RunResult): Verdict {
  const [first] = findings;
  const until = interrupted ? ` until it was interrupted after ${Math.round(figures.seconds)} s` : "";
  if (first === undefined) return { isGood: true, text: `every promise was kept${until}` };
  const promises = [...new Set(findings.map(({ promise }) => promise))].join(", ");
  return { isGood: false, text: `${findings.length === 1 ? "a promise was" : `${findings.length} times promises were`} broken: ${promises}` }; // prettier-ignore
}

/** What a run came to, for people. */
export function factsOf({ figures, troubles }: RunResult): Fact[] {
  const { claims, moves, registrations, longestOutageMs, messages, notifications, faults } = figures;
  const [user, outageMs] = Object.entries(longestOutageMs).sort((a, b) => b[1] - a[1])[0] ?? ["nobody", 0];
  const kinds = Object.entries(faults).map(([kind, count]) => `${kind} ${count}`);
  const tried = registrations.accepted + registrations.refused + registrations.unanswered;
  return [
    { name: "faults", value: String(troubles.length), note: kinds.join(", ") || "none" },
    { name: "claims won", value: String(claims.won), note: `${claims.perSecond.toFixed(1)} a second` },
    { name: "moves", value: String(moves.all), note: `${moves.handedOver} handed over` },
    { name: "longest outage", value: inSeconds(outageMs), note: `of ${user}` },
    {
      name: "registrations",
      value: `${registrations.accepted} of ${tried}`,
      note: `accepted, half within ${Math.round(registrations.p50Ms)} ms; ${registrations.refused} refused, ${registrations.unanswered} unanswered`,
    },
    {
      name: "messages",
      value: `${messages.delivered} of ${messages.sent}`,
      note: `arrived, ${messages.duplicates} of them twice; ${messages.accepted} were answered 200, ${messages.held} held (202)`,
    },
    {
      name: "notifications a move",
      value: notifications.perMove.toFixed(1),
      note: `${notifications.all} in all, ${notifications.duplicates} showed nothing new, ${notifications.earlier} an earlier state`,
    },
  ];
}

/** What to type for the same plan. */
export function replayCommand({ plan, wrongClock }: Pick<RunResult, "plan" | "wrongClock">): string {
  const sabotage = wrongClock === undefined ? "" : ` --wrong-clock ${wrongClock.place}`;
  const lease = plan.leaseMs === 3000 ? "" : ` --lease ${plan.leaseMs}ms`;
  return `aorta chaos --servers ${plan.servers} --minutes ${plan.chaosMs / 60_000} --seed ${plan.seed}${lease}${sabotage}`;
}
