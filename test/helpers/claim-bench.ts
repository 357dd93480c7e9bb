import { expect } from "chai";
import { parseAor } from "../../dht-schema/aor.ts";
import type { Ballot, Epoch } from "../../dht-schema/ballot.ts";
import { NO_BALLOT } from "../../dht-schema/ballot.ts";
import type { AcceptedState, DirectoryMessage, MessageOf } from "../../dht-schema/directory-messages.ts";
import type { Roster } from "../../dht-schema/roster.ts";
import type { ClaimPurpose } from "../../node/directory/core/claim.ts";
import { Claim } from "../../node/directory/core/claim.ts";
import type { ClaimResult } from "../../node/directory/core/context.ts";
import { Leases } from "../../node/directory/core/leases.ts";
import { Ownerships } from "../../node/directory/core/ownerships.ts";
import { CoreContext } from "./core-context.ts";
import { testRoster } from "./rosters.ts";

const ALICE = parseAor("sip:alice@example.com");

/** One claim by server 9, which is no replica; the replicas' answers are the test's. */
export class ClaimBench {
  readonly context: CoreContext;
  readonly leases: Leases;
  readonly ownerships: Ownerships;
  readonly claim: Claim;
  readonly ends: ClaimResult[] = [];
  nowMs = 0;
  /** Messages of claims, without renewals. */
  #sent: { to: number; message: DirectoryMessage }[] = [];

  constructor(
    purpose: ClaimPurpose = "take-over",
    roster: Roster = testRoster(9, { voters: [1, 2, 3, 4, 5] }),
    since?: Epoch,
  ) {
    this.context = new CoreContext({ self: 9, roster });
    const context = this.context;
    this.leases = new Leases(context, { began: () => undefined, renewed: () => undefined });
    this.ownerships = new Ownerships(context, this.leases, { reclaim: () => undefined, lost: () => undefined });
    const components = { context, leases: this.leases, ownerships: this.ownerships };
    const init = { id: 1, aor: ALICE, purpose, deadlineMs: 12_000, since };
    this.claim = new Claim(init, components, (_nowMs, _claim, result) => this.ends.push(result));
  }

  /** Starts, with every renewal answered at once. */
  start(): this {
    this.claim.prepare(this.nowMs);
    this.#collect();
    return this;
  }

  pass(ms: number): this {
    this.nowMs += ms;
    this.context.agenda.runDue(this.nowMs);
    this.#collect();
    return this;
  }

  /** The messages of one type since the last call. */
  take<T extends DirectoryMessage["type"]>(type: T): { readonly to: number; readonly message: MessageOf<T> }[] {
    this.#collect();
    const taken = this.#sent.filter(({ message }) => message.type === type);
    this.#sent = this.#sent.filter(({ message }) => message.type !== type);
    return taken as { to: number; message: MessageOf<T> }[];
  }

  /** The round's request number and ballot, as asked of all replicas. */
  round(): { readonly op: number; readonly ballot: Ballot; readonly asked: readonly number[] } {
    const prepares = this.take("prepare");
    const { op, ballot: proposed } = prepares[0]!.message;
    for (const { message } of prepares) expect(message).to.deep.include({ op, ballot: proposed });
    return { op, ballot: proposed, asked: prepares.map(({ to }) => to) };
  }

  promise(from: number, op: number, accepted?: AcceptedState, incarnation = 1): void {
    this.answer(from, { type: "promised", op, incarnation, accepted });
  }

  accepted(from: number, op: number, session = from): void {
    this.answer(from, { type: "accepted", op, session });
  }

  refuse(from: number, op: number, reason: MessageOf<"refused">["reason"], promised = NO_BALLOT): void {
    this.answer(from, { type: "refused", op, reason, promised });
  }

  answer(from: number, message: DirectoryMessage & { op: number }): boolean {
    const isOpen = this.context.answer(this.nowMs, from, message);
    this.#collect();
    return isOpen;
  }

  /** Asked for in this round. */
  handovers(): { to: number; theirs: Ballot; mine: Ballot; op: number }[] {
    return this.take("handover").map(({ to, message: { theirs, mine, op } }) => ({ to, theirs, mine, op }));
  }

  handedOver({ to, op, theirs }: { to: number; op: number; theirs: Ballot }): void {
    this.answer(to, { type: "handedOver", op, ballot: theirs });
  }

  #collect(): void {
    for (const { to, message } of this.context.takeSent()) {
      if (message.type === "renew") {
        const { op } = message;
        this.context.answer(this.nowMs, to, { type: "renewed", op, session: to, incarnation: 1, notices: 0 });
      } else this.#sent.push({ to, message });
    }
  }
}
