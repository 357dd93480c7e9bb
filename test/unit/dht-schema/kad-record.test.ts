import { generateKeyPair } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { parseAor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { bindingSelector, bindingValidator } from "../../../dht-schema/kad-record.ts";
import { recordKey } from "../../../dht-schema/record-key.ts";
import { signServerBinding } from "../../../dht-schema/server-binding.ts";
import { codeOf } from "../../helpers/codes.ts";

const ALICE = parseAor("sip:alice@example.com");
const epoch = (counter: number): Epoch => ({ version: 1, counter, member: 1 });

describe("binding records in kad-dht", () => {
  let key: PrivateKey;
  let newest: Epoch | undefined;
  let servers: Set<string>;
  beforeEach(async () => {
    key = await generateKeyPair("Ed25519");
    servers = new Set([peerIdFromPrivateKey(key).toString()]);
    newest = undefined;
  });

  const signed = (aor: Aor, at: Epoch, by = key): Promise<Uint8Array> =>
    signServerBinding({ aor, epoch: at, owner: peerIdFromPrivateKey(by).toString(), signedAtMs: 0 }, by);
  const judged = async (recordOf: Aor, value: Uint8Array): Promise<string> =>
    codeOf(
      bindingValidator({ isServer: (id) => servers.has(id), newestEpoch: () => newest })(recordKey(recordOf), value),
    );

  it("are valid when a server signed them and no newer epoch is known", async () => {
    expect(await judged(ALICE, await signed(ALICE, epoch(5)))).equals("resolved");
    newest = epoch(5);
    expect(await judged(ALICE, await signed(ALICE, epoch(5)))).equals("resolved");
  });

  it("are refused below the newest epoch known", async () => {
    newest = epoch(6);
    expect(await judged(ALICE, await signed(ALICE, epoch(5)))).equals("STALE_RECORD");
  });

  it("are refused when their owner is not in the roster", async () => {
    const value = await signed(ALICE, epoch(5));
    servers.clear();
    expect(await judged(ALICE, value)).equals("BAD_RECORD");
  });

  it("are refused under the key of another user", async () => {
    expect(await judged(ALICE, await signed(parseAor("sip:bob@example.com"), epoch(5)))).equals("BAD_RECORD");
  });

  it("are refused with a signature that does not fit, or as no record at all", async () => {
    const value = await signed(ALICE, epoch(5));
    const tampered = value.slice();
    tampered[tampered.length - 1] = (tampered.at(-1) as number) ^ 1;
    expect(await judged(ALICE, tampered)).equals("BAD_SIGNATURE");
    expect(await judged(ALICE, value.slice(0, 20))).equals("BAD_FRAME");
  });

  it("are selected by the highest epoch, wherever it stands and whatever stands beside it", async () => {
    const [low, high, junk] = [await signed(ALICE, epoch(5)), await signed(ALICE, epoch(9)), new Uint8Array(3)];
    expect(await bindingSelector(recordKey(ALICE), [low, high, junk])).equals(1);
    expect(await bindingSelector(recordKey(ALICE), [junk, high, low])).equals(1);
    expect(await bindingSelector(recordKey(ALICE), [low, junk])).equals(0);
    expect(await bindingSelector(recordKey(ALICE), [junk, low])).equals(1);
  });
});
