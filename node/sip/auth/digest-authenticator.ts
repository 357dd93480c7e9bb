import type { Aor } from "../../../dht-schema/aor.ts";
import { sourceOf } from "../../runtime/ip-addresses.ts";
import type { Clock } from "../../runtime/clock.ts";
import { limits } from "../../runtime/limits.ts";
import type { Logger } from "../../runtime/logger.ts";
import type { Counters } from "../../runtime/metrics.ts";
import type { User } from "../../storage/ports.ts";
import type { Credentials } from "../message/credentials.ts";
import { formatCredentials, parseCredentials } from "../message/credentials.ts";
import type { SipRequest } from "../message/message.ts";
import type { Params } from "../message/params.ts";
import { tryParseUri } from "../message/uri.ts";
import type { DigestAlgorithm, DigestInput } from "./digest-response.ts";
import { digestResponse, sameResponse } from "./digest-response.ts";
import { clientBehind } from "./client-behind.ts";
import type { ClientAddress } from "./failed-logins.ts";
import { FailedLogins } from "./failed-logins.ts";
import { GuessThrottle } from "./guess-throttle.ts";
import type { KnownSource } from "./known-sources.ts";
import { NonceCounts } from "./nonce-counts.ts";
import { NonceIssuer } from "./nonce.ts";

/** With which algorithms clients may authenticate. */
export type DigestOffer = keyof typeof OFFERED;

export interface DigestAuthenticatorOptions {
  /** Usually the domain. */
  readonly realm: string;
  readonly offer: DigestOffer;
  readonly findUser: (username: string, realm: string) => User | undefined;
  /** Whether many clients come from an address, by a proxy that says whose a request is. @default none */
  readonly isProxy?: (address: string) => boolean;
  /** What an earlier run knew. */
  readonly known?: readonly KnownSource[];
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly counters: Counters;
  readonly logger: Logger;
}

/** Why a request was not taken for a user's. */
export type RefusalCause =
  /** It has no credentials for this realm. */
  | "no-credentials"
  /** They are not what the grammar or our challenge asks for. */
  | "malformed"
  /** They were made for another request. */
  | "other-uri"
  /** There is no such user, or the password is wrong; which of the two is told to nobody. */
  | "wrong"
  /** The password is right, the nonce is too old, not ours, or of an earlier run. */
  | "stale"
  /** The password is right, but these very credentials were used before. */
  | "replayed"
  /** Too many wrong ones went before: it was not looked at. */
  | "throttled";

export type DigestResult =
  | {
      readonly kind: "user";
      readonly aor: Aor;
      readonly user: User;
      /** The nonce is used for the first time: a challenge went before. */
      readonly wasChallenged: boolean;
    }
  | {
      readonly kind: "refused";
      readonly cause: RefusalCause;
      readonly refusal: {
        readonly status: 400 | 401 | 407 | 503;
        readonly reason: string;
        readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
      };
    };

/** The server's side of digest authentication. @see RFC 3261 §22; RFC 7616; RFC 8760 */
export interface DigestAuthenticator {
  /**
   * Finds out whose request it is.
   * @param from who sends it, as far as that is known: guesses of passwords are counted by it
   * @param as `registrar`: we serve the request (401, Authorization); `proxy`: we send it on (407, Proxy-Authorization)
   */
  authenticate(request: SipRequest, as: "registrar" | "proxy", from: ClientAddress): DigestResult;
  /** From where users have shown the right password, the newest last. */
  known(): readonly KnownSource[];
}

export function createDigestAuthenticator(options: DigestAuthenticatorOptions): DigestAuthenticator {
  return new Authenticator(options);
}

const FIELDS = {
  registrar: { credentials: "Authorization", challenge: "WWW-Authenticate", status: 401, reason: "Unauthorized" },
  proxy: {
    credentials: "Proxy-Authorization",
    challenge: "Proxy-Authenticate",
    status: 407,
    reason: "Proxy Authentication Required",
  },
} as const;

/**
 * In the order of the challenges. Of both the stronger goes first (RFC 8760 §2.4); SIP.js and JsSIP, which know MD5 only, look at the last.
 * Many clients fail at a challenge that they do not know, wherever it stands.
 */
const OFFERED = {
  md5: ["MD5"],
  "sha-256": ["SHA-256"],
  both: ["SHA-256", "MD5"],
} as const satisfies Record<string, readonly DigestAlgorithm[]>;

/** Credentials as far as they are well-formed. */
interface DigestClaim extends DigestInput {
  readonly username: string;
  readonly response: string;
}

/** A right password, and how often its nonce has been used with it. */
interface Proof {
  readonly user: User;
  readonly count: number;
}

class Authenticator implements DigestAuthenticator {
  readonly #options: DigestAuthenticatorOptions;
  readonly #nonces = new NonceIssuer(limits.sip.nonceMs);
  readonly #counts = new NonceCounts(limits.sip.nonces);
  readonly #guesses = new GuessThrottle(limits.sip.guesses);
  readonly #failed: FailedLogins;
  readonly #offered: readonly DigestAlgorithm[];

  constructor(options: DigestAuthenticatorOptions) {
    this.#options = options;
    this.#failed = new FailedLogins(options.logger, limits.sip.failedLogins);
    this.#offered = OFFERED[options.offer];
    const nowMs = options.clock.monotonicMs();
    for (const [username, source] of options.known ?? []) this.#guesses.right(username, source, nowMs);
  }

  known(): readonly KnownSource[] {
    return this.#guesses.proven();
  }

  authenticate(request: SipRequest, as: "registrar" | "proxy", from: ClientAddress): DigestResult {
    const result = this.#judge(request, FIELDS[as].credentials, from);
    if (typeof result === "number") return this.#refuseFor(result);
    if (typeof result !== "string")
      return { kind: "user", aor: result.user.aor, user: result.user, wasChallenged: result.count === 1 };
    this.#options.counters.add(`sip.auth.${result}`);
    return this.#refuse(as, result);
  }

  /** @returns the user; why not; or for how many milliseconds no credentials are looked at */
  #judge(request: SipRequest, field: string, from: ClientAddress): Proof | RefusalCause | number {
    const claim = this.#claimIn(request, field);
    if (typeof claim === "string") return claim;
    if (!isForRequest(claim.uri, request.uri)) return "other-uri";
    const monotonicMs = this.#options.clock.monotonicMs();
    const isProxy = this.#options.isProxy?.(from.address) ?? false;
    const client = isProxy ? clientBehind(request, from) : undefined;
    // What a client makes up, where its proxy lets it, is of no concern to who comes from elsewhere.
    const source = [from.address, ...(client === undefined ? [] : [client])].map(sourceOf).join(" ");
    const waitMs = this.#guesses.waitMs(claim.username, source, monotonicMs);
    if (waitMs > 0) return waitMs;
    const user = this.#options.findUser(claim.username, this.#options.realm);
    // An unknown user costs the same time as a wrong password.
    const ha1 = (claim.algorithm === "MD5" ? user?.ha1Md5 : user?.ha1Sha256) ?? "";
    const isRight = sameResponse(digestResponse(ha1, claim), claim.response);
    if (user === undefined || !isRight) {
      this.#guesses.wrong(claim.username, source, monotonicMs);
      this.#failed.note(claim.username, { ...from, client }, monotonicMs);
      return "wrong";
    }
    const nonce = this.#nonces.check(claim.nonce, monotonicMs);
    if (nonce.kind !== "fresh") return "stale";
    // Without qop there is no count: such a client may use a nonce once.
    const count = claim.qop === undefined ? 1 : Number.parseInt(claim.qop.nc, 16);
    if (!this.#counts.use(claim.nonce, nonce.issuedAtMs, count)) return "replayed";
    this.#guesses.right(claim.username, source, monotonicMs);
    return { user, count };
  }

  /** The credentials for our realm, by an algorithm that was offered: a request may carry others for proxies further on. @see RFC 3261 §22.3 */
  #claimIn(request: SipRequest, field: string): DigestClaim | "no-credentials" | "malformed" {
    let malformed = false;
    for (const value of request.headers.all(field)) {
      let credentials: Credentials;
      try {
        credentials = parseCredentials(value);
      } catch {
        malformed ||= /^\s*digest\b/i.test(value);
        continue;
      }
      const { scheme, params } = credentials;
      if (scheme !== "digest" || params.get("realm") !== this.#options.realm) continue;
      const algorithm = this.#algorithmOf(params.get("algorithm"));
      if (algorithm !== undefined) return claimOf(params, algorithm, request.method) ?? "malformed";
    }
    return malformed ? "malformed" : "no-credentials";
  }

  /** An absent one is MD5. @see RFC 3261 §22.4, RFC 7616 §3.4 */
  #algorithmOf(text: string | undefined): DigestAlgorithm | undefined {
    const name = text?.toUpperCase() ?? "MD5";
    return this.#offered.find((each) => each === name);
  }

  #refuseFor(waitMs: number): DigestResult {
    const headers = [["Retry-After", String(Math.ceil(waitMs / 1000))]] as const;
    this.#options.counters.add("sip.auth.throttled");
    return {
      kind: "refused",
      cause: "throttled",
      refusal: { status: 503, reason: "Too Many Wrong Passwords", headers },
    };
  }

  #refuse(as: "registrar" | "proxy", cause: RefusalCause): DigestResult {
    // RFC 7616 §3.4: credentials for another URI than the request's may be an attack; a challenge would not help.
    if (cause === "other-uri" || cause === "malformed") {
      const reason = cause === "malformed" ? "Malformed Credentials" : "Credentials For Another URI";
      return { kind: "refused", cause, refusal: { status: 400, reason, headers: [] } };
    }
    const { challenge, status, reason } = FIELDS[as];
    // Credentials that were right but for their age need no new password from the user.
    const isStale = cause === "stale" || cause === "replayed";
    const nonce = this.#nonces.issue(this.#options.clock.monotonicMs());
    const headers = this.#offered.map((each) => [challenge, this.#challenge(nonce, each, isStale)] as const);
    return { kind: "refused", cause, refusal: { status, reason, headers } };
  }

  #challenge(nonce: string, algorithm: DigestAlgorithm, isStale: boolean): string {
    const params = new Map([
      ["realm", this.#options.realm],
      ["nonce", nonce],
      ["algorithm", algorithm],
      ["qop", "auth"],
    ]);
    if (isStale) params.set("stale", "true");
    return formatCredentials({ scheme: "digest", params }, { challenge: true });
  }
}

function claimOf(params: Params, algorithm: DigestAlgorithm, method: string): DigestClaim | undefined {
  const username = params.get("username");
  const nonce = params.get("nonce");
  const uri = params.get("uri");
  const response = params.get("response");
  if (!username || !nonce || !uri || !response) return undefined;
  const claim = { username, nonce, uri, response, algorithm, method };
  const qop = params.get("qop");
  if (qop === undefined) return { ...claim, qop: undefined };
  const nc = params.get("nc");
  const cnonce = params.get("cnonce");
  if (qop.toLowerCase() !== "auth" || nc === undefined || !/^[0-9a-f]{8}$/i.test(nc) || !cnonce) return undefined;
  return { ...claim, qop: { nc, cnonce } };
}

/** Proxies on the way may have added parameters or a port to the Request-URI: user and host have to be the same. */
function isForRequest(digestUri: string, requestUri: string): boolean {
  if (digestUri === requestUri) return true;
  const a = tryParseUri(digestUri);
  const b = tryParseUri(requestUri);
  return a !== undefined && b !== undefined && a.user === b.user && a.host === b.host;
}
