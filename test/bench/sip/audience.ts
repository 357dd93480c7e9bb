import { contactOf, fieldOf, UserAgent } from "./user-agent.ts";

interface Dialog {
  readonly watcher: UserAgent;
  readonly port: number;
  readonly callId: string;
  readonly to: string;
  readonly target: string;
}

const IN_FLIGHT = 64;
const PATIENCE_MS = 10_000;

/** Many watchers, each a client with an address of its own. */
export class Audience {
  readonly #watchers: readonly UserAgent[];
  readonly #dialogs: Dialog[] = [];
  /** Called with the Call-ID and the text of each NOTIFY. */
  #onNotify: (callId: string, text: string) => void = () => {};

  private constructor(watchers: readonly UserAgent[]) {
    this.#watchers = watchers;
    for (const watcher of watchers) watcher.onRequest = (text) => this.#onNotify(fieldOf(text, "Call-ID"), text);
  }

  static async open(size: number): Promise<Audience> {
    return new Audience(await Promise.all(Array.from({ length: size }, (_, i) => UserAgent.open(`watcher${i}`))));
  }

  get size(): number {
    return this.#watchers.length;
  }

  /**
   * Each watcher subscribes to a user, at the ports in turn, and hears what the user says. How many failed, by cause.
   * @param word which the documents of the user contain
   */
  async subscribe(aor: string, ports: readonly number[], word: string): Promise<Map<string, number>> {
    const failures = new Map<string, number>();
    const told = this.#told(word, this.size);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let i = next++; i < this.size; i = next++) {
        const cause = await this.#subscribeOne(this.#watchers[i]!, aor, ports[i % ports.length]!);
        if (cause === undefined) continue;
        failures.set(cause, (failures.get(cause) ?? 0) + 1);
        told.expect(this.size - [...failures.values()].reduce((sum, count) => sum + count));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
    const missing = await told.missing;
    if (missing > 0) failures.set("not told", missing);
    return failures;
  }

  /** How many subscriptions are not told the word in time. To be called before it is published. */
  awaitTold(word: string): Promise<number> {
    return this.#told(word, this.#dialogs.length).missing;
  }

  /** Ends all subscriptions, and the watchers. A server that does not answer has been reported by then. */
  async close(): Promise<void> {
    this.#onNotify = () => {};
    const end = async (): Promise<void> => {
      for (let dialog = this.#dialogs.pop(); dialog !== undefined; dialog = this.#dialogs.pop()) {
        const { watcher, port, callId, to, target } = dialog;
        const headers = [...subscribing(watcher), "Expires: 0"];
        const ended = watcher.ask({ method: "SUBSCRIBE", port, uri: target, to, callId, headers });
        await ended.catch(() => (this.#dialogs.length = 0));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, end));
    for (const watcher of this.#watchers) watcher.close();
  }

  #told(word: string, count: number): { readonly missing: Promise<number>; expect(count: number): void } {
    const { promise, resolve } = Promise.withResolvers<number>();
    const told = new Set<string>();
    let expected = count;
    const settle = (): void => {
      if (told.size < expected) return;
      clearTimeout(patience);
      resolve(0);
    };
    const patience = setTimeout(() => resolve(expected - told.size), PATIENCE_MS);
    this.#onNotify = (callId, text) => {
      if (!text.includes(word)) return;
      told.add(callId);
      settle();
    };
    return {
      missing: promise,
      expect(another) {
        expected = another;
        settle();
      },
    };
  }

  async #subscribeOne(watcher: UserAgent, aor: string, port: number): Promise<string | undefined> {
    const callId = watcher.freshCallId();
    const headers = [...subscribing(watcher), "Expires: 600"];
    const asked = await watcher
      .ask({ method: "SUBSCRIBE", port, uri: aor, to: `<${aor}>`, callId, headers })
      .catch(() => undefined);
    if (asked === undefined) return "no answer";
    const { status, text } = asked;
    if (status >= 300) return String(status);
    this.#dialogs.push({ watcher, port, callId, to: fieldOf(text, "To"), target: contactOf(text) });
    return undefined;
  }
}

function subscribing(watcher: UserAgent): readonly string[] {
  return ["Event: presence", "Accept: application/pidf+xml", `Contact: <${watcher.contact}>`];
}
