import fc from "fast-check";
import type { Aor } from "../../dht-schema/aor.ts";
import { AOR_MAX_BYTES, tryParseAor } from "../../dht-schema/aor.ts";
import type { Ballot } from "../../dht-schema/ballot.ts";
import type { AcceptedState, Batch, DirectoryMessage, MessageOf } from "../../dht-schema/directory-messages.ts";
import { refusals } from "../../dht-schema/directory-messages.ts";

const UINT32_MAX = 0xffff_ffff;

/** Integers 0 … `max`, with those at the edges of their encodings often among them. */
export function anyUint(max: number = Number.MAX_SAFE_INTEGER): fc.Arbitrary<number> {
  const edges = [0, 1, 7, 14, 21, 28, 35, 42, 49]
    .flatMap((bits) => [2 ** bits - 1, 2 ** bits])
    .concat(max)
    .filter((edge) => edge <= max);
  return fc.oneof(
    fc.constantFrom(...edges),
    fc.maxSafeNat().map((value) => value % (max + 1)),
  );
}

export const anyBallot: fc.Arbitrary<Ballot> = fc.record({
  version: anyUint(UINT32_MAX),
  counter: anyUint(2 ** 48 - 1),
  member: anyUint(UINT32_MAX),
});

const LABEL_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const label = fc.string({ unit: fc.constantFrom(...Array.from(LABEL_CHARACTERS)), minLength: 1, maxLength: 8 });

/** Hosts as they stand in an AoR: names and addresses of both kinds. */
export const anyHost: fc.Arbitrary<string> = fc.oneof(
  fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join(".")),
  fc.ipV4(),
  fc.ipV6().map((address) => `[${address.toLowerCase()}]`),
);

/** The user part of an AoR before escaping: any characters at all. */
export const anyUser: fc.Arbitrary<string> = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom(...Array.from("aZ09-_.!~*'()&=+$,;?/%@: \u0000é漢😀")),
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
    ),
    minLength: 1,
    maxLength: 12,
  })
  .filter((user) => user.isWellFormed());

/** Canonical AoRs. */
export const anyAor: fc.Arbitrary<Aor> = fc
  .tuple(anyUser, anyHost)
  .map(([user, host]) => tryParseAor(`sip:${encodeURIComponent(user)}@${host}`))
  .filter((aor) => aor !== undefined);

const anyAccepted: fc.Arbitrary<AcceptedState | undefined> = fc.option(
  fc.record({ ballot: anyBallot, boot: anyUint(), validForMs: anyUint(UINT32_MAX) }),
  { nil: undefined },
);
const op = anyUint();
const aor = anyAor;
const ballot = anyBallot;
const boot = anyUint();
const session = anyUint();
const incarnation = anyUint();
const accepted = anyAccepted;
const reason = fc.constantFrom(...refusals);
const maybeBallot = fc.option(anyBallot, { nil: undefined });

/** Every field of a message but its type. */
type FieldsOf<T extends DirectoryMessage["type"]> = {
  [K in Exclude<keyof MessageOf<T>, "type">]: fc.Arbitrary<MessageOf<T>[K]>;
};

/** The fields of every message; the compiler sees to it that none is missing. */
const fields: { [T in DirectoryMessage["type"]]: FieldsOf<T> } = {
  renew: { op, boot },
  renewed: { op, session, incarnation, notices: anyUint() },
  prepare: { op, aor, ballot, boot: fc.option(boot, { nil: undefined }) },
  promised: { op, incarnation, accepted },
  accept: { op, aor, ballot, boot, incarnation },
  accepted: { op, session },
  refused: { op, reason, promised: ballot },
  release: { aor, ballot },
  handover: { op, aor, theirs: ballot, mine: ballot },
  handedOver: { op, ballot },
  read: { op, aor },
  state: { op, abstaining: fc.boolean(), promised: ballot, accepted },
  watch: { aor, order: anyUint() },
  unwatch: { aor, order: anyUint() },
  notice: { aor, session, sequence: anyUint(), accepted },
  notWatched: { aor, reason },
  confirm: { op, aor, ballot },
  confirmed: { op, owned: maybeBallot, forwarded: maybeBallot },
  fetchRecord: { op, aor },
  record: { op, signed: fc.option(fc.uint8Array({ maxLength: 1200 }), { nil: undefined }) },
  settle: { op },
  settled: { op, version: anyUint(UINT32_MAX), settled: fc.boolean(), owned: anyUint() },
};

/** Names of all messages. */
export const messageTypes = Object.keys(fields) as DirectoryMessage["type"][];

/** Messages of every type. */
export const anyMessage: fc.Arbitrary<DirectoryMessage> = fc.oneof(
  ...messageTypes.map((type) => {
    const model: Record<string, fc.Arbitrary<unknown>> = { type: fc.constant(type), ...fields[type] };
    return fc.record(model) as unknown as fc.Arbitrary<DirectoryMessage>;
  }),
);

export const anyBatch: fc.Arbitrary<Batch> = fc.record({
  rosterVersion: anyUint(UINT32_MAX),
  messages: fc.array(anyMessage, { maxLength: 8 }),
});

/** A message of each type that is as long as it can be. */
export function longestMessages(): DirectoryMessage[] {
  const most = Number.MAX_SAFE_INTEGER;
  const longAor = `sip:${"a".repeat(AOR_MAX_BYTES - "sip:@example.com".length)}@example.com` as Aor;
  const longBallot = { version: UINT32_MAX, counter: 2 ** 48 - 1, member: UINT32_MAX };
  const longest: Record<string, unknown> = {
    op: most,
    boot: most,
    session: most,
    incarnation: most,
    notices: most,
    order: most,
    sequence: most,
    owned: longBallot,
    aor: longAor,
    ballot: longBallot,
    promised: longBallot,
    theirs: longBallot,
    mine: longBallot,
    forwarded: longBallot,
    reason: "ceiling",
    abstaining: true,
    settled: true,
    version: UINT32_MAX,
    accepted: { ballot: longBallot, boot: most, validForMs: UINT32_MAX },
    signed: new Uint8Array(1200),
  };
  return messageTypes.map((type) => {
    const named = Object.keys(fields[type]).map((name) => [name, longest[name]]);
    const message = { type, ...Object.fromEntries(named) } as DirectoryMessage;
    return message.type === "settled" ? { ...message, owned: most } : message;
  });
}
