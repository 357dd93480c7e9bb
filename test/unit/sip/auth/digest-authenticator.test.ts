import { createHash } from "node:crypto";
import { expect } from "chai";
import type { Aor } from "../../../../dht-schema/aor.ts";
import type { MonotonicMs } from "../../../../node/runtime/clock.ts";
import { limits } from "../../../../node/runtime/limits.ts";
import type { Logger } from "../../../../node/runtime/logger.ts";
import { silentLogger } from "../../../../node/runtime/logger.ts";
import { createCounters } from "../../../../node/runtime/metrics.ts";
import type { DigestOffer, DigestResult } from "../../../../node/sip/auth/digest-authenticator.ts";
import { createDigestAuthenticator } from "../../../../node/sip/auth/digest-authenticator.ts";
import { digestResponse } from "../../../../node/sip/auth/digest-response.ts";
import type { ClientAddress } from "../../../../node/sip/auth/failed-logins.ts";
import { createRequest } from "../../../../node/sip/message/build.ts";
import { parseCredentials } from "../../../../node/sip/message/credentials.ts";
import type { SipRequest } from "../../../../node/sip/message/message.ts";
import type { User } from "../../../../node/storage/ports.ts";

const REALM = "example.com";

function h(algorithm: string, text: string): string {
  return createHash(algorithm === "MD5" ? "md5" : "sha256")
    .update(text)
    .digest("hex");
}

function userNamed(username: string, password: string): User {
  const secret = `${username}:${REALM}:${password}`;
  return {
    aor: `sip:${username}@${REALM}` as Aor,
    username,
    realm: REALM,
    ha1Md5: h("MD5", secret),
    ha1Sha256: h("SHA-256", secret),
  };
}

const SOURCE: ClientAddress = { transport: "UDP", address: "192.0.2.1" };

const alice = userNamed("alice", "secret");

function setUp(
  offer: DigestOffer = "both",
  logger: Logger = silentLogger,
  isProxy: (address: string) => boolean = () => false,
) {
  const clock = { nowMs: 60_000, monotonicMs: () => clock.nowMs as MonotonicMs };
  const authenticator = createDigestAuthenticator({
    realm: REALM,
    offer,
    findUser: (username, realm) => (username === "alice" && realm === REALM ? alice : undefined),
    clock,
    counters: createCounters(),
    logger,
    isProxy,
  });
  return { clock, authenticator };
}

function request(headers: [string, string][] = [], uri = "sip:example.com"): SipRequest {
  return createRequest({
    method: "REGISTER",
    uri,
    from: "<sip:alice@example.com>;tag=1",
    to: "<sip:alice@example.com>",
    headers,
  });
}

function challenges(result: DigestResult): Map<string, string>[] {
  if (result.kind !== "refused") throw new Error("not refused");
  return result.refusal.headers.map(([, value]) => new Map(parseCredentials(value).params));
}

/** Credentials as RFC 7616 §3.4 tells a client to make them, computed here without the code under test. */
function credentials(nonce: string, change: Partial<Record<string, string>> & { password?: string } = {}): string {
  const { password = "secret", ...changed } = change;
  const value: Record<string, string> = {
    username: "alice",
    realm: REALM,
    nonce,
    uri: "sip:example.com",
    algorithm: "SHA-256",
    qop: "auth",
    nc: "00000001",
    cnonce: "abc",
    ...(changed as Record<string, string>),
  };
  const algorithm = value["algorithm"] ?? "MD5";
  const ha1 = h(algorithm, `${value["username"]}:${REALM}:${password}`);
  const ha2 = h(algorithm, `REGISTER:${value["uri"]}`);
  const middle = value["qop"] === "" ? nonce : `${nonce}:${value["nc"]}:${value["cnonce"]}:${value["qop"]}`;
  value["response"] ??= h(algorithm, `${ha1}:${middle}:${ha2}`);
  const fields = Object.entries(value).filter(([, text]) => text !== "");
  return `Digest ${fields.map(([name, text]) => (name === "nc" || name === "qop" ? `${name}=${text}` : `${name}="${text}"`)).join(", ")}`;
}

function causeOf(result: DigestResult): string {
  return result.kind === "refused" ? result.cause : result.kind;
}

describe("digest authentication", () => {
  it("challenges a request without credentials, SHA-256 before MD5", () => {
    const { authenticator } = setUp();
    const result = authenticator.authenticate(request(), "registrar", SOURCE);
    expect(result).to.deep.include({ kind: "refused", cause: "no-credentials" });
    expect(result).to.have.nested.property("refusal.status", 401);
    expect(result).to.have.nested.property("refusal.headers[0][0]", "WWW-Authenticate");
    expect(challenges(result).map((each) => each.get("algorithm"))).to.deep.equal(["SHA-256", "MD5"]);
    for (const each of challenges(result)) {
      expect(each.get("realm")).to.equal(REALM);
      expect(each.get("qop")).to.equal("auth");
      expect(each.has("stale")).to.equal(false);
    }
  });

  for (const [offer, offered, other] of [
    ["md5", "MD5", "SHA-256"],
    ["sha-256", "SHA-256", "MD5"],
  ] as const) {
    it(`offers ${offered} alone where that is asked for, and takes nothing else`, () => {
      const { authenticator } = setUp(offer);
      const challenged = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
      expect(challenged.map((each) => each.get("algorithm"))).to.deep.equal([offered]);
      const nonce = challenged[0]?.get("nonce") as string;
      const attempt = (value: string) =>
        causeOf(authenticator.authenticate(request([["Authorization", value]]), "registrar", SOURCE));
      const ofOther = credentials(nonce, { algorithm: other });
      expect(attempt(ofOther)).to.equal("no-credentials");
      const unnamed = credentials(nonce, { algorithm: "MD5" }).replace('algorithm="MD5", ', "");
      expect(attempt(unnamed)).to.equal(offered === "MD5" ? "user" : "no-credentials");
      expect(attempt(credentials(nonce, { algorithm: offered, nc: "00000002" }))).to.equal("user");
    });
  }

  it("challenges as a proxy with 407", () => {
    const { authenticator } = setUp();
    const result = authenticator.authenticate(request([["Authorization", credentials("x")]]), "proxy", SOURCE);
    expect(result).to.have.nested.property("refusal.status", 407);
    expect(result).to.have.nested.property("refusal.headers[0][0]", "Proxy-Authenticate");
  });

  for (const algorithm of ["SHA-256", "MD5", "sha-256"]) {
    it(`knows a user by ${algorithm}`, () => {
      const { authenticator } = setUp();
      const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
      const value = credentials(first?.get("nonce") as string, { algorithm: algorithm.toUpperCase() });
      const given = value.replace(`"${algorithm.toUpperCase()}"`, algorithm);
      expect(authenticator.authenticate(request([["Authorization", given]]), "registrar", SOURCE)).to.deep.include({
        kind: "user",
        aor: alice.aor,
      });
    });
  }

  it("tells whether credentials answer a challenge, or use its nonce again", () => {
    const { authenticator } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const nonce = first?.get("nonce") as string;
    for (const nc of ["00000001", "00000002"]) {
      const given = request([["Authorization", credentials(nonce, { nc })]]);
      expect(authenticator.authenticate(given, "registrar", SOURCE), nc).to.deep.include({
        ...{ kind: "user", wasChallenged: nc === "00000001" },
      });
    }
  });

  it("takes MD5 when no algorithm is named", () => {
    const { authenticator } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const value = credentials(first?.get("nonce") as string, { algorithm: "MD5" }).replace('algorithm="MD5", ', "");
    expect(causeOf(authenticator.authenticate(request([["Authorization", value]]), "registrar", SOURCE))).to.equal(
      "user",
    );
  });

  it("finds its own realm among others' credentials", () => {
    const { authenticator } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const headers: [string, string][] = [
      ["Authorization", "Bearer abc"],
      ["Authorization", 'Digest username="x", realm="other.com", nonce="n", uri="u", response="r"'],
      ["Authorization", credentials(first?.get("nonce") as string)],
    ];
    expect(causeOf(authenticator.authenticate(request(headers), "registrar", SOURCE))).to.equal("user");
  });

  it("tells a wrong password and an unknown user apart to nobody", () => {
    const { authenticator } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const nonce = first?.get("nonce") as string;
    for (const change of [{ password: "guess" }, { username: "mallory" }, { response: "" }, { response: "0" }]) {
      const result = authenticator.authenticate(
        request([["Authorization", credentials(nonce, change)]]),
        "registrar",
        SOURCE,
      );
      expect(causeOf(result)).to.be.oneOf(["wrong", "malformed"]);
      if (causeOf(result) === "wrong") expect(challenges(result)[0]?.has("stale")).to.equal(false);
    }
    // An empty secret is what an unknown user is checked against: it must not let anybody in.
    const response = digestResponse("", {
      algorithm: "SHA-256",
      nonce,
      method: "REGISTER",
      uri: "sip:example.com",
      qop: { nc: "00000001", cnonce: "abc" },
    });
    const forged = credentials(nonce, { username: "mallory", response });
    expect(causeOf(authenticator.authenticate(request([["Authorization", forged]]), "registrar", SOURCE))).to.equal(
      "wrong",
    );
  });

  it("tells operators of wrong passwords, and of nothing else that is refused", () => {
    const lines: object[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => void lines.push(fields) };
    const { authenticator } = setUp("both", logger);
    const attempt = (headers: [string, string][]) => authenticator.authenticate(request(headers), "registrar", SOURCE);
    const nonce = challenges(attempt([]))[0]?.get("nonce") as string;
    attempt([["Authorization", credentials("old")]]);
    attempt([["Authorization", "Digest"]]);
    expect(lines).to.deep.equal([]);
    for (const change of [{ password: "guess" }, { username: "mallory" }])
      attempt([["Authorization", credentials(nonce, change)]]);
    expect(lines).to.deep.equal([
      { source: "192.0.2.1", transport: "UDP", user: "alice" },
      { source: "192.0.2.1", transport: "UDP", user: "mallory" },
    ]);
  });

  it("asks for a newer nonce, with stale, when the password is right", () => {
    const { authenticator, clock } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const nonce = first?.get("nonce") as string;
    clock.nowMs += limits.sip.nonceMs;
    const result = authenticator.authenticate(request([["Authorization", credentials(nonce)]]), "registrar", SOURCE);
    expect(causeOf(result)).to.equal("stale");
    const [again] = challenges(result);
    expect(again?.get("stale")).to.equal("true");
    const retry = credentials(again?.get("nonce") as string);
    expect(causeOf(authenticator.authenticate(request([["Authorization", retry]]), "registrar", SOURCE))).to.equal(
      "user",
    );
  });

  it("takes no credentials that an earlier run may have taken", () => {
    const before = setUp().authenticator;
    const [first] = challenges(before.authenticate(request(), "registrar", SOURCE));
    const recorded = request([["Authorization", credentials(first?.get("nonce") as string)]]);
    expect(causeOf(before.authenticate(recorded, "registrar", SOURCE))).to.equal("user");
    const result = setUp().authenticator.authenticate(recorded, "registrar", SOURCE);
    expect(causeOf(result)).to.equal("stale");
    expect(challenges(result)[0]?.get("stale")).to.equal("true");
  });

  it("holds nonces of another server, of another realm, and invented ones for stale", () => {
    const { authenticator, clock } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const nonce = first?.get("nonce") as string;
    const [foreign] = challenges(setUp().authenticator.authenticate(request(), "registrar", SOURCE));
    const other = createDigestAuthenticator({
      realm: "other.com",
      offer: "both",
      findUser: () => alice,
      clock,
      counters: createCounters(),
      logger: silentLogger,
    });
    const [ofOtherRealm] = challenges(other.authenticate(request(), "registrar", SOURCE));
    const candidates = [
      foreign?.get("nonce") as string,
      ofOtherRealm?.get("nonce") as string,
      "invented",
      `${nonce}=`,
      `${nonce.slice(0, -1)}!`,
    ];
    for (const each of candidates) {
      expect(
        causeOf(authenticator.authenticate(request([["Authorization", credentials(each)]]), "registrar", SOURCE)),
        each,
      ).to.equal("stale");
    }
  });

  it("accepts each nonce count once, in a little disorder", () => {
    const { authenticator } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const nonce = first?.get("nonce") as string;
    const use = (nc: string) =>
      causeOf(
        authenticator.authenticate(request([["Authorization", credentials(nonce, { nc })]]), "registrar", SOURCE),
      );
    expect(["00000001", "00000003", "00000002", "0000000a"].map(use)).to.deep.equal(["user", "user", "user", "user"]);
    expect(["00000001", "00000002", "00000003", "0000000A"].map(use)).to.deep.equal([
      "replayed",
      "replayed",
      "replayed",
      "replayed",
    ]);
    expect(use("000000ff")).to.equal("user");
    expect(use("00000004")).to.equal("replayed");
  });

  it("lets a client without qop use a nonce once", () => {
    const { authenticator } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const value = credentials(first?.get("nonce") as string, { qop: "", nc: "", cnonce: "" });
    expect(causeOf(authenticator.authenticate(request([["Authorization", value]]), "registrar", SOURCE))).to.equal(
      "user",
    );
    expect(causeOf(authenticator.authenticate(request([["Authorization", value]]), "registrar", SOURCE))).to.equal(
      "replayed",
    );
  });

  it("refuses credentials made for another request", () => {
    const { authenticator } = setUp();
    const [first] = challenges(authenticator.authenticate(request(), "registrar", SOURCE));
    const value = credentials(first?.get("nonce") as string, { uri: "sip:bob@example.com" });
    const result = authenticator.authenticate(request([["Authorization", value]]), "registrar", SOURCE);
    expect(result).to.have.nested.property("refusal.status", 400);
    expect(causeOf(result)).to.equal("other-uri");
    const widened = request([["Authorization", credentials(first?.get("nonce") as string)]], "sip:example.com:5060;lr");
    expect(causeOf(authenticator.authenticate(widened, "registrar", SOURCE))).to.equal("user");
  });

  for (const value of [
    "Digest",
    `Digest realm="${REALM}"`,
    `Digest username="alice", realm="${REALM}", nonce="n", uri="u", response="r", qop=auth-int, nc=00000001, cnonce="c"`,
    `Digest username="alice", realm="${REALM}", nonce="n", uri="u", response="r", qop=auth, nc=1, cnonce="c"`,
    `Digest username="alice", realm="${REALM}", nonce="n", uri="u", response="r", qop=auth, nc=00000001`,
    `Digest username="alice, realm="${REALM}"`,
  ]) {
    it(`answers 400 to ${value}`, () => {
      const { authenticator } = setUp();
      const result = authenticator.authenticate(request([["Authorization", value]]), "registrar", SOURCE);
      expect(causeOf(result)).to.equal("malformed");
      expect(result).to.have.nested.property("refusal.status", 400);
    });
  }

  it("challenges again for an algorithm it did not offer, and for another scheme", () => {
    const { authenticator } = setUp();
    for (const value of [credentials("n", { algorithm: "SHA-512-256" }), "NoOneKnowsThisScheme opaque-data=here"]) {
      expect(causeOf(authenticator.authenticate(request([["Authorization", value]]), "registrar", SOURCE))).to.equal(
        "no-credentials",
      );
    }
  });
});

describe("digest responses", () => {
  // RFC 7616 §3.9.1
  const input = {
    nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    method: "GET",
    uri: "/dir/index.html",
    qop: { nc: "00000001", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" },
  };
  const secret = "Mufasa:http-auth@example.org:Circle of Life";

  it("are those of RFC 7616", () => {
    expect(digestResponse(h("MD5", secret), { ...input, algorithm: "MD5" })).to.equal(
      "8ca523f5e9506fed4657c9700eebdbec",
    );
    expect(digestResponse(h("SHA-256", secret), { ...input, algorithm: "SHA-256" })).to.equal(
      "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    );
  });

  it("looks at no more passwords after too many wrong ones, not even the right one, until the wait is over", () => {
    const { authenticator, clock } = setUp();
    const attempt = (password: string, from = SOURCE) => {
      const [first] = challenges(authenticator.authenticate(request(), "registrar", from));
      const value = credentials(first?.get("nonce") ?? "", { password });
      return authenticator.authenticate(request([["Authorization", value]]), "registrar", from);
    };
    const home: ClientAddress = { ...SOURCE, address: "198.51.100.1" };
    expect(causeOf(attempt("secret", home))).to.equal("user");
    for (let i = 0; i <= limits.sip.guesses.perUser; i++) expect(causeOf(attempt(`guess ${i}`))).to.equal("wrong");
    const throttled = attempt("secret");
    expect(causeOf(throttled)).to.equal("throttled");
    expect(throttled).to.have.deep.nested.property("refusal.headers", [["Retry-After", "1"]]);
    expect(throttled).to.have.nested.property("refusal.status", 503);
    expect(causeOf(attempt("secret", home)), "where the user is known").to.equal("user");
    expect(causeOf(attempt("secret", { ...SOURCE, address: "203.0.113.9" })), "where the user is not").to.equal(
      "throttled",
    );
    clock.nowMs += limits.sip.guesses.firstMs;
    expect(causeOf(attempt("secret"))).to.equal("user");
  });

  it("keeps nobody waiting behind a proxy for what others guess through it, but those who guess, and takes nobody else's word", () => {
    const [proxy, other] = ["192.0.2.9", "192.0.2.10"];
    for (const address of [proxy, other]) {
      const { authenticator } = setUp("md5", silentLogger, (each) => each === proxy);
      const attempt = (username: string, client: string, password: string) => {
        const from: ClientAddress = { transport: "WS", address, forwardedFor: client };
        const [first] = challenges(authenticator.authenticate(request(), "registrar", from));
        const value = credentials(first?.get("nonce") ?? "", { username, password, algorithm: "MD5" });
        return causeOf(authenticator.authenticate(request([["Authorization", value]]), "registrar", from));
      };
      const { perUser, perSource } = limits.sip.guesses;
      const [home, eves] = ["198.51.100.1", "203.0.113.1"];
      expect(attempt("alice", home, "secret")).to.equal("user");
      for (let i = 0; i <= perUser; i++) attempt("alice", eves, `guess ${i}`);
      for (let i = 0; i <= perSource; i++) attempt(`user ${i}`, eves, "guess");
      expect(attempt("alice", eves, "secret"), "who guesses").to.equal(address === proxy ? "throttled" : "user");
      expect(attempt("alice", home, "secret"), "who is known").to.equal("user");
      expect(attempt("bob", home, "new"), "who is new").to.equal(address === proxy ? "wrong" : "throttled");
    }
  });
});
