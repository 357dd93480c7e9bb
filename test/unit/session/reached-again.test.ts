import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import type { RegisteredContact } from "../../../node/registrar/registered-contacts.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { reachedAgain } from "../../../node/session/reached-again.ts";
import type { Flow } from "../../../node/sip/stack.ts";
import { VirtualTime } from "../../helpers/virtual-time.ts";

const BOB = "sip:bob@example.com" as Aor;
const URI = "sip:bob@client.invalid;transport=ws";
const { awayMs } = limits.session;

function flow(connection: string | undefined, transport: "WS" | "WSS" | "TCP" = "WS"): Flow {
  return { transport, address: "192.0.2.1", port: 5060, ...(connection === undefined ? {} : { connection }) };
}

/** A device whose connection `gone` has closed; `registers` says what is bound from then on. */
function away(
  device: Partial<RegisteredContact> = {},
  closed = flow("gone"),
  others: readonly RegisteredContact[] = [],
) {
  const time = new VirtualTime();
  let contacts = others;
  let listeners: ((aor: Aor) => void)[] = [];
  const found = reachedAgain(BOB, { uri: URI, flow: closed, ...device }, closed, {
    contacts: {
      contactsOf: () => contacts,
      onRegistration(listener) {
        const listen = (aor: Aor) => listener(aor, undefined as never, "registered");
        listeners.push(listen);
        return () => void (listeners = listeners.filter((each) => each !== listen));
      },
    },
    stack: { hasClosed: (each) => "connection" in each && each.connection === "gone" },
    timers: time,
  });
  const registers = (...now: readonly RegisteredContact[]): void => {
    contacts = now;
    for (const listener of listeners) listener(BOB);
  };
  return { time, found, registers, listening: () => listeners.length };
}

describe("a device whose connection broke while it rang", () => {
  it("is reached by the connection that it registers by again", async () => {
    const { time, found, registers, listening } = away();
    await time.advance(awayMs - 1);
    registers({ uri: URI, flow: flow("new") });
    expect(await found).to.deep.equal(flow("new"));
    expect(listening()).to.equal(0);
  });

  it("is not waited for longer than for a moment", async () => {
    const { time, found, listening } = away();
    expect(await time.until(found, awayMs)).to.equal(undefined);
    expect(listening()).to.equal(0);
  });

  it("is known by its instance, whatever its Contact is now, and has perhaps another flow already (RFC 5626 §4.2)", async () => {
    const instance = "<urn:uuid:1>";
    const other = { uri: "sip:bob@192.0.2.1:5099", flow: flow("second"), instance };
    expect(await away({ instance }, flow("gone"), [other]).found).to.deep.equal(flow("second"));
  });

  it("is not another device, nor itself by another transport or behind another proxy", async () => {
    const { time, found, registers } = away();
    registers(
      { uri: "sip:another@client.invalid;transport=ws", flow: flow("a") },
      { uri: URI, flow: flow("b", "WSS") },
      { uri: URI, flow: flow("d"), twin: "another" },
      { uri: URI, flow: flow("c"), path: ["<sip:proxy.example.com;lr>"] },
      { uri: URI, flow: flow("gone") },
    );
    expect(await time.until(found, awayMs)).to.equal(undefined);
  });

  it("is called where it listens, once, and then waited for", async () => {
    const listener = { uri: URI, flow: flow(undefined, "TCP") };
    expect(await away({}, flow("gone", "TCP"), [listener]).found).to.deep.equal(listener.flow);
    const { time, found } = away({}, listener.flow, [listener]);
    expect(await time.until(found, awayMs)).to.equal(undefined);
  });
});
