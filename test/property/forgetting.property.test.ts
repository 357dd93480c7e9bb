import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../dht-schema/aor.ts";
import { parseAor } from "../../dht-schema/aor.ts";
import type { Ballot } from "../../dht-schema/ballot.ts";
import { compareBallots, NO_BALLOT } from "../../dht-schema/ballot.ts";
import type { DirectoryMessage } from "../../dht-schema/directory-messages.ts";
import { Replica } from "../../node/directory/core/replica.ts";
import { CoreContext } from "../helpers/core-context.ts";

const AORS = ["alice", "bob", "carol", "dan"].map((user) => parseAor(`sip:${user}@example.com`));
const LEASE_MS = 10_000;
const SERVERS = [2, 3, 4];

/** Something that comes to a replica. */
type Step =
  | {
      readonly kind: "prepare" | "accept";
      readonly aor: number;
      readonly server: number;
      readonly counter: number;
      readonly atOnce: boolean;
    }
  | { readonly kind: "release"; readonly aor: number; readonly server: number; readonly counter: number }
  | { readonly kind: "renew"; readonly server: number }
  | { readonly kind: "pass"; readonly ms: number };

const aor = fc.nat(AORS.length - 1);
const server = fc.constantFrom(...SERVERS);
const counter = fc.integer({ min: 1, max: 20 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom("prepare", "accept"), aor, server, counter, atOnce: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("release"), aor, server, counter }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("renew"), server }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.constantFrom(1, 3_000, LEASE_MS) }) },
) as fc.Arbitrary<Step>;

/** A replica that forgets whatever it can, beside a notebook of all that it ever said. */
class Forgetful {
  readonly #context = new CoreContext({ tuning: { registers: 2, forgetAfterBallots: 0 } });
  readonly #replica = new Replica(this.#context, { abstainsUntilMs: 0, floor: NO_BALLOT, ceiling: 2 ** 40 });
  readonly #promised = new Map<Aor, Ballot>();
  readonly #accepted = new Map<Aor, { readonly ballot: Ballot; readonly session: number }>();
  readonly #sessions = new Map<number, { readonly id: number; readonly expiresMs: number }>();
  #nowMs = 0;

  take(next: Step): void {
    this.#context.agenda.runDue(this.#nowMs);
    switch (next.kind) {
      case "pass":
        this.#nowMs += next.ms;
        return;
      case "renew": {
        const answer = this.#ask(next.server, { type: "renew", op: 1, boot: 1 });
        if (answer?.type === "renewed")
          this.#sessions.set(next.server, { id: answer.session, expiresMs: this.#nowMs + LEASE_MS });
        return;
      }
      case "release": {
        const user = AORS[next.aor]!;
        const ballot = { version: 1, counter: next.counter, member: next.server };
        this.#ask(next.server, { type: "release", aor: user, ballot });
        const held = this.#accepted.get(user)?.ballot;
        if (held?.member === next.server && compareBallots(held, ballot) <= 0) this.#accepted.delete(user);
        return;
      }
      case "prepare":
      case "accept":
        return this.#propose(next);
    }
  }

  #propose({ kind, aor: at, server: member, counter: number, atOnce }: Step & { kind: "prepare" | "accept" }): void {
    const user = AORS[at]!;
    const ballot = { version: 1, counter: number, member };
    const before = this.#promised.get(user);
    const answer =
      kind === "prepare"
        ? this.#ask(member, { type: "prepare", op: 1, aor: user, ballot, boot: atOnce ? 1 : undefined })
        : this.#ask(member, { type: "accept", op: 1, aor: user, ballot, boot: 1, incarnation: 1 });
    if (answer?.type !== "promised" && answer?.type !== "accepted") return;
    const order = before === undefined ? 1 : compareBallots(ballot, before);
    expect(order, `${kind} of ${number} after ${before?.counter}`).to.be.at.least(kind === "prepare" ? 1 : 0);
    this.#promised.set(user, ballot);
    // What may still count it reports, to others than its owner.
    const held = this.#valid(user);
    if (answer.type === "promised" && held !== undefined && held.member !== member)
      expect(answer.accepted?.ballot).to.deep.equal(held);
    if (answer.type === "accepted") this.#accepted.set(user, { ballot, session: answer.session });
  }

  #valid(user: Aor): Ballot | undefined {
    const accepted = this.#accepted.get(user);
    const session = accepted && this.#sessions.get(accepted.ballot.member);
    return session?.id === accepted?.session && (session?.expiresMs ?? 0) > this.#nowMs ? accepted?.ballot : undefined;
  }

  #ask(from: number, message: DirectoryMessage): DirectoryMessage | undefined {
    this.#replica.receive(this.#nowMs, from, message);
    return this.#context.takeSent().find(({ to }) => to === from)?.message;
  }
}

/** Whoever claims hears who else may have owned before, and not of its own ballot. */
const OWN_BALLOT_OVER_ANOTHERS: Step[] = [
  { kind: "renew", server: 4 },
  { kind: "renew", server: 3 },
  { kind: "accept", aor: 1, server: 4, counter: 1, atOnce: false },
  { kind: "accept", aor: 1, server: 3, counter: 2, atOnce: false },
  { kind: "prepare", aor: 1, server: 3, counter: 3, atOnce: false },
];

describe("a replica that forgets all it can", () => {
  it("keeps every promise, and reports whatever may still count", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const replica = new Forgetful();
        for (const next of steps) replica.take(next);
      }),
      { numRuns: 2_000, examples: [[OWN_BALLOT_OVER_ANOTHERS]] },
    );
  });
});
