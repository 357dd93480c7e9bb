import type { FaultKind } from "./plan.ts";
import type { Sightings } from "./sightings.ts";
import type { Trouble } from "./swarm.ts";
import type { Tenure } from "./tenures.ts";

/** What a run came to, in numbers. */
export interface Figures {
  /** Of the time with faults. */
  readonly seconds: number;
  readonly claims: { readonly won: number; readonly perSecond: number };
  /** Changes of a user's server; `handedOver` are those where the old one let go by itself. */
  readonly moves: { readonly all: number; readonly handedOver: number };
  readonly registrations: {
    readonly accepted: number;
    readonly refused: number;
    readonly unanswered: number;
    readonly p50Ms: number;
    readonly p99Ms: number;
  };
  /** Longest time for which nobody owned a user who wanted to be online: the server was gone, and no other had the user yet. */
  readonly longestOutageMs: Readonly<Record<string, number>>;
  readonly messages: {
    readonly sent: number;
    /** Answered 200: delivered. */
    readonly accepted: number;
    /** Answered 202: held until its recipient appears. */
    readonly held: number;
    readonly delivered: number;
    readonly duplicates: number;
  };
  readonly notifications: {
    readonly all: number;
    readonly perMove: number;
    /** That showed a watcher what it had been shown before. */
    readonly duplicates: number;
    readonly closed: number;
    /** That showed an earlier state after a later one, whether or not that breaks a promise. */
    readonly earlier: number;
  };
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
}

export interface FiguresInput {
  readonly users: readonly string[];
  readonly tenures: readonly Tenure[];
  readonly troubles: readonly Trouble[];
  readonly sightings: Sightings;
  /** Of the time with faults. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** Counts and times of a run. */
export function figuresOf({ users, tenures, troubles, sightings, fromMs, toMs }: FiguresInput): Figures {
  const seconds = (toMs - fromMs) / 1000;
  const { registrations, messages, deliveries, notifications } = sightings;
  const answered = registrations.filter(({ status }) => status !== 0);
  const accepted = answered.filter(({ status }) => status < 300);
  const latencies = accepted.map(({ askedAtMs, answeredAtMs }) => answeredAtMs - askedAtMs).sort((a, b) => a - b);
  const moves = movesOf(tenures);
  const ids = new Set(deliveries.map(({ id }) => id));
  const faults: Partial<Record<FaultKind, number>> = {};
  for (const { kind } of troubles) faults[kind] = (faults[kind] ?? 0) + 1;
  const perMove = moves.length === 0 ? 0 : notifications.length / moves.length;
  return {
    seconds,
    claims: { won: tenures.length, perSecond: tenures.length / seconds },
    moves: { all: moves.length, handedOver: moves.filter(({ end }) => end === "handed-over").length },
    registrations: {
      accepted: accepted.length,
      refused: answered.length - accepted.length,
      unanswered: registrations.length - answered.length,
      p50Ms: latencies[latencies.length >> 1] ?? 0,
      p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? 0,
    },
    longestOutageMs: Object.fromEntries(
      users.map((user) => [user, Math.max(0, ...outagesOf(user, tenures, sightings, toMs).map(lengthOf))]),
    ),
    messages: {
      sent: messages.length,
      accepted: messages.filter(({ status }) => status === 200).length,
      held: messages.filter(({ status }) => status === 202).length,
      delivered: ids.size,
      duplicates: deliveries.length - new Set(deliveries.map(({ id, phone }) => `${id} ${phone}`)).size,
    },
    notifications: {
      all: notifications.length,
      perMove,
      duplicates: countRepeated(sightings),
      earlier: countEarlier(sightings),
      closed: notifications.filter(({ basic }) => basic === "closed").length,
    },
    faults,
  };
}

/** The tenures after which the user was owned by another server; sorted as given. */
function movesOf(tenures: readonly Tenure[]): Tenure[] {
  const last = new Map<string, Tenure>();
  const moves: Tenure[] = [];
  for (const tenure of tenures) {
    const before = last.get(tenure.aor);
    if (before !== undefined && before.server !== tenure.server) moves.push(before);
    last.set(tenure.aor, tenure);
  }
  return moves;
}

/** A time without an owner. */
export interface Outage {
  readonly fromMs: number;
  readonly toMs: number;
}

const lengthOf = ({ fromMs, toMs }: Outage): number => toMs - fromMs;

/** When nobody owned a user who had been online and had not signed off. */
export function outagesOf(
  user: string,
  tenures: readonly Tenure[],
  { signOffs }: Pick<Sightings, "signOffs">,
  untilMs: number,
): Outage[] {
  const own = tenures.filter(({ aor }) => aor.startsWith(`sip:${user}@`));
  const outages: Outage[] = [];
  let ownedToMs = own[0]?.toMs ?? untilMs;
  const note = (toMs: number) => {
    const away = signOffs.filter((one) => one.user === user && one.fromMs < toMs && one.toMs > ownedToMs);
    // Signing off ends a tenure, and so does a server that notices it a moment later.
    if (toMs > ownedToMs && away.length === 0) outages.push({ fromMs: ownedToMs, toMs });
  };
  for (const { fromMs, toMs } of own.slice(1)) {
    note(fromMs);
    ownedToMs = Math.max(ownedToMs, toMs);
  }
  note(untilMs);
  return outages;
}

function countRepeated({ notifications }: Sightings): number {
  const last = new Map<string, string>();
  let repeated = 0;
  for (const { dialog, user, state, basic, shown } of notifications) {
    const seen = `${state} ${basic} ${shown?.number}`;
    if (last.get(`${dialog} ${user}`) === seen) repeated++;
    last.set(`${dialog} ${user}`, seen);
  }
  return repeated;
}

function countEarlier({ notifications }: Sightings): number {
  const last = new Map<string, number>();
  let earlier = 0;
  for (const { dialog, user, shown } of notifications) {
    if (shown === undefined) continue;
    if (shown.number < (last.get(`${dialog} ${user}`) ?? 0)) earlier++;
    last.set(`${dialog} ${user}`, shown.number);
  }
  return earlier;
}
