import { expect } from "chai";
import fc from "fast-check";
import type { InviteToken } from "../../../dht-schema/invite-token.ts";
import { formatInviteToken, inviteSecretHash, parseInviteToken } from "../../../dht-schema/invite-token.ts";
import { SchemaError } from "../../../dht-schema/schema-error.ts";

const TOKEN: InviteToken = {
  domain: "example.com",
  domainPublicKey: new Uint8Array(32).fill(7),
  addresses: ["/ip4/192.0.2.1/tcp/4001/p2p/12D3KooWPqT2nMDSiXUSx5D7fasaxhxKigVhcqfkKqrLghCq9jxz"],
  secret: new Uint8Array(16).fill(9),
  expiresAtMs: 1_800_000_000_000,
};

/** Octets compare as octets, whatever kind of array holds them. */
const plain = (token: InviteToken) => ({
  ...token,
  domainPublicKey: [...token.domainPublicKey],
  secret: [...token.secret],
});

describe("an invite token", () => {
  const token = fc.record({
    domain: fc.domain(),
    domainPublicKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    addresses: fc.array(fc.string({ maxLength: 60 }), { maxLength: 16 }),
    secret: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    expiresAtMs: fc.maxSafeNat(),
  });

  it("is one line that survives a shell and gives back what was put in", () => {
    fc.assert(
      fc.property(token, (made) => {
        const line = formatInviteToken(made);
        expect(line).matches(/^aorta1-[A-Za-z0-9_-]+$/);
        expect(plain(parseInviteToken(`  ${line}\n`))).deep.equals(plain(made));
      }),
    );
  });

  it("is refused when any character of it is changed, or its end is missing", () => {
    const line = formatInviteToken(TOKEN);
    for (let at = 0; at < line.length; at++) {
      const other = line[at] === "A" ? "B" : "A";
      for (const damaged of [line.slice(0, at), line.slice(0, at) + other + line.slice(at + 1)]) {
        // The last character's low bits may be padding that base64url does not carry: then nothing has changed.
        if (
          damaged.length === line.length &&
          Buffer.from(damaged.slice(7), "base64url").equals(Buffer.from(line.slice(7), "base64url"))
        )
          continue;
        expect(() => parseInviteToken(damaged), `${at}`)
          .throws(SchemaError)
          .property("code", "BAD_INVITE");
      }
    }
  });

  it("is refused when its parts have the wrong size, though its checksum is right", () => {
    for (const wrong of [{ secret: new Uint8Array(15) }, { domainPublicKey: new Uint8Array(31) }]) {
      expect(() => parseInviteToken(formatInviteToken({ ...TOKEN, ...wrong })))
        .throws(SchemaError)
        .property("code", "BAD_INVITE");
    }
  });

  it("is kept by its maker as the hash of the secret alone", () => {
    expect(inviteSecretHash(TOKEN.secret)).matches(/^[0-9a-f]{64}$/);
    expect(inviteSecretHash(TOKEN.secret)).not.equals(inviteSecretHash(new Uint8Array(16)));
  });
});
