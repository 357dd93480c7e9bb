import type { Mutant } from "./mutant.ts";
import { core } from "./mutant.ts";
import { CRASHES, CUT_OFF, DRIFT, LATE_CUT_OFF, SHORT_LIVES } from "./runs.ts";

/** Rules about leases and restarts, broken. */
export const leaseMutants: readonly Mutant[] = [
  {
    name: "lease-from-answer",
    rule: "a lease runs from before its renewal was sent",
    mark: "●",
    edits: [core("leases", "const expiresMs = sentMs + this.#termMs();", "const expiresMs = nowMs + this.#termMs();")],
    runs: LATE_CUT_OFF,
    seeds: 20,
  },
  {
    name: "lease-without-drift",
    rule: "a lease runs to T·(1 − 2ρ) on the owner's clock",
    mark: "●",
    edits: [core("leases", "return leaseMs * (1 - (2 * driftPpm) / 1e6);", "return leaseMs;")],
    runs: DRIFT,
    seeds: 20,
  },
  {
    name: "no-abstention",
    rule: "after a restart a replica abstains",
    mark: "●",
    edits: [core("directory-core", "hadGranted ? nowMs + graceMs(roster) : nowMs", "nowMs")],
    runs: CRASHES,
    seeds: 20,
  },
  {
    name: "abstention-without-drift",
    rule: "it abstains for T·(1 + 4ρ)",
    mark: "●",
    edits: [
      core(
        "directory-core",
        "hadGranted ? nowMs + graceMs(roster) : nowMs",
        "hadGranted ? nowMs + roster.leaseMs : nowMs",
      ),
    ],
    runs: CRASHES,
    seeds: 5,
    survives:
      "implied: what a replica granted is over on its holder's clock after T(1 - 2ρ)/(1 - ρ) < T/(1 + ρ), the shortest that it abstains",
  },
  {
    name: "accept-after-restart",
    rule: "a replica that restarted since it promised does not accept",
    mark: "○",
    edits: [
      core(
        "replica",
        'if (message.incarnation !== context.boot) return this.#refuse(from, op, "incarnation", promised);',
        "",
      ),
    ],
    runs: CRASHES,
    seeds: 5,
    survives: "implied by the ceiling: what was promised before the restart is not above the floor after it",
  },
  {
    name: "accept-for-former-boot",
    rule: "a replica accepts only under a session of the boot that asks",
    mark: "·",
    edits: [
      core(
        "replica",
        "if (session === undefined || session.boot !== boot) return this.#refuse",
        "if (session === undefined) return this.#refuse",
      ),
    ],
    runs: CRASHES,
    seeds: 5,
    survives: "implied: the owner counts an acceptance only under the session that it holds itself",
  },
  {
    name: "accept-without-live-session",
    rule: "a replica accepts only under a live session",
    mark: "·",
    edits: [
      core(
        "replica",
        "const session = this.#liveSession(nowMs, from);\n    if (session === undefined || session.boot",
        "const session = this.#sessions.get(from);\n    if (session === undefined || session.boot",
      ),
    ],
    runs: CUT_OFF,
    seeds: 5,
    survives: "implied: the owner's lease under that session ran out before it",
  },
  {
    name: "session-revives",
    rule: "an expired session is deleted and never revives",
    mark: "○",
    edits: [
      core("replica", "if (session === undefined || session.expiresMs > nowMs) return session;", "return session;"),
      core("replica", "else this.#end(nowMs, session);", ""),
    ],
    runs: CUT_OFF,
    seeds: 5,
    survives:
      "implied by the next: whose lease ran out, under the shorter term, counts nothing that was accepted before",
  },
  {
    name: "ownership-revives",
    rule: "an ownership only extends while its leases are unexpired",
    mark: "○",
    edits: [
      core(
        "leases",
        "const broken = lease.session !== session || lease.expiresMs <= nowMs;",
        "const broken = lease.session !== session;",
      ),
    ],
    runs: CUT_OFF,
    seeds: 5,
    survives:
      "implied by the former: a lease can go on under the same session only if the replica held all of it as valid meanwhile",
  },
  {
    name: "nothing-stays-expired",
    rule: "of the last two rules, both",
    mark: "○",
    edits: [
      core("replica", "if (session === undefined || session.expiresMs > nowMs) return session;", "return session;"),
      core("replica", "else this.#end(nowMs, session);", ""),
      core(
        "leases",
        "const broken = lease.session !== session || lease.expiresMs <= nowMs;",
        "const broken = lease.session !== session;",
      ),
    ],
    runs: CUT_OFF,
    seeds: 20,
  },
  {
    name: "belief-by-timer",
    rule: "ownership is looked at when something is done, not in a timer",
    mark: "·",
    edits: [
      core(
        "ownerships",
        "return ownership !== undefined && this.#stands(nowMs, ownership) ? ownership.epoch : undefined;",
        "return ownership?.epoch;",
      ),
    ],
    runs: DRIFT,
    seeds: 20,
  },
  {
    name: "requests-begin-again",
    rule: "no request has the number of one of an earlier start",
    mark: "·",
    edits: [core("directory-core", "this.#lastOp = boot * OPS_PER_BOOT;", "this.#lastOp = 0;")],
    runs: SHORT_LIVES,
    seeds: 20,
  },
  {
    name: "taken-at-once-for-former-boot",
    rule: "a replica accepts at once only under a session of the boot that asks",
    mark: "·",
    edits: [core("replica", "session?.boot === boot &&", "session !== undefined &&")],
    runs: CRASHES,
    seeds: 5,
    survives: "implied: the owner counts an acceptance only under the session that it holds itself",
  },
];
