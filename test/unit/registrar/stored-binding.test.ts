import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { fromStored, toStored } from "../../../node/registrar/stored-binding.ts";
import type { Flow } from "../../../node/sip/stack.ts";
import { binding } from "./bindings.ts";

const ALICE = "sip:alice@example.com" as Aor;
const MAX_SECONDS = 7200;
const saved = { monotonicMs: 500_000, wallMs: 1_900_000_000_000 };
const stored = (flow: Flow, uri = "sip:alice@127.0.0.1:5070") =>
  toStored(
    ALICE,
    binding({ uri, flow, expiresAtMs: saved.monotonicMs + 600_000, q: 300, instance: "urn:uuid:1" }),
    saved,
  );
const UDP: Flow = { transport: "UDP", address: "127.0.0.1", port: 5070, listener: "127.0.0.1:5060" };

describe("a binding on disk", () => {
  it("comes back with the time it has left on the clocks of another run", () => {
    const restored = fromStored(stored(UDP), { monotonicMs: 10, wallMs: saved.wallMs + 100_000 }, MAX_SECONDS);
    expect(restored).to.deep.equal(binding({ flow: UDP, expiresAtMs: 500_010, q: 300, instance: "urn:uuid:1" }));
  });

  it("comes back with the path to the device, and is called back at the first proxy on it", () => {
    const path = ["<sip:token@127.0.0.1:5071;transport=tcp;lr>", "<sip:192.0.2.7;lr>"];
    const origin = { name: "10.0.0.1 10.0.0.1 5060", isRelayed: true };
    const flow: Flow = { transport: "TCP", address: "127.0.0.1", port: 40_000, connection: "c" };
    const kept = toStored(ALICE, binding({ uri: "sip:alice@10.0.0.1", flow, path, origin, regId: 1 }), saved);
    expect(fromStored(kept, saved, MAX_SECONDS)).to.deep.include({
      origin,
      flow: { transport: "TCP", address: "127.0.0.1", port: 5071 },
      path,
      regId: 1,
    });
  });

  it("does not come back after it has expired", () => {
    expect(fromStored(stored(UDP), { monotonicMs: 0, wallMs: saved.wallMs + 600_000 }, MAX_SECONDS)).to.equal(
      undefined,
    );
  });

  it("lasts no longer than any registration may, though the wall clock went back a year", () => {
    const restored = fromStored(stored(UDP), { monotonicMs: 0, wallMs: saved.wallMs - 365 * 86_400_000 }, MAX_SECONDS);
    expect(restored?.expiresAtMs).to.equal(MAX_SECONDS * 1000);
  });

  it("does not come back when it needs a WebSocket connection that ended with the process", () => {
    const flow: Flow = { transport: "WS", address: "127.0.0.1", port: 40_000, connection: "c" };
    expect(fromStored(stored(flow), saved, MAX_SECONDS)).to.equal(undefined);
  });

  it("is called back over TCP at the port of its Contact, on the host that it came from", () => {
    const flow: Flow = { transport: "TCP", address: "127.0.0.1", port: 40_000, connection: "c" };
    expect(fromStored(stored(flow), saved, MAX_SECONDS)?.flow).to.deep.equal({
      transport: "TCP",
      address: "127.0.0.1",
      port: 5070,
    });
    expect(fromStored(stored(flow, "sip:alice@127.0.0.9:5070"), saved, MAX_SECONDS)).to.equal(undefined);
  });

  it("is called back over TLS if it is a server that the operator trusts, under the name in its Contact", () => {
    const flow: Flow = { transport: "TLS", address: "192.0.2.1", port: 40_000, connection: "c" };
    const uri = "sips:kamailio.example.com";
    expect(fromStored(stored(flow, uri), saved, MAX_SECONDS)).to.equal(undefined);
    const back = { transport: "TLS", address: "192.0.2.1", port: 5061, host: "kamailio.example.com", trusted: true };
    const restored = fromStored(stored({ ...flow, trusted: true }, uri), saved, MAX_SECONDS)!;
    expect(restored.flow).to.deep.equal(back);
    expect(fromStored(toStored(ALICE, restored, saved), saved, MAX_SECONDS)?.flow, "again").to.deep.equal(back);
  });

  for (const flow of ["", "null", "[]", '{"transport":"MESH","server":"s"}', '{"transport":"UDP","address":5}', "{"]) {
    it(`is given up when its flow reads ${JSON.stringify(flow)}`, () => {
      expect(fromStored({ ...stored(UDP), flow }, saved, MAX_SECONDS)).to.equal(undefined);
    });
  }
});
