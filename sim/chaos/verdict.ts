import { parseAor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { compareBallots, parseBallot } from "../../dht-schema/ballot.ts";
import { EpochChecker } from "../checkers/epochs.ts";
import type { Believer } from "../checkers/exclusivity.ts";
import { ExclusivityChecker } from "../checkers/exclusivity.ts";
import type { Operation } from "../checkers/linearizability.ts";
import { judgeHistory } from "../checkers/linearizability.ts";
import type { Invariant } from "../checkers/violation.ts";
import { Violation } from "../checkers/violation.ts";
import { WatchChecker } from "../checkers/watches.ts";
import type { MessageSent, Note, Sightings } from "./sightings.ts";
import type { Place } from "./plan.ts";
import type { Trouble } from "./swarm.ts";
import type { Journal, Tenure } from "./tenures.ts";
import { lastEpochOf } from "./tenures.ts";

/** A promise that was broken. I1 to I5 are the directory's; the others are what its users experience. */
export interface Finding {
  readonly promise: Invariant | "messages" | "presence";
  /** Of `machineMs`. */
  readonly atMs: number;
  readonly what: string;
}

/** All that a run has seen. */
export interface Evidence {
  /** When the chaos began: what findings say of other instants is counted from it. */
  readonly fromMs: number;
  readonly leaseMs: number;
  readonly journals: readonly Journal[];
  readonly tenures: readonly Tenure[];
  readonly troubles: readonly Trouble[];
  readonly sightings: Sightings;
  /** Whether all was healed and had its time: only then has what was held arrived. */
  readonly healed: boolean;
  /** Names of the servers that are gone for good. */
  readonly retired: ReadonlySet<string>;
}

/** What was broken, in order of time; nothing when every promise was kept. */
export function judge(evidence: Evidence): Finding[] {
  const findings = [
    ...checkEpochs(evidence.tenures),
    ...checkOwners(evidence.tenures),
    ...checkOrder(evidence),
    ...checkWatches(evidence.journals),
    ...checkMessages(evidence),
    ...checkOrderOfStates(evidence),
    ...checkClosed(evidence),
  ];
  return findings.sort((a, b) => a.atMs - b.atMs);
}

/** I1, in the order in which the claims succeeded; an epoch that an owner claimed for itself counts when it was seen. */
function checkEpochs(tenures: readonly Tenure[]): Finding[] {
  const checker = new EpochChecker(false);
  const events = tenures.flatMap((tenure) => [
    { tenure, atMs: tenure.fromMs, epoch: tenure.epoch },
    ...tenure.raised.map(({ toMs, epoch }) => ({ tenure, atMs: toMs, epoch })),
  ]);
  events.sort((a, b) => a.atMs - b.atMs);
  return events.flatMap(({ tenure, atMs, epoch }) =>
    caught(() => checker.claimed(atMs, tenure, parseAor(tenure.aor), epochOf(epoch), undefined)),
  );
}

/** I2, at every instant at which somebody began to own: between two of them owners only go. */
function checkOwners(tenures: readonly Tenure[]): Finding[] {
  const checker = new ExclusivityChecker();
  return [...Map.groupBy(tenures, ({ aor }) => aor)].flatMap(([aor, those]) => {
    const believers = those.map(believerOf);
    return those.flatMap(({ fromMs }) => caught(() => checker.lookAtAll(fromMs, [parseAor(aor)], believers)));
  });
}

function believerOf(tenure: Tenure): Believer {
  const { fromMs, toMs } = tenure;
  const epoch = epochOf(lastEpochOf(tenure));
  return { number: epoch.member, believes: (nowMs) => (fromMs <= nowMs && nowMs < toMs ? epoch : undefined) };
}

/** Claims and ends of ownership fit into one order, as if there were one register of each user. */
function checkOrder({ tenures, fromMs }: Evidence): Finding[] {
  return [...Map.groupBy(tenures, ({ aor }) => aor)].flatMap(([aor, those]): Finding[] => {
    const wrongWith = (until: number) => {
      const verdict = judgeHistory(those.slice(0, until).flatMap((tenure) => operationsOf(tenure, fromMs)));
      return typeof verdict === "object" ? verdict.wrong : undefined;
    };
    if (wrongWith(those.length) === undefined) return [];
    // The first tenure that does not fit to those before it.
    const index = those.findIndex((_, at) => wrongWith(at + 1) !== undefined);
    const { fromMs: atMs } = those[index] as Tenure;
    return [{ promise: "linearizability", atMs, what: `${aor}: ${wrongWith(index + 1)}` }];
  });
}

function operationsOf(tenure: Tenure, originMs: number): Operation[] {
  const { askedAtMs, fromMs, seenMs, goneMs, end, epoch, raised } = tenure;
  const server = epochOf(epoch).member;
  const operation = (startMs: number, endMs: number, action: Operation["action"]): Operation => {
    return { server, startMs: startMs - originMs, endMs: endMs - originMs, action };
  };
  const claim = (claimed: string, startMs: number, endMs: number) =>
    operation(startMs, endMs, { kind: "claim", epoch: epochOf(claimed) });
  const ended = operation(seenMs, goneMs, { kind: "end", epoch: epochOf(lastEpochOf(tenure)) });
  return [
    claim(epoch, askedAtMs, fromMs),
    ...raised.map((raise) => claim(raise.epoch, raise.fromMs, raise.toMs)),
    ...(end === "lasts" ? [] : [ended]),
  ];
}

/** I4, the part that holds at every moment: a watch never goes back to an owner of before. */
function checkWatches(journals: readonly Journal[]): Finding[] {
  return journals.flatMap(({ identity, entries }) => {
    const checker = new WatchChecker();
    let life = {};
    return entries.flatMap((entry): Finding[] => {
      if (entry.kind === "up") life = {};
      if (entry.kind !== "told" || entry.epoch === undefined) return [];
      const { atMs, aor } = entry;
      const epoch = epochOf(entry.epoch);
      const watcher = { life, number: identity.place };
      return caught(() => checker.told(atMs, watcher, parseAor(aor), { kind: "owner", epoch }));
    });
  });
}

/**
 * What was answered 200 has arrived, and no phone got it twice. What was held (202) has arrived in the end, unless one of the servers
 * that may have held it is gone for good with its disk; it may come twice where a server died or the user moved in between.
 */
function checkMessages({ sightings, tenures, retired, healed }: Evidence): Finding[] {
  const { messages, deliveries } = sightings;
  const arrived = Map.groupBy(deliveries, ({ id }) => id);
  return messages.flatMap((message): Finding[] => {
    const { id, from, to, status, answeredAtMs } = message;
    if (status !== 200 && status !== 202) return [];
    const those = arrived.get(id) ?? [];
    if (those.length === 0) {
      if (status === 202 && (!healed || mayHaveHeld(message, tenures).some((server) => retired.has(server)))) return [];
      return [{ promise: "messages", atMs: answeredAtMs, what: `${id} of ${from} was answered ${status}, and ${to} never got it` }]; // prettier-ignore
    }
    const again = those.find(({ phone }, index) => those.findIndex((other) => other.phone === phone) < index);
    if (status === 202 || again === undefined) return [];
    return [{ promise: "messages", atMs: again.atMs, what: `${again.phone} got ${id} twice, which was answered 200` }];
  });
}

/** The sender's server, and whoever has owned the recipient since: a message that is held goes with the user, to be held there again. */
function mayHaveHeld({ server, to, askedAtMs }: MessageSent, tenures: readonly Tenure[]): string[] {
  const owners = tenures.filter(({ aor, toMs }) => aor.startsWith(`sip:${to}@`) && toMs >= askedAtMs);
  return [server, ...owners.map((tenure) => tenure.server)];
}

/**
 * I3 as a watcher experiences it: within a dialog, no state of a lower epoch is shown after one of a higher, nor an earlier
 * publication after a later one of the same epoch. A PUBLISH that was unanswered when the next one was sent may still be carried out
 * after it, so it says nothing.
 */
function checkOrderOfStates({ sightings, tenures }: Evidence): Finding[] {
  const published = new Map(sightings.publications.map((one) => [`${one.user} ${one.number}`, one]));
  const latest = new Map<string, { readonly shown: Note; readonly epoch: Epoch }>();
  return sightings.notifications.flatMap(({ dialog, user, shown, atMs }): Finding[] => {
    const epoch = shown && epochAt(tenures, user, shown.place, atMs);
    if (shown === undefined || epoch === undefined) return [];
    const before = latest.get(`${dialog} ${user}`);
    latest.set(`${dialog} ${user}`, { shown, epoch });
    if (before === undefined || shown.number >= before.shown.number) return [];
    const order = compareBallots(epoch, before.epoch);
    const older = published.get(`${user} ${shown.number}`);
    const newer = published.get(`${user} ${before.shown.number}`);
    const isSettled = older !== undefined && older.status !== 0 && older.answeredAtMs <= (newer?.askedAtMs ?? 0);
    if (order > 0 || !isSettled) return [];
    const what = `watcher ${dialog} was shown state ${shown.number} of ${user} after ${before.shown.number}`;
    return [{ promise: "I3", atMs, what }];
  });
}

/** By which epoch the server at a place spoke for a user at an instant, or had spoken last. */
function epochAt(tenures: readonly Tenure[], user: string, place: Place, atMs: number): Epoch | undefined {
  const own = ({ aor, fromMs, place: at }: Tenure) => aor.startsWith(`sip:${user}@`) && at === place && fromMs <= atMs;
  const tenure = tenures.findLast(own);
  if (tenure === undefined) return undefined;
  return epochOf(tenure.raised.findLast(({ fromMs }) => fromMs <= atMs)?.epoch ?? tenure.epoch);
}

/** Nobody sees somebody as closed who is registered at a server that has owned them all the while, if neither side was in trouble. */
function checkClosed({ leaseMs, tenures, troubles, sightings }: Evidence): Finding[] {
  return sightings.notifications.flatMap(({ user, basic, atMs, watcherPlace, dialog }): Finding[] => {
    if (basic !== "closed") return [];
    const sinceMs = atMs - leaseMs;
    const tenure = tenures.find(
      ({ aor, fromMs, toMs }) => aor.startsWith(`sip:${user}@`) && fromMs < sinceMs && toMs > atMs,
    );
    if (tenure === undefined) return [];
    const isPublished = sightings.publications.some(
      (one) => one.user === user && one.status === 200 && one.askedAtMs > tenure.fromMs && one.answeredAtMs < sinceMs,
    );
    const isAway = sightings.signOffs.some((one) => one.user === user && one.fromMs < atMs && one.toMs > sinceMs);
    const isTroubled = troubles.some(
      ({ places, fromMs, toMs }) =>
        (places.includes(watcherPlace) || places.includes(tenure.place)) && fromMs < atMs && toMs > sinceMs - leaseMs,
    );
    if (!isPublished || isAway || isTroubled) return [];
    return [{ promise: "presence", atMs, what: `watcher ${dialog} saw ${user} closed, who was on ${tenure.server} all the while` }]; // prettier-ignore
  });
}

/** What a checker of the simulation has to say. */
function caught(check: () => void): Finding[] {
  try {
    check();
    return [];
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return [{ promise: error.invariant, atMs: error.atMs, what: error.message }];
  }
}

function epochOf(text: string): Epoch {
  const epoch = parseBallot(text);
  if (epoch === undefined) throw new TypeError(`"${text}" is no epoch`);
  return epoch;
}
