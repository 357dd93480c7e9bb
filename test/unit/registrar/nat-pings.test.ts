import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import { isBehindNat } from "../../../node/registrar/device-origin.ts";
import { NatPings } from "../../../node/registrar/nat-pings.ts";
import type { RegisteredContact } from "../../../node/registrar/registered-contacts.ts";
import { createCounters } from "../../../node/runtime/metrics.ts";
import type { Flow } from "../../../node/sip/stack.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const ALICE = parseAor("sip:alice@example.com");
const UDP: Flow = { transport: "UDP", address: "198.51.100.1", port: 40_000 };
const URI = "sip:alice@10.0.0.5:5060";
const contactOf = (sentBy: string, changes: Partial<RegisteredContact> = {}): RegisteredContact => ({
  ...{ uri: URI, flow: UDP, origin: { name: `198.51.100.1 ${sentBy}`, isRelayed: false } },
  ...changes,
});

describe("UDP devices behind NATs", () => {
  it("are those that are seen elsewhere than they say, as far as they can be told", () => {
    const origin = { name: "10.0.0.5 10.0.0.5 5060", isRelayed: true };
    const seen = {
      "10.0.0.5 5060": true,
      "198.51.100.1 5060": true,
      "phone.local 40000": true,
      "198.51.100.1 40000": false,
    };
    for (const [sentBy, expected] of Object.entries(seen))
      expect(isBehindNat(contactOf(sentBy)), sentBy).to.equal(expected);
    const not: Record<string, Partial<RegisteredContact>> = {
      "over a stream": { flow: { ...UDP, transport: "TCP" } },
      "behind a proxy that keeps its own way": { path: ["<sip:edge.example.com;lr>"] },
      "through a proxy": { origin },
      "of an earlier release": { origin: undefined },
    };
    for (const [what, changes] of Object.entries(not))
      expect(isBehindNat(contactOf("10.0.0.5 5060", changes)), what).to.equal(false);
    const elsewhere = { flow: { ...UDP, listensElsewhere: true } } as const;
    expect(isBehindNat(contactOf("198.51.100.1 5060", elsewhere)), "sends from another port").to.equal(false);
  });

  it("are pinged where they are seen, from when they register until they are gone, and again after a refresh from elsewhere", async () => {
    const time = new VirtualTime();
    const pinged: [string, Flow][] = [];
    const listeners: ((aor: Aor) => void)[] = [];
    let contacts: readonly RegisteredContact[] = [];
    const listen = (listener: (aor: Aor) => void) => (listeners.push(listener), () => listeners.splice(0));
    const counters = createCounters();
    const pings = new NatPings(
      {
        ...{ clock: time, timers: time, counters },
        isTrusted: (flow) => flow === trusted,
        stack: { keepAlive: (uri, flow) => void pinged.push([uri, flow]) },
        contacts: {
          contactsOf: () => contacts,
          onChange: listen,
          onRegistration: (listener) => listen((aor) => listener(aor, undefined as never, "refreshed")),
        },
      },
      30_000,
    );
    const trusted: Flow = { ...UDP, port: 5070 };
    const become = (...now: RegisteredContact[]) => {
      contacts = now;
      for (const listener of listeners) listener(ALICE);
    };
    const over = async (seconds: number) => {
      await time.advance(seconds * 1000);
      return pinged.splice(0);
    };
    pings.start();
    become(contactOf("10.0.0.5 5060"), contactOf("198.51.100.1 40000"));
    expect(await over(1), "at once").to.deep.equal([[URI, UDP]]);
    expect(await over(95)).to.deep.equal([1, 2, 3].map(() => [URI, UDP]));
    expect(counters.get("registrar.nat_pings")).to.equal(4);
    become(contactOf("198.51.100.1 40000"));
    expect(await over(95)).to.deep.equal([]);
    const moved = { ...UDP, port: 40_001 };
    become(contactOf("10.0.0.5 5060", { flow: moved }));
    expect(await over(5)).to.deep.equal([[URI, moved]]);
    become(contactOf("proxy.example.com 5070", { flow: trusted }));
    expect(await over(95), "a server that the operator trusts").to.deep.equal([]);
    contacts = [];
    expect(await over(95), "expired, or on another server").to.deep.equal([]);
    become(contactOf("10.0.0.5 5060"));
    pings.stop();
    expect(await over(95)).to.deep.equal([]);
  });
});
