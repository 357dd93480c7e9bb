import { fieldOf, UserAgent } from "./user-agent.ts";

/** A user who publishes, in one publication that changes. */
export class Presentity {
  readonly #agent: UserAgent;
  readonly #port: number;
  #entityTag: string | undefined;

  private constructor(agent: UserAgent, port: number) {
    this.#agent = agent;
    this.#port = port;
  }

  /** @param port UDP port of the server that the user is on */
  static async open(user: string, port: number): Promise<Presentity> {
    return new Presentity(await UserAgent.open(user), port);
  }

  get aor(): string {
    return this.#agent.aor;
  }

  /** Says something else than before. @throws {Error} when the server does not take it */
  async publish(note: string): Promise<void> {
    const { aor } = this;
    const tuple = `<tuple id="phone"><status><basic>open</basic></status><note>${note}</note></tuple>`;
    const { status, text } = await this.#agent.ask({
      method: "PUBLISH",
      port: this.#port,
      uri: aor,
      headers: [
        "Event: presence",
        "Expires: 600",
        "Content-Type: application/pidf+xml",
        ...(this.#entityTag === undefined ? [] : [`SIP-If-Match: ${this.#entityTag}`]),
      ],
      body: `<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${aor}">${tuple}</presence>`,
    });
    if (status !== 200) throw new Error(`PUBLISH was answered ${status}`);
    this.#entityTag = fieldOf(text, "SIP-ETag");
  }

  /** Lets go of the publication. A server that does not answer has been reported by then. */
  async close(): Promise<void> {
    const { aor } = this;
    const headers = ["Event: presence", "Expires: 0", `SIP-If-Match: ${this.#entityTag ?? ""}`];
    await this.#agent.ask({ method: "PUBLISH", port: this.#port, uri: aor, headers }).catch(() => {});
    this.#agent.close();
  }
}
