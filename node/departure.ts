import type { Roster } from "../dht-schema/roster.ts";
import type { Directory } from "./directory/directory.ts";
import type { MeshNode } from "./mesh/mesh-node.ts";
import type { Logger } from "./runtime/logger.ts";
import type { SipSide } from "./sip-side.ts";

/** How a server left its domain for good. */
export interface Departed {
  readonly domain: string;
  /** Version of the first roster that it is no longer in. */
  readonly version: number;
  /** Whether it had let go of its users and been waited for; otherwise it was taken out while it could not be reached. */
  readonly inOrder: boolean;
}

type DepartureState =
  | { readonly kind: "staying" }
  /** The roster lists it as leaving: it takes no users, and has let go of those it had. */
  | { readonly kind: "leaving" }
  | { readonly kind: "over"; readonly departed: Departed };

/** Follows what the roster says of this server's stay, and ends its service to users when it is to go. */
export class Departure {
  /** Resolves when this server is no longer in the roster. */
  readonly over: Promise<Departed>;
  readonly #logger: Logger;
  readonly #serverNumber: (roster: Roster) => number | undefined;
  #state: DepartureState = { kind: "staying" };
  #drained: Promise<void> = Promise.resolve();
  #directory: Pick<Directory, "owe"> | undefined;
  #sip: Pick<SipSide, "drain"> | undefined;

  constructor(mesh: Pick<MeshNode, "self" | "on" | "roster">, logger: Logger) {
    this.#logger = logger;
    this.#serverNumber = (roster) => roster.servers.find(({ id }) => id === mesh.self)?.number;
    const { promise, resolve } = Promise.withResolvers<Departed>();
    this.over = promise;
    mesh.on((event) => {
      if (event.kind === "roster") this.#look(event.roster);
      else if (event.kind === "removed") void this.#end(event.roster).then(resolve);
    });
    this.#look(mesh.roster());
  }

  get state(): DepartureState {
    return this.#state;
  }

  /** The others do not take this server out of the roster as long as it has something to hand on: what the directory tells them. */
  report(directory: Pick<Directory, "owe">): void {
    this.#directory = directory;
    if (this.#state.kind === "leaving") directory.owe(1);
  }

  /** Users are served from now on: this is what has to end when the server is to go. */
  serve(sip: Pick<SipSide, "drain">): void {
    this.#sip = sip;
    if (this.#state.kind === "leaving") this.#drain(sip);
  }

  #drain(sip: Pick<SipSide, "drain">): void {
    this.#directory?.owe(1);
    this.#drained = this.#endService(sip).finally(() => this.#directory?.owe(0));
  }

  /** Never rejects: where a part cannot end as it should, this server has to go all the same. */
  async #endService(sip: Pick<SipSide, "drain">): Promise<void> {
    try {
      await sip.drain({ forGood: true });
    } catch (error) {
      this.#logger.error({ err: error }, "the service of this server could not be ended in order");
    }
  }

  /** staying → leaving */
  #look(roster: Roster): void {
    const number = this.#serverNumber(roster);
    if (this.#state.kind !== "staying" || number === undefined || !roster.leaving.includes(number)) return;
    this.#state = { kind: "leaving" };
    this.#logger.info({ version: roster.version }, "this server is leaving the domain: it takes no more users");
    if (this.#sip !== undefined) this.#drain(this.#sip);
    else this.#directory?.owe(1);
  }

  /** staying, leaving → over, when nobody is served any more */
  async #end({ domain, version }: Roster): Promise<Departed> {
    const departed = { domain, version, inOrder: this.#state.kind === "leaving" };
    this.#state = { kind: "over", departed };
    await this.#drained;
    if (!departed.inOrder && this.#sip !== undefined) await this.#endService(this.#sip);
    return departed;
  }
}
