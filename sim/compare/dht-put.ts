import type { Aor } from "../../dht-schema/aor.ts";
import { Calls } from "./calls.ts";
import type { ClaimEnd, Machine, Purpose, Surroundings, Wish } from "./way.ts";

/** What the DHT holds of a user. The one with more moves is the better; of two with as many, that of the higher number. */
export interface DhtRecord {
  readonly owner: number;
  readonly moves: number;
}

type Body =
  | { readonly type: "findNode" }
  | { readonly type: "closer" }
  | { readonly type: "getValue"; readonly aor: Aor }
  | { readonly type: "value"; readonly record: DhtRecord | undefined }
  | { readonly type: "putValue"; readonly aor: Aor; readonly record: DhtRecord }
  | { readonly type: "stored" }
  /** To the owner that the DHT names: I take the user over with `record`. */
  | { readonly type: "stop"; readonly aor: Aor; readonly record: DhtRecord }
  | { readonly type: "stopped" }
  /** To the owner that the DHT names: do you serve the user? */
  | { readonly type: "ask"; readonly aor: Aor }
  | { readonly type: "told"; readonly serves: boolean }
  /** From a new owner to everyone, as a courtesy. */
  | { readonly type: "moved"; readonly aor: Aor; readonly record: DhtRecord };
export type DhtMessage = Body & { readonly op: number; readonly purpose: Purpose };

/** How a server uses the DHT. */
export interface DhtSettings {
  /** Records go to as many peers: kad-dht's default bucket size. */
  readonly k: number;
  /** PUT_VALUEs of one `put` under way at once: kad-dht's alpha. */
  readonly alpha: number;
  /** After it a peer that does not answer is taken for dead, ms. */
  readonly timeoutMs: number;
  /** A lost message is sent again after it, as TCP would, ms. */
  readonly retryMs: number;
  /** From `put` to the read that decides: 0 for at once. */
  readonly settleMs: number;
  /** How often a server reads what it serves and what it watches, ms. */
  readonly pollMs: number;
  /** All other servers, nearest to the user first. */
  readonly nearest: (self: number, aor: Aor) => readonly number[];
}

interface ClaimUnderWay {
  readonly id: number;
  record: DhtRecord;
  ended: boolean;
}

function isBetter(a: DhtRecord, b: DhtRecord | undefined): boolean {
  return b === undefined || a.moves > b.moves || (a.moves === b.moves && a.owner > b.owner);
}

/**
 * Ownership by kad-dht: read who owns, ask it to stop, `put` a record of one more move, perhaps let it settle, read back, and
 * serve if our record is the best. What js-libp2p does is kept: a query asks the k nearest that answer, `put` stores
 * whatever comes over whatever is there, `get` takes the best that it finds and corrects who had a worse one. What a
 * careful user of it adds is there too: most of the peers must have stored, the new owner tells everyone, and owners
 * and watchers read again every so often.
 */
export class DhtPut implements Machine<DhtMessage> {
  readonly #surroundings: Surroundings<DhtMessage>;
  readonly #settings: DhtSettings;
  readonly #calls: Calls<DhtMessage>;
  /** What this server holds for others. */
  readonly #store = new Map<Aor, DhtRecord>();
  readonly #serving = new Map<Aor, DhtRecord>();
  readonly #watched = new Set<Aor>();
  readonly #known = new Map<Aor, DhtRecord>();
  readonly #claims = new Map<Aor, ClaimUnderWay>();

  constructor(nowMs: number, surroundings: Surroundings<DhtMessage>, settings: DhtSettings) {
    this.#surroundings = surroundings;
    this.#settings = settings;
    this.#calls = new Calls(surroundings);
    this.#pollLater(nowMs);
  }

  serves(_nowMs: number, aor: Aor): boolean {
    return this.#serving.has(aor);
  }

  watch(nowMs: number, aor: Aor): void {
    this.#watched.add(aor);
    this.#poll(nowMs, aor);
  }

  lookup(nowMs: number, id: number, aor: Aor): void {
    const { emit, self } = this.#surroundings;
    if (this.#serving.has(aor)) return emit({ kind: "found", id, aor, owner: self });
    this.#get(nowMs, aor, "lookup", (_atMs, best) => emit({ kind: "found", id, aor, owner: best?.owner ?? "nobody" }));
  }

  claim(nowMs: number, id: number, aor: Aor, wish: Wish): void {
    const { emit } = this.#surroundings;
    if (this.#serving.has(aor)) return emit({ kind: "claimed", id, aor, end: "owned" });
    if (this.#claims.has(aor)) return emit({ kind: "claimed", id, aor, end: "unavailable" });
    const claim: ClaimUnderWay = { id, record: { owner: this.#surroundings.self, moves: 0 }, ended: false };
    this.#claims.set(aor, claim);
    this.#get(nowMs, aor, "claim", (atMs, best) => {
      claim.record = { ...claim.record, moves: (best?.moves ?? 0) + 1 };
      if (best === undefined || best.owner === claim.record.owner) return this.#put(atMs, aor, claim);
      this.#askOwner(atMs, aor, claim, { owner: best.owner, wish });
    });
  }

  receive(nowMs: number, from: number, message: DhtMessage): void {
    const { op, purpose } = message;
    const answer = (body: Body) => this.#surroundings.send(from, { ...body, op, purpose });
    switch (message.type) {
      case "findNode":
        return answer({ type: "closer" });
      case "getValue":
        return answer({ type: "value", record: this.#store.get(message.aor) });
      case "putValue":
        // No selector is asked: js-libp2p #3377.
        this.#store.set(message.aor, message.record);
        return answer({ type: "stored" });
      case "stop":
        this.#heard(message.aor, message.record);
        return answer({ type: "stopped" });
      case "ask":
        return answer({ type: "told", serves: this.#serving.has(message.aor) });
      case "moved":
        return this.#heard(message.aor, message.record);
      default:
        this.#calls.answered(nowMs, from, message);
    }
  }

  #askOwner(nowMs: number, aor: Aor, claim: ClaimUnderWay, to: { readonly owner: number; readonly wish: Wish }): void {
    const body: Body = to.wish === "take-over" ? { type: "stop", aor, record: claim.record } : { type: "ask", aor };
    this.#call(nowMs, to.owner, body, "claim", (atMs, answer) => {
      if (answer?.type === "told" && answer.serves) return this.#end(aor, claim, "elsewhere");
      // Whoever is silent is taken for dead: there is nothing else to go by.
      this.#put(atMs, aor, claim);
    });
  }

  #put(nowMs: number, aor: Aor, claim: ClaimUnderWay): void {
    if (claim.ended) return;
    this.#store.set(aor, claim.record);
    this.#query(nowMs, aor, { type: "findNode" }, "claim", (atMs, answers) => {
      const peers = [...answers.keys()];
      let open = peers.length;
      let stored = 0;
      const next = (sentMs: number) => {
        const peer = peers.shift();
        if (peer === undefined) return;
        const body: Body = { type: "putValue", aor, record: claim.record };
        this.#call(sentMs, peer, body, "claim", (doneMs, done) => {
          if (done !== undefined) stored++;
          open--;
          next(doneMs);
          if (open === 0) this.#wasPut(doneMs, aor, claim, stored * 2 > answers.size);
        });
      };
      if (open === 0) return this.#wasPut(atMs, aor, claim, false);
      for (let lane = 0; lane < this.#settings.alpha; lane++) next(atMs);
    });
  }

  #wasPut(nowMs: number, aor: Aor, claim: ClaimUnderWay, byMost: boolean): void {
    if (!byMost) return this.#end(aor, claim, "unavailable");
    const decide = (atMs: number) =>
      this.#get(atMs, aor, "claim", (_doneMs, best) => {
        if (claim.ended) return;
        if (best !== undefined && isBetter(best, claim.record)) return this.#end(aor, claim, "elsewhere");
        this.#serving.set(aor, claim.record);
        this.#end(aor, claim, "owned");
        this.#learn(aor, claim.record);
        for (const other of this.#surroundings.servers) {
          const body: Body = { type: "moved", aor, record: claim.record };
          if (other !== this.#surroundings.self) this.#surroundings.send(other, { ...body, op: 0, purpose: "notice" });
        }
      });
    if (this.#settings.settleMs === 0) decide(nowMs);
    else this.#surroundings.agenda.add(nowMs + this.#settings.settleMs, decide);
  }

  #end(aor: Aor, claim: ClaimUnderWay, end: ClaimEnd): void {
    if (claim.ended) return;
    claim.ended = true;
    this.#claims.delete(aor);
    this.#surroundings.emit({ kind: "claimed", id: claim.id, aor, end });
  }

  /** Another server has the user, or takes her. */
  #heard(aor: Aor, record: DhtRecord): void {
    const { self } = this.#surroundings;
    const claim = this.#claims.get(aor);
    if (claim !== undefined && record.owner !== self && isBetter(record, claim.record))
      this.#end(aor, claim, "elsewhere");
    const served = this.#serving.get(aor);
    if (served !== undefined && record.owner !== self && isBetter(record, served)) this.#serving.delete(aor);
    this.#learn(aor, record);
  }

  #learn(aor: Aor, record: DhtRecord): void {
    if (!this.#watched.has(aor) || !isBetter(record, this.#known.get(aor))) return;
    this.#known.set(aor, record);
    this.#surroundings.emit({ kind: "told", aor, owner: record.owner });
  }

  #pollLater(nowMs: number): void {
    const { agenda, random } = this.#surroundings;
    agenda.add(nowMs + this.#settings.pollMs, (atMs) => {
      for (const aor of new Set([...this.#serving.keys(), ...this.#watched])) {
        agenda.add(atMs + random() * this.#settings.pollMs, (dueMs) => this.#poll(dueMs, aor));
      }
      this.#pollLater(atMs);
    });
  }

  #poll(nowMs: number, aor: Aor): void {
    this.#get(nowMs, aor, "upkeep", (_atMs, best) => {
      if (best !== undefined) this.#heard(aor, best);
      const served = this.#serving.get(aor);
      // An older record may have been stored over ours; the next reader finds ours here and corrects it.
      if (served !== undefined && (best === undefined || isBetter(served, best))) this.#store.set(aor, served);
    });
  }

  #get(nowMs: number, aor: Aor, purpose: Purpose, onEnd: (nowMs: number, best: DhtRecord | undefined) => void): void {
    this.#query(nowMs, aor, { type: "getValue", aor }, purpose, (atMs, answers) => {
      let best = this.#store.get(aor);
      const held = new Map<number, DhtRecord>();
      for (const [from, answer] of answers) {
        if (answer.type !== "value" || answer.record === undefined) continue;
        held.set(from, answer.record);
        if (isBetter(answer.record, best)) best = answer.record;
      }
      if (best !== undefined) this.#correct(atMs, aor, best, held, purpose);
      onEnd(atMs, best);
    });
  }

  /** Whoever returned another value is sent the best one. */
  #correct(nowMs: number, aor: Aor, best: DhtRecord, held: ReadonlyMap<number, DhtRecord>, purpose: Purpose): void {
    this.#store.set(aor, best);
    for (const [peer, record] of held) {
      if (record.owner === best.owner && record.moves === best.moves) continue;
      this.#call(nowMs, peer, { type: "putValue", aor, record: best }, purpose, () => undefined);
    }
  }

  #call(
    nowMs: number,
    to: number,
    body: Body,
    purpose: Purpose,
    onAnswer: (nowMs: number, answer: DhtMessage | undefined) => void,
  ): void {
    const { retryMs, timeoutMs } = this.#settings;
    const times = { retryMs, deadlineMs: nowMs + timeoutMs };
    this.#calls.insist(nowMs, to, (op) => ({ ...body, op, purpose }), times, onAnswer);
  }

  /** Asks the nearest until k have answered or all were tried. Every server knows every other, so no hop is needed to find them. */
  #query(
    nowMs: number,
    aor: Aor,
    body: Body,
    purpose: Purpose,
    onEnd: (nowMs: number, answers: ReadonlyMap<number, DhtMessage>) => void,
  ): void {
    const { k, nearest } = this.#settings;
    const candidates = nearest(this.#surroundings.self, aor).values();
    const answers = new Map<number, DhtMessage>();
    let open = 0;
    const askNext = (sentMs: number) => {
      const { value: peer, done } = candidates.next();
      if (done === true) return;
      open++;
      this.#call(sentMs, peer, body, purpose, (atMs, answer) => {
        open--;
        if (answer === undefined) askNext(atMs);
        else answers.set(peer, answer);
        if (open === 0) onEnd(atMs, answers);
      });
    };
    for (let asked = 0; asked < k; asked++) askNext(nowMs);
  }
}
