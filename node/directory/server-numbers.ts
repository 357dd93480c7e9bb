import type { Epoch } from "../../dht-schema/ballot.ts";
import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import type { ClaimOutcome, Location, OwnerChange } from "../federation/locator.ts";
import type { ClaimResult, OwnerState } from "./core/context.ts";

/** The core knows servers by their numbers in the roster, everybody else by their ids: says in ids what the core says in numbers. */
export class ServerNumbers {
  readonly #self: ServerId;
  #ids = new Map<number, ServerId>();
  #numbers = new Map<ServerId, number>();

  constructor(self: ServerId, roster: Roster) {
    this.#self = self;
    this.learn(roster);
  }

  learn({ servers }: Roster): void {
    this.#ids = new Map(servers.map(({ number, id }) => [number, id as ServerId]));
    this.#numbers = new Map(servers.map(({ number, id }) => [id as ServerId, number]));
  }

  idOf(number: number): ServerId | undefined {
    return this.#ids.get(number);
  }

  numberOf(id: ServerId): number | undefined {
    return this.#numbers.get(id);
  }

  location(epoch: Epoch): Location {
    const server = this.#ids.get(epoch.member);
    if (server === undefined) return { kind: "unavailable", reason: `owner ${epoch.member} is not in the roster` };
    // Replicas may still hold what this server has just let go of: as long as they say so, nobody else owns the user.
    if (server === this.#self) return { kind: "nobody" };
    return { kind: "server", server, epoch };
  }

  change(state: OwnerState): OwnerChange {
    if (state.kind !== "owner") return state;
    const server = this.#ids.get(state.epoch.member);
    return server === undefined ? { kind: "missed" } : { kind: "owner", server, epoch: state.epoch };
  }

  outcome(result: ClaimResult): ClaimOutcome {
    switch (result.kind) {
      case "unavailable":
      case "superseded":
        return result;
      case "owned": {
        const from = result.from === undefined ? undefined : this.#ids.get(result.from);
        return { kind: "owned", epoch: result.epoch, ...(from !== undefined && { from }) };
      }
      case "owned-elsewhere": {
        const { epoch } = result;
        const owner = this.#ids.get(epoch.member);
        return owner === undefined
          ? { kind: "unavailable", reason: `owner ${epoch.member} is not in the roster` }
          : { kind: "owned-elsewhere", owner, epoch };
      }
    }
  }
}
