import { expect } from "chai";
import type { Aor } from "../../../../dht-schema/aor.ts";
import type { DialogFields, KeptSubscription } from "../../../../node/presence/subscription/stored-subscription.ts";
import {
  fromStoredSubscription,
  toStoredSubscription,
} from "../../../../node/presence/subscription/stored-subscription.ts";
import type { Flow } from "../../../../node/sip/stack.ts";

const BEFORE = { monotonicMs: 5000, wallMs: 1_900_000_000_000 };
/** Another process, ten minutes later. */
const AFTER = { monotonicMs: 70, wallMs: BEFORE.wallMs + 600_000 };
const UDP: Flow = { transport: "UDP", address: "127.0.0.1", port: 5070 };

const kept = (fields: Partial<DialogFields> = {}): KeptSubscription => ({
  localTag: "ours",
  event: "presence",
  aor: "sip:alice@example.com" as Aor,
  subscriber: "sip:joe@example.com" as Aor,
  fields: {
    callId: "call",
    remoteTag: "theirs",
    from: "<sip:alice@example.com>;tag=ours",
    to: "<sip:joe@example.com>;tag=theirs",
    routeSet: [],
    remoteTarget: "sip:joe@127.0.0.1:5070",
    event: "presence;id=7",
    flow: UDP,
    ...fields,
  },
  saved: { remoteCseq: 3, localCseq: 100, wasActive: true, expiresAtMs: BEFORE.monotonicMs + 3_600_000 },
});

const again = (fields: Partial<DialogFields> = {}, now = AFTER) =>
  fromStoredSubscription(toStoredSubscription(kept(fields), BEFORE), now, 7200);

describe("a subscription on disk", () => {
  it("is what it was, with what is left of its time on the clock of the other process", () => {
    const members = ["sip:ann@example.com"];
    const { fields, saved, ...rest } = kept({ minIntervalMs: 20_000, isList: true, members });
    expect(again({ minIntervalMs: 20_000, isList: true, members })).to.deep.equal({
      ...rest,
      fields,
      saved: { ...saved, expiresAtMs: AFTER.monotonicMs + 3_000_000 },
    });
  });

  it("is over when its time is, and never lasts longer than any because a clock went back", () => {
    expect(again({}, { ...AFTER, wallMs: BEFORE.wallMs + 3_600_000 })).to.equal(undefined);
    expect(again({}, { ...AFTER, wallMs: 0 })?.saved.expiresAtMs).to.equal(AFTER.monotonicMs + 7_200_000);
  });

  it("finds a TCP client or its proxy where that listens, and waits on a connection that is gone for who can only come again", () => {
    const tcp: Flow = { transport: "TCP", address: "127.0.0.1", port: 40_000, connection: "c1" };
    for (const flow of [tcp, { ...tcp, transport: "WS" as const }])
      expect(again({ flow, remoteTarget: "sip:joe@10.0.0.1:5070" })?.fields.flow).to.deep.equal({
        ...flow,
        connection: "ended",
      });
    expect(again({ flow: tcp })?.fields.flow).to.deep.equal({ transport: "TCP", address: "127.0.0.1", port: 5070 });
    const routeSet = ["<sip:127.0.0.1:5080;transport=tcp;lr>"];
    expect(again({ flow: tcp, remoteTarget: "sip:joe@10.0.0.1", routeSet })?.fields.flow).to.include({ port: 5080 });
  });

  it("that cannot be read is none", () => {
    const stored = toStoredSubscription(kept(), BEFORE);
    const dialogs = ["", "{", "null", "[]", "{}", JSON.stringify({ ...kept().fields, flow: { transport: "MESH" } })];
    dialogs.push(JSON.stringify({ ...kept().fields, routeSet: [1] }), JSON.stringify({ ...kept().fields, callId: 7 }));
    dialogs.push(JSON.stringify({ ...kept().fields, members: "all" }));
    for (const dialog of dialogs)
      expect(fromStoredSubscription({ ...stored, dialog }, AFTER, 7200)).to.equal(undefined);
  });
});
