import { expect } from "chai";
import { parseInviteToken, formatInviteToken } from "../../dht-schema/invite-token.ts";
import { createMesh } from "../../node/mesh/create-mesh.ts";
import { meshCounter } from "../../node/mesh/counters.ts";
import { setting } from "../../node/mesh/settings-names.ts";
import type { Clock } from "../../node/runtime/clock.ts";
import { systemClock } from "../../node/runtime/clock.ts";
import { codeOf } from "../helpers/codes.ts";
import { memoryInvites, memorySettings } from "../helpers/memory-storage.ts";
import type { TestServer } from "../helpers/meshes.ts";
import { TestDomain, up } from "../helpers/meshes.ts";

const HOUR_MS = 3_600_000;

describe("joining a domain by token", function () {
  this.timeout(30_000);
  let domain: TestDomain;
  let founder: TestServer;
  beforeEach(async () => {
    domain = new TestDomain();
    founder = await domain.found({ name: "first" });
    await founder.mesh.start();
  });
  afterEach(() => domain.stop());

  const invite = (steward = false): string => founder.mesh.createInvite({ ttlMs: HOUR_MS, steward });
  const joinWith = (token: string, name = "second"): Promise<TestServer> =>
    domain.create({ name, membership: { kind: "join", token } });
  const rosterOf = ({ mesh }: TestServer): string[] =>
    mesh.roster().servers.map((server) => `${server.number} ${server.name}`);

  it("gives the joiner the next number, makes it no voter, and tells both", async () => {
    const second = await joinWith(invite());
    await second.mesh.start();
    await up(founder.mesh, second.mesh.self);
    expect(rosterOf(second)).deep.equals(["1 first", "2 second"]);
    expect(second.mesh.roster()).deep.equals(founder.mesh.roster());
    expect(second.mesh.roster()).include({ domain: "example.com", version: 1, revision: 1 });
    expect(second.mesh.roster().voters).deep.equals([1]);
    expect(second.mesh.isSteward).equals(false);
    expect(founder.counters.get(meshCounter.joinsAccepted)).equals(1);
  });

  it("gives a copy of the domain's key when the invite says so, and lets only the roster's steward admit", async () => {
    const second = await joinWith(invite(true));
    const third = await joinWith(invite(), "third");
    expect(second.settings.get("mesh.domain-key")).deep.equals(founder.settings.get("mesh.domain-key"));
    expect(third.settings.get("mesh.domain-key")).equals(undefined);
    for (const { mesh } of [second, third]) {
      expect(mesh.isSteward).equals(false);
      expect(() => mesh.createInvite({ ttlMs: HOUR_MS, steward: false })).throws(/only first makes the rosters/);
    }
  });

  it("refuses a token that is no token, or not all of one", async () => {
    for (const token of ["", "hello", invite().slice(0, -3), invite().replace("aorta1-", "aorta1-A")]) {
      expect(await codeOf(joinWith(token))).equals("BAD_INVITE");
    }
    expect(rosterOf(founder)).deep.equals(["1 first"]);
  });

  it("refuses a secret that was never given out", async () => {
    const forged = formatInviteToken({ ...parseInviteToken(invite()), secret: new Uint8Array(16) });
    expect(await codeOf(joinWith(forged))).equals("BAD_INVITE");
    expect(rosterOf(founder)).deep.equals(["1 first"]);
    expect(founder.counters.get(meshCounter.joinsRefused)).equals(1);
  });

  it("refuses an expired token, before dialling as well as at the door", async () => {
    const token = parseInviteToken(founder.mesh.createInvite({ ttlMs: 1, steward: false }));
    invite(); // keeps the door open, so that the refusal is the door's own word
    const expired = formatInviteToken(token);
    expect(await codeOf(createJoiner(expired, { ...systemClock, wallMs: () => token.expiresAtMs }))).equals(
      "INVITE_EXPIRED",
    );
    expect(founder.counters.get(meshCounter.joinsRefused)).equals(0);
    expect(await codeOf(createJoiner(expired, { ...systemClock, wallMs: () => 0 }))).equals("INVITE_EXPIRED");
    expect(founder.counters.get(meshCounter.joinsRefused)).equals(1);
    expect(rosterOf(founder)).deep.equals(["1 first"]);
  });

  it("refuses a used token to another server", async () => {
    const token = invite();
    await joinWith(token);
    expect(await codeOf(joinWith(token, "third"))).equals("INVITE_USED");
    expect(rosterOf(founder)).deep.equals(["1 first", "2 second"]);
  });

  it("refuses a name that is taken, and the token stays good for another name", async () => {
    const token = invite();
    expect(await codeOf(joinWith(token, "first"))).equals("NAME_TAKEN");
    expect(rosterOf(founder)).deep.equals(["1 first"]);
    const second = await joinWith(token, "second");
    expect(rosterOf(second)).deep.equals(["1 first", "2 second"]);
  });

  it("gives the same answer again when the first one was lost", async () => {
    const token = invite(true);
    const second = await joinWith(token);
    const before = founder.mesh.roster();
    await second.mesh.stop();
    // As after a crash before the answer was stored: the key is there, the roster is not.
    const settings = memorySettings();
    settings.set(setting.peerKey, second.settings.get(setting.peerKey) as Uint8Array);
    const again = await domain.create({ settings, name: "second", membership: { kind: "join", token } });
    expect(again.mesh.self).equals(second.mesh.self);
    expect(settings.get("mesh.domain-key")).not.equals(undefined);
    expect(again.mesh.roster()).deep.equals(before);
    expect(founder.mesh.roster()).deep.equals(before);
  });

  it("says that nobody answers when the inviter is away", async () => {
    const token = invite();
    await founder.mesh.stop();
    expect(await codeOf(joinWith(token))).equals("JOIN_UNREACHABLE");
  });

  it("says that nobody is let in when the inviter has no open invite", async () => {
    const token = invite();
    founder.invites.take(founder.invites.list()[0]?.secretHash ?? "");
    expect(await codeOf(joinWith(token))).equals("JOIN_REFUSED");
    expect(founder.counters.get(meshCounter.strangersRefused)).equals(1);
  });

  it("believes no roster but one that the key in the token has signed", async () => {
    const other = await domain.create({ name: "other", membership: { kind: "found", domain: "example.com" } });
    const elsewhere = parseInviteToken(other.mesh.createInvite({ ttlMs: HOUR_MS, steward: false }));
    const token = formatInviteToken({ ...parseInviteToken(invite()), domainPublicKey: elsewhere.domainPublicKey });
    expect(await codeOf(joinWith(token))).equals("JOIN_FAILED");
  });

  it("keeps identity, domain and a growing boot number over a restart, without a token", async () => {
    const second = await joinWith(invite());
    await second.mesh.stop();
    const again = await domain.restart(second);
    expect(again.mesh.self).equals(second.mesh.self);
    expect(again.mesh.boot).equals(second.mesh.boot + 1);
    expect(rosterOf(again)).deep.equals(["1 first", "2 second"]);
  });

  async function createJoiner(token: string, clock: Clock): Promise<void> {
    const mesh = await createMesh({
      settings: memorySettings(),
      invites: memoryInvites(),
      name: "joiner",
      membership: { kind: "join", token },
      clock,
    });
    await mesh.stop();
  }
});

describe("a mesh that cannot start", () => {
  const base = () => ({ settings: memorySettings(), invites: memoryInvites(), name: "one" });
  const found = { kind: "found", domain: "example.com" } as const;

  it("says so when it belongs to no domain", async () => {
    expect(await codeOf(createMesh(base()))).equals("NO_DOMAIN");
  });

  it("refuses a malformed name, domain or address", async () => {
    expect(await codeOf(createMesh({ ...base(), name: "a b", membership: found }))).equals("BAD_NAME");
    expect(await codeOf(createMesh({ ...base(), membership: { ...found, domain: "exa mple" } }))).equals("BAD_DOMAIN");
    expect(await codeOf(createMesh({ ...base(), membership: found, listen: ["127.0.0.1:1"] }))).equals("BAD_ADDRESS");
  });

  it("refuses a damaged key or roster and leaves them as they are", async () => {
    const options = { ...base(), membership: found };
    const mesh = await createMesh(options);
    await mesh.stop();
    for (const [name, code] of [
      [setting.roster, "DAMAGED_ROSTER"],
      [setting.domainKey, "DAMAGED_KEY"],
      [setting.peerKey, "DAMAGED_KEY"],
    ] as const) {
      const sound = options.settings.get(name) as Uint8Array;
      options.settings.set(name, sound.slice(0, -1));
      expect(await codeOf(createMesh(options))).equals(code);
      expect(options.settings.get(name)).deep.equals(sound.slice(0, -1));
      options.settings.set(name, sound);
    }
  });

  it("names the port that another program has", async () => {
    const first = await createMesh({ ...base(), membership: found });
    try {
      expect(await codeOf(createMesh({ ...base(), membership: found, listen: first.addresses() }))).equals(
        "PORT_IN_USE",
      );
    } finally {
      await first.stop();
    }
  });

  it("refuses to found another domain than the one it belongs to", async () => {
    const options = { ...base(), membership: found };
    await (await createMesh(options)).stop();
    expect(await codeOf(createMesh({ ...options, membership: { kind: "found", domain: "example.org" } }))).equals(
      "OTHER_DOMAIN",
    );
  });
});
