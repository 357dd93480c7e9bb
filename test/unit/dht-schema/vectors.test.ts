import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { peerIdFromPrivateKey, peerIdFromString } from "@libp2p/peer-id";
import { expect } from "chai";
import frames from "../../../dht-schema/vectors/frames.json" with { type: "json" };
import groups from "../../../dht-schema/vectors/groups.json" with { type: "json" };
import keys from "../../../dht-schema/vectors/keys.json" with { type: "json" };
import messages from "../../../dht-schema/vectors/messages.json" with { type: "json" };
import servers from "../../../dht-schema/vectors/servers.json" with { type: "json" };
import signatures from "../../../dht-schema/vectors/signatures.json" with { type: "json" };
import { parseAor } from "../../../dht-schema/aor.ts";
import type { Batch } from "../../../dht-schema/directory-messages.ts";
import { decodeBatch, encodeBatch } from "../../../dht-schema/directory-messages.ts";
import { FrameSplitter } from "../../../dht-schema/frame-splitter.ts";
import { formatInviteToken, inviteSecretHash, parseInviteToken } from "../../../dht-schema/invite-token.ts";
import {
  decodeJoinAnswer,
  decodeJoinRequest,
  encodeJoinAnswer,
  encodeJoinRequest,
  JOIN_FRAME,
} from "../../../dht-schema/join-messages.ts";
import {
  decodeBye,
  decodeHello,
  decodePing,
  encodeBye,
  encodeFrame,
  encodeHello,
  encodePing,
  frameType,
} from "../../../dht-schema/link-frames.ts";
import { aorOfRecordKey, kadIdOfAor, kadIdOfPeer, recordKey } from "../../../dht-schema/record-key.ts";
import { compareDistance, replicaGroup } from "../../../dht-schema/replica-group.ts";
import { openRoster, signRoster } from "../../../dht-schema/roster.ts";
import { SchemaError } from "../../../dht-schema/schema-error.ts";
import { openServerBinding, signServerBinding } from "../../../dht-schema/server-binding.ts";
import { testRoster } from "../../helpers/rosters.ts";

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (source: Uint8Array) => Buffer.from(source).toString("hex");
const keyOf = (seed: string) => generateKeyPairFromSeed("Ed25519", octets(seed));

/** The code of the error of the schema that something ends with. */
async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof SchemaError) return error.code;
    throw error;
  }
  return "none";
}

const kadIds = new Map(servers.servers.map(({ number, kadId }) => [number, octets(kadId)]));
const members = (voters: readonly number[]) =>
  voters.map((number) => ({ number, kadId: kadIds.get(number) as Uint8Array }));

describe("the vectors for other implementers", () => {
  for (const { uri, aor, recordKey: key, kadId } of keys.aors) {
    it(`key of ${uri}`, () => {
      const canonical = parseAor(uri);
      expect(canonical).to.equal(aor);
      expect(hex(recordKey(canonical))).to.equal(key);
      expect(aorOfRecordKey(octets(key))).to.equal(aor);
      expect(hex(kadIdOfAor(canonical))).to.equal(kadId);
    });
  }

  it("URIs of which there is no AoR", async () => {
    for (const uri of keys.refused) expect(await codeOf(() => parseAor(uri)), uri).to.equal("BAD_AOR");
  });

  it("peer ids and places of servers", async () => {
    for (const { seed, publicKey, peerId, peerIdBytes, kadId } of servers.servers) {
      const key = await keyOf(seed);
      expect(hex(key.publicKey.raw)).to.equal(publicKey);
      expect(peerIdFromPrivateKey(key).toString()).to.equal(peerId);
      expect(hex(peerIdFromString(peerId).toMultihash().bytes)).to.equal(peerIdBytes);
      expect(hex(kadIdOfPeer(octets(peerIdBytes)))).to.equal(kadId);
    }
  });

  it("distances", () => {
    const zero = new Uint8Array(32);
    for (const { aor, server, distance } of groups.distances) {
      const target = kadIdOfAor(parseAor(aor));
      const place = kadIds.get(server) as Uint8Array;
      expect(hex(place.map((octet, index) => octet ^ (target[index] as number)))).to.equal(distance);
      for (const other of groups.distances.filter((vector) => vector.aor === aor)) {
        const otherPlace = kadIds.get(other.server) as Uint8Array;
        const byNumber = compareDistance(zero, octets(distance), octets(other.distance));
        expect(Math.sign(compareDistance(target, place, otherPlace))).to.equal(Math.sign(byNumber));
      }
    }
  });

  it("replica groups", () => {
    for (const { aor, voters, group } of groups.groups) {
      expect(replicaGroup(kadIdOfAor(parseAor(aor)), members(voters))).to.deep.equal(group);
    }
  });

  for (const { rosterVersion, messages: list, octets: encoded } of messages.batches) {
    it(`batch of version ${rosterVersion}: ${list.map(({ type }) => type).join(", ") || "nothing"}`, () => {
      // A field that is absent is left out of the JSON, and octets stand there as hex.
      const expected = list.map((message) =>
        "signed" in message ? { ...message, signed: octets(message.signed as string) } : message,
      );
      const batch = decodeBatch(octets(encoded));
      expect(batch.rosterVersion).to.equal(rosterVersion);
      expect(batch.messages.map(withoutAbsent)).to.deep.equal(expected);
      expect(hex(encodeBatch({ rosterVersion, messages: expected } as unknown as Batch))).to.equal(encoded);
    });
  }

  for (const { why, octets: encoded, code } of messages.refused) {
    it(`batch refused: ${why}`, async () => {
      expect(await codeOf(() => decodeBatch(octets(encoded)))).to.equal(code);
    });
  }

  it("signed rosters", async () => {
    const domainKey = await keyOf(signatures.domainSeed);
    expect(hex(domainKey.publicKey.raw)).to.equal(signatures.domainPublicKey);
    for (const { roster, signed } of signatures.rosters) {
      expect(await openRoster(octets(signed), octets(signatures.domainPublicKey))).to.deep.equal(roster);
      expect(hex(await signRoster({ ...testRoster(1), ...roster }, domainKey))).to.equal(signed);
    }
    for (const { why, signed, code } of signatures.refusedRosters) {
      expect(await codeOf(() => openRoster(octets(signed), octets(signatures.domainPublicKey))), why).to.equal(code);
    }
  });

  it("signed server bindings", async () => {
    for (const { seed, binding, signed } of signatures.bindings) {
      expect(await openServerBinding(octets(signed))).to.deep.equal(binding);
      expect(hex(await signServerBinding(binding, await keyOf(seed)))).to.equal(signed);
    }
    for (const { why, signed, code } of signatures.refusedBindings) {
      expect(await codeOf(() => openServerBinding(octets(signed))), why).to.equal(code);
    }
  });

  it("frames of a link", async () => {
    const { hello, ping, pong, bye, data } = frames;
    expect(hex(encodeHello(hello.fields))).to.equal(hello.body);
    expect(hex(encodeFrame(frameType.hello, octets(hello.body)))).to.equal(hello.frame);
    for (const body of [hello.body, hello.bodyOfALaterVersion]) {
      expect(decodeHello(octets(body))).to.deep.equal({ hello: hello.fields, protocol: hello.protocol });
    }
    expect(await codeOf(() => decodeHello(octets(frames.helloWithoutCommonVersion)))).to.equal("UNKNOWN_VERSION");
    expect(hex(encodeFrame(frameType.ready, new Uint8Array()))).to.equal(frames.ready);
    expect(hex(encodeFrame(frameType.ping, encodePing(ping.fields)))).to.equal(ping.frame);
    expect(hex(encodeFrame(frameType.pong, encodePing(pong.fields)))).to.equal(pong.frame);
    expect(hex(encodeFrame(frameType.bye, encodeBye(bye.fields)))).to.equal(bye.frame);
    expect(hex(encodeFrame(frameType.data, octets(data.body)))).to.equal(data.frame);

    const stream = [hello.frame, frames.ready, ping.frame, pong.frame, data.frame, bye.frame].join("");
    const cut: [number, string][] = [];
    new FrameSplitter().push(octets(stream), (type, body) => cut.push([type, hex(body)]) > 0);
    expect(cut.map(([type]) => type)).to.deep.equal([1, 2, 3, 4, 6, 7]);
    expect(decodePing(octets((cut[2] as [number, string])[1]))).to.deep.equal(ping.fields);
    expect((cut[4] as [number, string])[1]).to.equal(data.body);
    expect(decodeBye(octets((cut[5] as [number, string])[1]))).to.deep.equal(bye.fields);
  });

  it("frames of a join, and an invite token", () => {
    const { joinRequest, joinAccepted, joinRefused, inviteToken } = frames;
    const request = { ...joinRequest.fields, secret: octets(joinRequest.fields.secret) };
    expect(hex(encodeFrame(JOIN_FRAME, encodeJoinRequest(request)))).to.equal(joinRequest.frame);
    expect(decodeJoinRequest(octets(joinRequest.frame).subarray(2))).to.deep.equal(request);
    const accepted = { accepted: { roster: octets(joinAccepted.roster), domainKey: undefined }, refused: undefined };
    expect(hex(encodeFrame(JOIN_FRAME, encodeJoinAnswer(accepted)))).to.equal(joinAccepted.frame);
    const refused = { accepted: undefined, refused: joinRefused.fields };
    expect(hex(encodeFrame(JOIN_FRAME, encodeJoinAnswer(refused)))).to.equal(joinRefused.frame);
    expect(decodeJoinAnswer(octets(joinRefused.frame).subarray(2))).to.deep.equal(refused);

    const { fields, text, secretHash } = inviteToken;
    const token = { ...fields, domainPublicKey: octets(fields.domainPublicKey), secret: octets(fields.secret) };
    expect(formatInviteToken(token)).to.equal(text);
    const parsed = parseInviteToken(text);
    expect([parsed.domain, parsed.addresses, parsed.expiresAtMs]).to.deep.equal([
      fields.domain,
      fields.addresses,
      fields.expiresAtMs,
    ]);
    expect([hex(parsed.domainPublicKey), hex(parsed.secret)]).to.deep.equal([fields.domainPublicKey, fields.secret]);
    expect(inviteSecretHash(parsed.secret)).to.equal(secretHash);
  });
});

function withoutAbsent(message: object): object {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}
