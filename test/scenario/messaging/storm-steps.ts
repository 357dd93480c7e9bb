import fc from "fast-check";
import type { Weather } from "../../helpers/storm.ts";
import { serverArb } from "../../helpers/storm.ts";

/** What a handset does with messages. */
export type Manner =
  | { readonly kind: "answers" }
  /** It takes them after a while. */
  | { readonly kind: "thinks"; readonly ms: number }
  | { readonly kind: "is silent" }
  | { readonly kind: "refuses"; readonly status: number };

/** One thing that happens in a storm. Servers, handsets and senders are numbered. */
export type Step =
  | Exclude<Weather, { readonly kind: "blackout" }>
  | UserStep
  | {
      readonly kind: "cut";
      readonly from: number;
      readonly to: number;
      readonly bothWays: boolean;
      readonly ms: number;
    }
  /** A server leaves for good; another takes its place. */
  | { readonly kind: "leave"; readonly at: number }
  /** What a server finds next of a user is where they were before. */
  | { readonly kind: "find-old"; readonly at: number; readonly user: number };

/** What users do, each with their own handsets. */
export type UserStep =
  | { readonly kind: "register"; readonly handset: number; readonly at: number }
  | { readonly kind: "refresh"; readonly handset: number }
  | { readonly kind: "unregister"; readonly handset: number }
  | { readonly kind: "behave"; readonly handset: number; readonly manner: Manner }
  | {
      readonly kind: "write";
      readonly sender: number;
      readonly at: number;
      readonly to: number;
      readonly times: number;
      readonly isUrgent: boolean;
    };

const handsetArb = fc.nat(2);

const mannerArb: fc.Arbitrary<Manner> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: "answers" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("thinks" as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 15_000 })),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "is silent" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("refuses" as const),
      status: fc.constantFrom(403, 405, 415, 480, 486, 500, 503),
    }),
  },
);

const writeArb = fc.record({
  kind: fc.constant("write" as const),
  sender: fc.nat(2),
  at: serverArb,
  to: fc.nat(1),
  times: fc.integer({ min: 1, max: 3 }),
  isUrgent: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
});

/** Most things happen while others are on their way: that takes some milliseconds. */
const waitArb = fc.record({
  kind: fc.constant("wait" as const),
  ms: fc.oneof(
    { weight: 6, arbitrary: fc.nat(10) },
    { weight: 3, arbitrary: fc.nat(3_000) },
    { weight: 1, arbitrary: fc.nat(20_000) },
  ),
});

/** What happens where nothing fails. */
export const userStepArb: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("register" as const), handset: handsetArb, at: serverArb }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refresh" as const), handset: handsetArb }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("unregister" as const), handset: handsetArb }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("behave" as const), handset: handsetArb, manner: mannerArb }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("find-old" as const), at: serverArb, user: fc.nat(1) }),
  },
  { weight: 7, arbitrary: writeArb },
  { weight: 10, arbitrary: waitArb },
);

/** All that happens in a storm. */
export const stepArb: fc.Arbitrary<Step> = fc.oneof(
  { weight: 25, arbitrary: userStepArb },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("restart" as const),
      at: serverArb,
      // Also for longer than a lease: others can have its users meanwhile.
      downMs: fc.oneof(
        { weight: 4, arbitrary: fc.nat(100) },
        { weight: 4, arbitrary: fc.nat(5_000) },
        { weight: 1, arbitrary: fc.nat(25_000) },
      ),
      inOrder: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("cut" as const),
      from: serverArb,
      to: serverArb,
      bothWays: fc.boolean(),
      ms: fc.oneof(fc.nat(20), fc.nat(1_500), fc.nat(10_000)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), at: serverArb }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose-leases" as const), at: serverArb, ms: fc.nat(1_500) }) },
);
