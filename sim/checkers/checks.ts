import type { Aor } from "../../dht-schema/aor.ts";
import type { Epoch } from "../../dht-schema/ballot.ts";
import { formatBallot } from "../../dht-schema/ballot.ts";
import type { LookupResult } from "../../node/directory/core/context.ts";
import type { RunMix } from "../faults.ts";
import { OwnershipLog } from "../ownership-log.ts";
import type { SimulatedNode } from "../simulated-node.ts";
import { EpochChecker } from "./epochs.ts";
import { ExclusivityChecker } from "./exclusivity.ts";
import { FencingChecker } from "./fencing.ts";
import type { Operation } from "./linearizability.ts";
import { judgeHistory } from "./linearizability.ts";
import { SinceChecker } from "./since.ts";
import { Violation } from "./violation.ts";
import { checkFresh, WatchChecker } from "./watches.ts";

/** After it has been stopped, a process has had its timers and its messages by then. */
const WAKING_MS = 1_000;

/** All checkers of a run, and what they need to be told. With wrong clocks I1 and I3 alone are promised. */
export class Checks {
  readonly epochs: EpochChecker;
  readonly fencing = new FencingChecker();
  readonly watches = new WatchChecker();
  readonly since: SinceChecker;
  /** With wrong clocks: how often a server began to believe while another did. */
  overlaps = 0;
  /** Users whose history had too many ways to happen to be judged to its end. */
  undecided = 0;
  readonly #exclusivity = new ExclusivityChecker();
  readonly #log: OwnershipLog;
  readonly #histories = new Map<Aor, Operation[]>();
  readonly #clocksAreWrong: boolean;
  readonly #aors: readonly Aor[];
  /** For each AoR, the servers that have begun to claim it. */
  readonly #claimants = new Map<Aor, Set<number>>();
  readonly #staleAfterMs: number;
  readonly #leaseMs: number;

  constructor(mix: RunMix, aors: readonly Aor[]) {
    this.#clocksAreWrong = mix.clocks === "wrong";
    this.#aors = aors;
    this.epochs = new EpochChecker(this.#clocksAreWrong);
    this.#leaseMs = mix.leaseMs;
    this.since = new SinceChecker(this.#clocksAreWrong || mix.forgetAfterBallots < Infinity);
    this.#staleAfterMs = 3 * mix.leaseMs + 40 * mix.network.delayMs;
    this.#log = new OwnershipLog((aor, { kind, server, epoch, startMs, endMs }) => {
      const action = kind === "ended" ? ({ kind: "end", epoch } as const) : ({ kind: "claim", epoch } as const);
      this.#record(aor, { server, action, startMs, endMs });
    });
  }

  /** Something happened in a server. */
  stepped(nowMs: number, node: SimulatedNode): void {
    node.eachBelief(nowMs, (aor, epoch) => {
      if (!this.#exclusivity.isLast(aor, node)) this.#believed(nowMs, aor, epoch, node);
      if (this.#log.believed(nowMs, aor, node.number, epoch)) this.#raised(nowMs, aor, epoch, node);
    });
  }

  /** A server believes that was not the last one to. */
  #believed(nowMs: number, aor: Aor, epoch: Epoch, node: SimulatedNode): void {
    this.#exclusive(() => this.#exclusivity.believed(nowMs, aor, epoch, node));
  }

  /** By another epoch than before, without an end in between. */
  #raised(nowMs: number, aor: Aor, epoch: Epoch, node: SimulatedNode): void {
    this.epochs.claimed(nowMs, node.life as object, aor, epoch, undefined);
    // A re-claim gives up after a term of its server's clock.
    this.since.owned(aor, node.number, epoch, nowMs - 2 * this.#leaseMs);
  }

  /** Now and then: what needs no argument about steps, and what grows stale with time. */
  lookAround(nowMs: number, nodes: readonly SimulatedNode[]): void {
    this.#exclusive(() => this.#exclusivity.lookAtAll(nowMs, this.#aors, nodes));
    if (this.#clocksAreWrong) return;
    for (const node of nodes) {
      for (const [aor, told] of node.life?.told ?? []) {
        const owner = this.#log.current(aor);
        const owning = nodes.find(({ number }) => number === owner?.server);
        if (owner === undefined || owning?.believes(nowMs, aor) === undefined) continue;
        // While its process stands still it is told nothing: then it counts only what it would answer by its own clock.
        const answers = node.runningForMs(nowMs) > WAKING_MS || node.cached(nowMs, aor) !== undefined;
        if (answers) checkFresh(nowMs, node.number, aor, told, owner, this.#staleAfterMs);
      }
    }
  }

  claimBegan(aor: Aor, node: SimulatedNode): void {
    const claimants = this.#claimants.get(aor);
    if (claimants === undefined) this.#claimants.set(aor, new Set([node.number]));
    else claimants.add(node.number);
  }

  claimed(
    nowMs: number,
    node: SimulatedNode,
    aor: Aor,
    won: {
      readonly epoch: Epoch;
      readonly startMs: number;
      readonly highestAtStart: Epoch | undefined;
      readonly since: Epoch | undefined;
    },
  ): void {
    const { epoch, startMs, since } = won;
    if (since !== undefined) this.since.won(nowMs, aor, { server: node.number, since });
    this.since.owned(aor, node.number, epoch, startMs);
    this.epochs.claimed(nowMs, node.life as object, aor, epoch, won.highestAtStart);
    this.#log.won(nowMs, aor, node.number, epoch);
    this.#record(aor, { server: node.number, action: { kind: "claim", epoch }, startMs, endMs: nowMs });
  }

  superseded(nowMs: number, node: SimulatedNode, aor: Aor, since: Epoch, by: Epoch): void {
    const hasClaimed = this.#claimants.get(aor)?.has(by.member) === true;
    this.since.superseded(nowMs, aor, { server: node.number, since }, by, hasClaimed);
  }

  lost(nowMs: number, node: SimulatedNode, aor: Aor, untilNow: boolean): void {
    this.#log.lost(nowMs, aor, node.number, untilNow);
  }

  crashed(nowMs: number, node: SimulatedNode): void {
    this.since.forgot(nowMs);
    for (const aor of this.#aors) this.lost(nowMs, node, aor, node.believes(nowMs, aor) !== undefined);
  }

  /** A lookup ended. */
  found(
    nowMs: number,
    node: SimulatedNode,
    aor: Aor,
    lookup: { readonly mode: "first" | "majority"; readonly startMs: number },
    result: LookupResult,
  ): void {
    if (result.kind === "unavailable") return;
    // Also the first answer, which promises no more than this, names nobody who never asked for the user.
    if (result.kind === "owner" && this.#claimants.get(aor)?.has(result.epoch.member) !== true) {
      const message = `${aor} was found at ${formatBallot(result.epoch)}, whose server never claimed it`;
      throw new Violation("linearizability", nowMs, message, aor);
    }
    if (lookup.mode === "first") return;
    const found = result.kind === "owner" ? result.epoch.member : "nobody";
    this.#record(aor, {
      server: node.number,
      action: { kind: "lookup", found },
      startMs: lookup.startMs,
      endMs: nowMs,
    });
  }

  /** At the end of a run. */
  checkHistories(nowMs: number): void {
    if (this.#clocksAreWrong) return;
    for (const [aor, operations] of this.#histories) {
      const verdict = judgeHistory(operations);
      if (verdict === "undecided") this.undecided++;
      else if (verdict !== "fits") throw new Violation("linearizability", nowMs, `${aor}: ${verdict.wrong}`, aor);
    }
  }

  #record(aor: Aor, operation: Operation): void {
    const history = this.#histories.get(aor);
    if (history === undefined) this.#histories.set(aor, [operation]);
    else history.push(operation);
  }

  #exclusive(check: () => void): void {
    if (!this.#clocksAreWrong) return check();
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.overlaps++;
    }
  }
}
