import { multiaddr } from "@multiformats/multiaddr";
import { expect } from "chai";
import { Dialer } from "../../node/mesh/dialer.ts";
import type { Outsider } from "../helpers/outsider.ts";
import { createOutsider } from "../helpers/outsider.ts";

/** Nothing listens here. */
const DEAD = "/ip4/127.0.0.1/tcp/1";

describe("dialling a server", () => {
  let here: Outsider;
  let there: Outsider;
  const never = new AbortController().signal;
  beforeEach(async () => {
    [here, there] = await Promise.all([createOutsider(), createOutsider()]);
  });
  afterEach(async () => {
    await Promise.all([here.stop(), there.stop()]);
  });

  const dial = async (addresses: readonly string[], bootstrap: readonly string[], attempt = 0): Promise<string> => {
    const dialer = new Dialer(
      here,
      bootstrap.map((address) => multiaddr(address)),
    );
    return (await dialer.dial(there.peerId, addresses, attempt, never)).remotePeer.toString();
  };
  const listening = (): string => String(there.getMultiaddrs()[0]).replace(/\/p2p\/.*/, "");
  const rejected = (promise: Promise<unknown>): Promise<boolean> =>
    promise.then(
      () => false,
      () => true,
    );

  it("tries all addresses of the roster", async () => {
    expect(await dial([DEAD, listening()], [])).equals(there.peerId.toString());
  });

  it("tries what the operator gave, with the peer's id or with none, and not what is another's", async () => {
    expect(await dial([DEAD], [listening()])).equals(there.peerId.toString());
    await here.hangUp(there.peerId);
    expect(await dial([], [`${listening()}/p2p/${there.peerId.toString()}`])).equals(there.peerId.toString());
    await here.hangUp(there.peerId);
    expect(await rejected(dial([], [`${listening()}/p2p/${here.peerId.toString()}`]))).equals(true);
  });

  it("uses addresses learned otherwise at every second attempt, when the given ones have failed", async () => {
    await here.peerStore.merge(there.peerId, { multiaddrs: [multiaddr(listening())] });
    expect(await rejected(dial([DEAD], [], 0))).equals(true);
    expect(await dial([DEAD], [], 1)).equals(there.peerId.toString());
  });

  it("uses a connection that exists", async () => {
    const existing = await here.dial(there.getMultiaddrs());
    expect(await new Dialer(here, []).dial(there.peerId, [DEAD], 0, never)).equals(existing);
  });
});
