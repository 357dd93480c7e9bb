import type { Aor } from "../../dht-schema/aor.ts";
import { Calls } from "./calls.ts";
import type { Machine, Purpose, Surroundings, Wish } from "./way.ts";

/** When and where a user registered, by the server's wall clock. */
interface Registration {
  readonly server: number;
  readonly atMs: number;
}

type Body =
  /** A fork of a request for a user. */
  | { readonly type: "request"; readonly aor: Aor }
  /** 200 or 404. */
  | { readonly type: "response"; readonly here: boolean }
  /** NOTIFY of the reg event package (RFC 3680): a user registered at the sender. */
  | { readonly type: "registered"; readonly aor: Aor; readonly registration: Registration }
  | { readonly type: "ok" }
  /** SUBSCRIBE of a server that has just started: tell me all. */
  | { readonly type: "subscribe" };
export type ForkingMessage = Body & { readonly op: number; readonly purpose: Purpose };

/** How servers that fork are set. */
export interface ForkingSettings {
  /** How long a forked request waits for the answers, ms. */
  readonly requestMs: number;
  /** Wall clock of this server: it agrees with the others' to some milliseconds. */
  readonly wallMs: (localMs: number) => number;
}

/** RFC 3261 §17.1.2.2: Timer E starts at T1 and doubles up to T2, ms. */
const T1_MS = 500;
const T2_MS = 4_000;

function isLater(a: Registration, b: Registration | undefined): boolean {
  return b === undefined || a.atMs > b.atMs || (a.atMs === b.atMs && a.server > b.server);
}

/**
 * No owner: a server serves who registers with it, at once, and requests are forked to all. So that a user who moved is not
 * served at the old place for ever, servers tell each other of registrations, and the older one is dropped.
 */
export class Forking implements Machine<ForkingMessage> {
  readonly #surroundings: Surroundings<ForkingMessage>;
  readonly #settings: ForkingSettings;
  readonly #calls: Calls<ForkingMessage>;
  readonly #serving = new Map<Aor, Registration>();
  readonly #latest = new Map<Aor, Registration>();
  readonly #watched = new Set<Aor>();

  constructor(nowMs: number, surroundings: Surroundings<ForkingMessage>, settings: ForkingSettings) {
    this.#surroundings = surroundings;
    this.#settings = settings;
    this.#calls = new Calls(surroundings);
    for (const other of this.#others()) this.#deliver(nowMs, other, { type: "subscribe" }, () => true);
  }

  serves(_nowMs: number, aor: Aor): boolean {
    return this.#serving.has(aor);
  }

  watch(_nowMs: number, aor: Aor): void {
    this.#watched.add(aor);
  }

  lookup(nowMs: number, id: number, aor: Aor): void {
    const { emit, self } = this.#surroundings;
    if (this.#serving.has(aor)) return emit({ kind: "found", id, aor, owner: self });
    let open = 0;
    let silent = 0;
    let found = false;
    const times = { retryMs: T1_MS, deadlineMs: nowMs + this.#settings.requestMs };
    for (const other of this.#others()) {
      open++;
      const request = (op: number): ForkingMessage => ({ type: "request", aor, op, purpose: "lookup" });
      this.#calls.insist(nowMs, other, request, times, (_atMs, answer) => {
        open--;
        if (answer === undefined) silent++;
        if (found) return;
        if (answer?.type === "response" && answer.here) {
          found = true;
          emit({ kind: "found", id, aor, owner: other });
        } else if (open === 0) emit({ kind: "found", id, aor, owner: silent > 0 ? "unavailable" : "nobody" });
      });
    }
  }

  claim(nowMs: number, id: number, aor: Aor, wish: Wish): void {
    const { emit, self } = this.#surroundings;
    const latest = this.#latest.get(aor);
    if (wish === "if-free" && latest !== undefined && latest.server !== self) {
      return emit({ kind: "claimed", id, aor, end: "elsewhere" });
    }
    // Later than what it replaces, even where wall clocks disagree.
    const registration = { server: self, atMs: Math.max(this.#settings.wallMs(nowMs), (latest?.atMs ?? 0) + 1) };
    this.#serving.set(aor, registration);
    this.#learn(aor, registration);
    emit({ kind: "claimed", id, aor, end: "owned" });
    const isCurrent = () => this.#serving.get(aor) === registration;
    for (const other of this.#others())
      this.#deliver(nowMs, other, { type: "registered", aor, registration }, isCurrent);
  }

  receive(nowMs: number, from: number, message: ForkingMessage): void {
    const { op, purpose } = message;
    const answer = (body: Body) => this.#surroundings.send(from, { ...body, op, purpose });
    switch (message.type) {
      case "request":
        return answer({ type: "response", here: this.#serving.has(message.aor) });
      case "registered":
        this.#registered(message.aor, message.registration);
        return answer({ type: "ok" });
      case "subscribe":
        for (const [aor, registration] of this.#serving) {
          const isCurrent = () => this.#serving.get(aor) === registration;
          this.#deliver(nowMs, from, { type: "registered", aor, registration }, isCurrent);
        }
        return answer({ type: "ok" });
      default:
        this.#calls.answered(nowMs, from, message);
    }
  }

  #others(): readonly number[] {
    return this.#surroundings.servers.filter((server) => server !== this.#surroundings.self);
  }

  #registered(aor: Aor, registration: Registration): void {
    const served = this.#serving.get(aor);
    if (served !== undefined && isLater(registration, served)) this.#serving.delete(aor);
    this.#learn(aor, registration);
  }

  #learn(aor: Aor, registration: Registration): void {
    if (!isLater(registration, this.#latest.get(aor))) return;
    this.#latest.set(aor, registration);
    if (this.#watched.has(aor)) this.#surroundings.emit({ kind: "told", aor, owner: registration.server });
  }

  /** Until it is answered or no longer true. A real server would subscribe anew when Timer F fires; the effect is the same. */
  #deliver(nowMs: number, to: number, body: Body, isCurrent: () => boolean, waitMs = T1_MS): void {
    this.#calls.ask(
      nowMs,
      to,
      (op) => ({ ...body, op, purpose: "notice" }),
      waitMs,
      (atMs, answer) => {
        if (answer === undefined && isCurrent()) this.#deliver(atMs, to, body, isCurrent, Math.min(T2_MS, waitMs * 2));
      },
    );
  }
}
