import { expect } from "chai";
import type { Device, SimulatedServer } from "../../helpers/simulated-domain.ts";
import { SimulatedDomain } from "../../helpers/simulated-domain.ts";

const options = { transport: "WS" } as const;

/** Alice's client on a server. */
async function setUp() {
  const domain = new SimulatedDomain();
  const one = domain.server("one");
  const alice = domain.device("alice", one, options);
  await alice.register();
  return { domain, one, alice };
}

/** The same client by another connection, with the Contact that it has had all along. */
async function comesAgain(domain: SimulatedDomain, server: SimulatedServer, device: Device, callId?: string) {
  const again = domain.device("alice", server, options);
  again.continues(device);
  if (callId !== undefined) again.callId = callId;
  const registered = await again.sendRegister([["Contact", `<${device.client.contact}>`]]);
  expect(registered.status).to.equal(200);
  return again;
}

describe("a connection whose client has registered by another", () => {
  it("is closed, though nobody has said that it is dead", async () => {
    const { domain, one, alice } = await setUp();
    alice.client.state = "frozen";
    const again = await comesAgain(domain, one, alice);
    expect([alice.client.state, again.client.state]).to.deep.equal(["gone", "up"]);
    expect(domain.contactsAt(one, alice.aor)).to.deep.equal([alice.client.contact]);
  });

  it("stays where the client that has registered is another, though its Contact is the same", async () => {
    const { domain, one, alice } = await setUp();
    await comesAgain(domain, one, alice, "of another client");
    expect(alice.client.state).to.equal("up");
  });

  it("stays where another user has registered over it", async () => {
    const { domain, one, alice } = await setUp();
    const line = domain.device("ann", one, options);
    one.registrar.handleFlowClosed(line.client.flow);
    await alice.send(line.registration());
    await comesAgain(domain, one, alice);
    expect(alice.client.state).to.equal("up");
  });
});
