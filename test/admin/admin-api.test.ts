import { expect } from "chai";
import type { FastifyInstance, InjectOptions } from "fastify";
import { parseAor } from "../../dht-schema/aor.ts";
import { createAdminApi } from "../../node/admin/admin-api.ts";
import { AortaError, OperationalError } from "../../node/runtime/errors.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { MemoryView, paris } from "./memory-view.ts";

const ha1 = { ha1Md5: "a".repeat(32), ha1Sha256: "b".repeat(64) };

describe("the admin API", () => {
  let view: MemoryView;
  let api: FastifyInstance;
  beforeEach(() => {
    view = new MemoryView();
    api = createAdminApi(view, { logger: silentLogger, readOnly: false });
  });
  afterEach(() => api.close());

  /** What an answer's body may hold. */
  interface Body {
    readonly error?: { readonly code: string; readonly message: string };
    readonly peer?: object;
    readonly all?: number;
    readonly bindings?: readonly object[];
  }

  async function call(request: InjectOptions | string): Promise<[status: number, body: Body | undefined]> {
    const response = await api.inject(request);
    return [response.statusCode, response.body === "" ? undefined : response.json<Body>()];
  }
  const refusal = (code: string, message: RegExp) => (body: Body | undefined) =>
    body?.error?.code === code && message.test(body.error.message);

  it("answers for its health by what the node is doing", async () => {
    expect(await call("/healthz")).to.deep.equal([200, { state: "running", peers: { up: 1, all: 1 } }]);
    view.state = "draining";
    expect((await call("/healthz"))[0]).to.equal(503);
  });

  it("finds a server by name, number or peer id", async () => {
    for (const id of ["berlin", "1", "12D3KooWBerlin"]) {
      const [status, body] = await call(`/v1/peers/${id}`);
      expect(status).to.equal(200);
      expect(body?.peer).to.include({ name: "berlin", self: true });
    }
    const [status, body] = await call("/v1/peers/rome");
    expect(status).to.equal(404);
    expect(body).to.satisfy(refusal("NO_SUCH_SERVER", /no server rome/));
  });

  it("takes addresses as long as they may be, and refuses longer paths and broken ones as it does all else", async () => {
    const longest = encodeURIComponent(`sip:${"%D0%B0".repeat(39)}@example.com`);
    expect((await call(`/v1/lookup/${longest}`))[0]).to.equal(200);
    for (const [path, status, code] of [
      ["a".repeat(1000), 414, "FST_ERR_MAX_PARAM_LENGTH"],
      ["%ff", 400, "FST_ERR_BAD_URL"],
    ] as const) {
      const answer = await call(`/v1/lookup/${path}`);
      expect(answer[0], path).to.equal(status);
      expect(answer[1], path).to.satisfy(refusal(code, /./));
    }
  });

  it("passes on what operators change in the roster, and shows it as it is then", async () => {
    const post = (path: string, payload: object) => call({ method: "POST", url: path, payload });
    const answers = [
      await post("/v1/roster/remove", { servers: ["paris", "3"], force: true }),
      await post("/v1/roster/remove", { servers: ["paris"] }),
      await post("/v1/roster/promote", { server: "paris" }),
      await post("/v1/roster/replace", { old: "paris", by: "rome" }),
      await post("/v1/roster/steward", { server: "paris" }),
      await post("/v1/roster/steward", { server: "berlin", seize: true, gone: ["rome"] }),
    ];
    for (const [status, body] of answers) {
      expect(status).to.equal(200);
      expect(body).to.deep.equal(view.roster());
    }
    expect(view.asked).to.deep.equal([
      ["remove", ["paris", "3"], true],
      ["remove", ["paris"], false],
      ["promote", "paris"],
      ["replace", "paris", "rome"],
      ["handOn", "paris"],
      ["seize", ["rome"]],
    ]);
    const [status, body] = await call({ method: "POST", url: "/v1/drain" });
    expect([status, body]).to.deep.equal([200, view.drainView()]);
    expect(view.asked.at(-1)).to.deep.equal(["drain"]);
  });

  it("tells a refusal from a failure, and seizes the steward's role for no other server", async () => {
    const payload = { servers: ["paris"] };
    view.failure = new OperationalError("LAST_VOTER", "no server would stay");
    const [status, body] = await call({ method: "POST", url: "/v1/roster/remove", payload });
    expect(status).to.equal(409);
    expect(body).to.satisfy(refusal("LAST_VOTER", /no server would stay/));
    view.failure = undefined;
    const elsewhere = { server: "paris", seize: true };
    expect((await call({ method: "POST", url: "/v1/roster/steward", payload: elsewhere }))[0]).to.equal(400);
    expect((await call({ method: "POST", url: "/v1/roster/remove", payload: { servers: [] } }))[0]).to.equal(400);
    expect(view.asked).to.deep.equal([]);
  });

  it("takes a user by name, by address or by URI", async () => {
    for (const text of ["alice", "alice@example.com", "sip:alice@EXAMPLE.com"]) {
      expect(await call(`/v1/lookup/${encodeURIComponent(text)}`)).to.deep.equal([
        200,
        { aor: "sip:alice@example.com", state: "nobody", replicas: [] },
      ]);
    }
  });

  it("refuses an address that is none, and a user of another domain", async () => {
    const [status, body] = await call(`/v1/lookup/${encodeURIComponent("a@b@c")}`);
    expect(status).to.equal(400);
    expect(body).to.satisfy(refusal("BAD_AOR", /malformed/));
    const [foreignStatus, foreign] = await call("/v1/lookup/alice@example.org");
    expect(foreignStatus).to.equal(400);
    expect(foreign).to.satisfy(refusal("FOREIGN_DOMAIN", /no user of example.com/));
  });

  it("lists bindings up to the limit asked for, and counts all", async () => {
    view.owned = ["a", "b", "c"].map((user) => ({
      aor: parseAor(`sip:${user}@example.com`),
      epoch: "1.1.1",
      ownedForMs: 5,
      leaseLeftMs: 9,
    }));
    const [status, body] = await call("/v1/bindings?limit=2");
    expect(status).to.equal(200);
    expect(body?.all).to.equal(3);
    expect(body?.bindings).to.deep.equal(view.owned.slice(0, 2));
    expect((await call("/v1/bindings?limit=0"))[1]).to.satisfy(refusal("BAD_REQUEST", /limit/));
    expect((await call("/v1/bindings?limits=1"))[1]).to.satisfy(refusal("BAD_REQUEST", /limits/));
  });

  it("makes invites, for an hour and no steward unless told otherwise", async () => {
    expect(await call({ method: "POST", url: "/v1/invites" })).to.deep.equal([
      200,
      { token: "token-false", expiresAtMs: 3_600_000 },
    ]);
    const payload = { ttl: "10m", steward: true };
    expect(await call({ method: "POST", url: "/v1/invites", payload })).to.deep.equal([
      200,
      { token: "token-true", expiresAtMs: 600_000 },
    ]);
    const [status, body] = await call({ method: "POST", url: "/v1/invites", payload: { ttl: "soon" } });
    expect(status).to.equal(400);
    expect(body).to.satisfy(refusal("BAD_TTL", /not "soon"/));
  });

  it("makes, replaces, shows and removes buddy lists, of a size that one subscription can have", async () => {
    const payload = { uri: "joe-friends", owner: "joe", members: ["alice", "bob@example.com", "alice"] };
    const members = ["sip:alice@example.com", "sip:bob@example.com"];
    const shown = { uri: "sip:joe-friends@example.com", owner: "sip:joe@example.com", members };
    const post = (over: object) => call({ method: "POST", url: "/v1/lists", payload: { ...payload, ...over } });
    expect(await post({})).to.deep.equal([201, shown]);
    expect(await post({ members: ["bob"] })).to.deep.equal([201, { ...shown, members: members.slice(1) }]);
    expect(await call("/v1/lists")).to.deep.equal([200, [{ ...shown, members: members.slice(1) }]]);
    const many = (prefix: string) => Array.from({ length: 150 }, (_, index) => `${prefix}${index}`);
    expect((await post({ uri: "half", members: many("a") }))[0]).to.equal(201);
    expect((await post({ members: [...many("b"), "half"] }))[1]).to.satisfy(refusal("LIST_TOO_LARGE", /200 users/));
    const longNames = Array.from({ length: 200 }, (_, index) => `sip:${"n".repeat(230)}${100 + index}@example.com`);
    expect((await post({ members: longNames }))[1]).to.satisfy(
      refusal("LIST_TOO_LARGE", /addresses of more than 8192 octets/),
    );
    expect((await post({ members: [] }))[1]).to.satisfy(refusal("BAD_REQUEST", /members/));
    expect((await post({ owner: "joe@example.org" }))[1]).to.satisfy(refusal("FOREIGN_DOMAIN", /no user/));
    view.users.put({ aor: parseAor("sip:ann@example.com"), username: "ann", realm: "example.com", ...ha1 });
    expect((await post({ uri: "ann" }))[1]).to.satisfy(refusal("IS_USER", /is a user/));
    view.users.remove(parseAor("sip:ann@example.com"));
    view.inParis.add(parseAor("sip:zoe@example.com"));
    expect((await post({ uri: "zoe" }))[1]).to.satisfy(
      refusal("IS_USER", /zoe@example\.com is a user, who is on paris/),
    );
    expect(await call({ method: "DELETE", url: "/v1/lists/joe-friends" })).to.deep.equal([204, undefined]);
    expect((await call({ method: "DELETE", url: "/v1/lists/joe-friends" }))[0]).to.equal(404);
  });

  it("adds, replaces, lists and removes users, and never shows secrets", async () => {
    const payload = { aor: "alice", username: "alice", ...ha1 };
    const shown = { aor: "sip:alice@example.com", username: "alice", realm: "example.com" };
    expect(await call({ method: "POST", url: "/v1/users", payload })).to.deep.equal([201, shown]);
    expect(await call({ method: "POST", url: "/v1/users", payload })).to.deep.equal([201, shown]);
    expect(view.users.find("alice", "example.com")).to.deep.equal({ ...shown, ...ha1 });
    expect(await call("/v1/users")).to.deep.equal([200, [shown]]);
    expect(await call({ method: "DELETE", url: "/v1/users/alice" })).to.deep.equal([204, undefined]);
    expect((await call({ method: "DELETE", url: "/v1/users/alice" }))[0]).to.equal(404);
  });

  it("adds many users by one request, or none of them", async () => {
    const post = (names: readonly string[]) => {
      const users = names.map((name) => ({ aor: name, username: name, ...ha1 }));
      return call({ method: "POST", url: "/v1/users/import", payload: { users } });
    };
    const names = Array.from({ length: 500 }, (_, index) => `${"long-name-".repeat(9)}${index}`);
    expect(await post(names)).to.deep.equal([204, undefined]);
    expect(view.users.list().map(({ username }) => username)).to.have.members(names);
    expect((await post([...names, "one-more"]))[1]).to.satisfy(refusal("BAD_REQUEST", /users/));
    expect((await post(["alice", "alice@example.org"]))[1]).to.satisfy(refusal("FOREIGN_DOMAIN", /no user/));
    expect(view.users.list()).to.have.length(500);
    for (const name of names) view.users.remove(parseAor(`sip:${name}@example.com`));
  });

  it("refuses a user by the name of a list, whom nobody could watch", async () => {
    const friends = { uri: "joe-friends", owner: "joe", members: ["alice"] };
    expect((await call({ method: "POST", url: "/v1/lists", payload: friends }))[0]).to.equal(201);
    const payload = { aor: "joe-friends", username: "joe-friends", ...ha1 };
    const [status, body] = await call({ method: "POST", url: "/v1/users", payload });
    expect([status, view.users.list()]).to.deep.equal([400, []]);
    expect(body).to.satisfy(refusal("IS_LIST", /joe-friends@example\.com is a list/));
  });

  it("refuses a user whose secrets are malformed, or whose name is taken", async () => {
    const payload = { aor: "alice", username: "alice", ...ha1 };
    const [, malformed] = await call({ method: "POST", url: "/v1/users", payload: { ...payload, ha1Md5: "secret" } });
    expect(malformed).to.satisfy(refusal("BAD_REQUEST", /ha1Md5/));
    await call({ method: "POST", url: "/v1/users", payload });
    const [status, taken] = await call({ method: "POST", url: "/v1/users", payload: { ...payload, aor: "bob" } });
    expect(status).to.equal(400);
    expect(taken).to.satisfy(refusal("USERNAME_TAKEN", /alice/));
  });

  it("shows a user's contacts and removes them, and says where else to ask", async () => {
    const [status, shown] = await call("/v1/contacts/alice");
    expect(status).to.equal(200);
    expect(shown).to.have.nested.property("contacts[0].flow", "udp 192.0.2.1:5060");
    const uri = "sip:alice@192.0.2.1";
    const one = { method: "DELETE" as const, url: `/v1/contacts/alice?uri=${encodeURIComponent(uri)}` };
    const aor = "sip:alice@example.com";
    expect(await call(one)).to.deep.equal([200, { aor, removed: [uri] }]);
    expect((await call({ method: "DELETE", url: "/v1/contacts/alice" }))[0]).to.equal(200);
    expect(view.contactsRemoved).to.deep.equal([
      [aor, uri],
      [aor, undefined],
    ]);
    const [missing, body] = await call({ method: "DELETE", url: "/v1/contacts/alice?uri=sip:x@y" });
    expect(missing).to.equal(404);
    expect(body).to.satisfy(refusal("NO_SUCH_CONTACT", /alice@example\.com has no contact sip:x@y/));
    view.failure = new OperationalError("OWNED_ELSEWHERE", "alice is on paris");
    expect((await call("/v1/contacts/alice"))[0]).to.equal(409);
  });

  it("searches histories, as the query restricts it", async () => {
    const [status, body] = await call(
      "/v1/history/alice?words=hello%20%20wor&peer=bob&since=5&before=9&limit=3&local=true",
    );
    expect(status).to.equal(200);
    expect(body).to.have.nested.property("messages[0].text", "hello");
    expect(view.historyAsked).to.deep.equal({
      user: "sip:alice@example.com",
      words: ["hello", "wor"],
      peer: "sip:bob@example.com",
      sinceMs: 5,
      beforeMs: 9,
      limit: 3,
      everywhere: false,
    });
    await call("/v1/history/alice");
    expect(view.historyAsked).to.deep.include({ words: [], sinceMs: 0, limit: 100, everywhere: true });
    expect((await call("/v1/history/alice?limit=0"))[0]).to.equal(400);
    expect((await call(`/v1/history/alice?words=${"w%20".repeat(33)}`))[1]).to.satisfy(refusal("TOO_MANY_WORDS", /32/));
  });

  it("removes histories, at one server or all", async () => {
    const [status, body] = await call({ method: "DELETE", url: "/v1/history/alice" });
    expect(status).to.equal(200);
    expect(body).to.deep.equal({
      ...{ aor: "sip:alice@example.com", removed: 3 },
      missing: [{ server: paris, reason: "no answer" }],
    });
    await call({ method: "DELETE", url: "/v1/history/bob?local=true" });
    expect(view.historiesRemoved).to.deep.equal([
      ["sip:alice@example.com", true],
      ["sip:bob@example.com", false],
    ]);
    expect((await call({ method: "DELETE", url: "/v1/history/alice?with=bob" }))[0], "not only some").to.equal(400);
    expect(view.historiesRemoved).to.have.length(2);
  });

  it("refuses bodies that are malformed or too large, and paths that are not there", async () => {
    const headers = { "content-type": "application/json" };
    expect((await call({ method: "POST", url: "/v1/invites", headers, payload: "{" }))[0]).to.equal(400);
    expect((await call({ method: "POST", url: "/v1/users", headers, payload: `"${"x".repeat(70_000)}"` }))[0]).to.equal(
      413,
    );
    expect((await call("/v1/nothing"))[1]).to.satisfy(refusal("NO_SUCH_PATH", /GET \/v1\/nothing/));
  });

  it("tells an operational failure from one of ours, of which it shows nothing", async () => {
    view.failure = new OperationalError("NO_MAJORITY", "no majority answered");
    expect(await call("/v1/status")).to.deep.equal([
      503,
      { error: { code: "NO_MAJORITY", message: "no majority answered" } },
    ]);
    for (const failure of [
      new TypeError("secret detail"),
      new AortaError("programmer", "ASSERTION", "secret detail"),
    ]) {
      view.failure = failure;
      const [status, body] = await call("/v1/status");
      expect(status).to.equal(500);
      expect(JSON.stringify(body)).to.not.contain("secret");
    }
  });

  describe("on TCP", () => {
    beforeEach(() => {
      api = createAdminApi(view, { logger: silentLogger, readOnly: true });
    });

    it("keeps what people wrote to itself", async () => {
      expect((await call({ url: "/v1/history/alice", headers: { host: "127.0.0.1:8181" } }))[1]).to.satisfy(
        refusal("PRIVATE", /socket/),
      );
    });

    it("can be read by this machine and changes nothing", async () => {
      for (const host of ["127.0.0.1:8181", "localhost:8181", "[::1]:8181"]) {
        expect((await call({ url: "/v1/status", headers: { host } }))[0]).to.equal(200);
      }
      for (const [method, url] of [
        ["POST", "/v1/invites"],
        ["POST", "/v1/users"],
        ["DELETE", "/v1/users/alice"],
        ["DELETE", "/v1/history/alice"],
      ] as const) {
        const [status, body] = await call({ method, url, headers: { host: "127.0.0.1" } });
        expect(status).to.equal(403);
        expect(body).to.satisfy(refusal("READ_ONLY", /admin socket/));
      }
    });

    it("serves metrics to a scraper on this machine, and to no other", async () => {
      const ask = (host: string) => api.inject({ url: "/metrics", headers: { host } });
      const { statusCode, headers, body } = await ask("127.0.0.1:8181");
      expect(statusCode).to.equal(200);
      expect(headers["content-type"]).to.equal("text/plain; version=0.0.4; charset=utf-8");
      expect(body).to.match(/^aorta_owned_users 0$/m);
      expect((await ask("metrics.example.com")).statusCode).to.equal(403);
    });

    it("is refused to a page that a browser was lured to", async () => {
      for (const host of ["evil.example:8181", "127.0.0.1.evil.example"]) {
        expect((await call({ url: "/v1/status", headers: { host } }))[0], host).to.equal(403);
      }
    });
  });
});
