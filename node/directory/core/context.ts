import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot, Epoch } from "../../../dht-schema/ballot.ts";
import type { DirectoryMessage } from "../../../dht-schema/directory-messages.ts";
import type { Roster } from "../../../dht-schema/roster.ts";
import type { Agenda } from "./agenda.ts";
import type { Quorum } from "./quorum.ts";
import type { Violation } from "./violations.ts";

/** Rounds grow up to so many `attemptMs`: servers may be further from each other than a first round lasts. */
export const LONGEST_ROUND = 8;

/** Times and bounds of the protocol; the lease term and the drift are the roster's. */
export interface DirectoryTuning {
  /** How long the first round of a claim or lookup waits for answers, ms: twice as long after each in which there were too few, up to {@link LONGEST_ROUND} times as long. */
  readonly attemptMs: number;
  /** How long a lookup waits for the replicas it asked first before it asks the others, ms. */
  readonly hedgeMs: number;
  /** How long an owner that handed over says to whom, ms. */
  readonly forwardingMs: number;
  /** Registers a replica holds. */
  readonly registers: number;
  /** A register that is nobody's is kept until so many ballots have been seen after its own. */
  readonly forgetAfterBallots: number;
  /** Watches one server may have at a replica. */
  readonly watchesPerSession: number;
  /** Watches of all servers at a replica. */
  readonly watches: number;
  /** Epochs remembered of users served elsewhere. */
  readonly observedEpochs: number;
  /** Messages kept from a peer that is ahead in roster version, until the roster comes. */
  readonly heldMessages: number;
  /** Catch-up messages to one replica under way at once. */
  readonly catchUpWindow: number;
  /** Messages to itself that a server looks at in one turn. */
  readonly selfMessages: number;
  /** Ownerships, and watches, that are moved to a new roster in one turn, and ms until the next. */
  readonly movedAtOnce: number;
  readonly movePauseMs: number;
  /** How often the steward looks at the roster and asks the servers about it, ms. */
  readonly stewardMs: number;
  /** How long nobody may have joined before those who did become voters, ms: so that they do so together. */
  readonly promoteAfterMs: number;
  /** Voters that the steward brings the roster to, if so many servers joined. */
  readonly votersTarget: number;
  /** Step by which the durable ballot ceiling is raised. */
  readonly ceilingStep: number;
}

/** Why a server stopped owning an AoR. */
export type LossReason = "handed-over" | "expired" | "released";

/** How a claim ended. */
export type ClaimResult =
  | { readonly kind: "owned"; readonly epoch: Epoch; readonly from: number | undefined }
  | { readonly kind: "owned-elsewhere"; readonly epoch: Epoch }
  /** Nobody owns it, but another server has since the epoch that the claim was to go on from. */
  | { readonly kind: "superseded"; readonly epoch: Epoch }
  | { readonly kind: "unavailable"; readonly reason: string };

/** What a lookup found. */
export type LookupResult =
  | { readonly kind: "owner"; readonly epoch: Epoch }
  | { readonly kind: "nobody" }
  | { readonly kind: "unavailable"; readonly reason: string };

/** What one replica answered to an inspection. */
export interface ReplicaAnswer {
  readonly member: number;
  readonly answer: "state" | "abstaining" | "silent";
  readonly promised?: Ballot;
  readonly accepted?: { readonly ballot: Ballot; readonly boot: number; readonly validForMs: number };
}

/** What a watch tells of an AoR. */
export type OwnerState =
  | { readonly kind: "owner"; readonly epoch: Epoch }
  | { readonly kind: "nobody" }
  | { readonly kind: "missed" };

/** What the core tells its driver, besides messages. */
export type DirectoryEvent =
  | { readonly kind: "claimed"; readonly claim: number; readonly aor: Aor; readonly result: ClaimResult }
  | { readonly kind: "found"; readonly lookup: number; readonly aor: Aor; readonly result: LookupResult }
  | {
      readonly kind: "inspected";
      readonly lookup: number;
      readonly aor: Aor;
      readonly answers: readonly ReplicaAnswer[];
    }
  | {
      readonly kind: "lost";
      readonly aor: Aor;
      readonly epoch: Epoch;
      readonly reason: LossReason;
      readonly to: Epoch | undefined;
    }
  | { readonly kind: "watched"; readonly aor: Aor; readonly state: OwnerState }
  /** Sign the binding that this server owns, then call `sendRecord`. */
  | {
      readonly kind: "record-wanted";
      readonly to: number;
      readonly op: number;
      readonly aor: Aor;
      readonly epoch: Epoch;
    }
  | { readonly kind: "record-fetched"; readonly fetch: number; readonly signed: Uint8Array | undefined }
  /** A server sent what no server that keeps to the protocol sends. It was not followed. */
  | { readonly kind: "violation"; readonly from: number; readonly rule: Violation }
  /** Sign, store and distribute the next roster. */
  | { readonly kind: "publish-roster"; readonly roster: Roster }
  /** Store durably that no ballot above this counter was promised, then call `ceilingStored`. */
  | { readonly kind: "raise-ceiling"; readonly counter: number };

/** Takes the answers to a request; they may come from any replica asked, more than once, or never. */
export type AnswerHandler = (nowMs: number, from: number, message: DirectoryMessage) => void;

/** What the machines of one node share. Everything they do to the world goes through it. */
export interface Context {
  /** Number of this server in the roster. */
  readonly self: number;
  /** Grows with each start of this server: its boot as an owner, its incarnation as a replica. */
  readonly boot: number;
  readonly tuning: DirectoryTuning;
  readonly agenda: Agenda;
  /** Servers that left a lookup without an answer and have not been heard since. */
  readonly silent: Set<number>;
  roster(): Roster;
  quorumOf(aor: Aor): Quorum;
  /** Uniform in [0, 1). */
  random(): number;
  send(to: number, message: DirectoryMessage): void;
  emit(event: DirectoryEvent): void;
  /** Opens a request: its number goes into the messages, its answers to `handler`. */
  openOp(handler: AnswerHandler): number;
  closeOp(op: number): void;
  /** A ballot above every one seen so far; `undefined` when there is none left. */
  nextBallot(): Ballot | undefined;
  /** To let go of what was owned by: a ballot above every one of ours, as long as there are any. */
  ballotAbove(): Ballot;
  /** Learns that a ballot exists; false where it is so far above all others that it cannot be believed at once. */
  sawBallot(ballot: Ballot): boolean;
  /** Highest counter of the ballots seen so far. */
  highestCounter(): number;
}
