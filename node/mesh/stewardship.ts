import { setTimeout as delay } from "node:timers/promises";
import type { PrivateKey } from "@libp2p/interface";
import type { Roster, RosterServer, ServerId } from "../../dht-schema/roster.ts";
import { rosterFrame, signPromise } from "../../dht-schema/roster-messages.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { askRoster } from "./ask-roster.ts";
import type { MeshHost } from "./mesh-host.ts";
import { findServer, handOn, promote, replaceVoter, takeOut } from "./roster-changes.ts";
import type { RosterKeeper } from "./roster-keeper.ts";
import { notSteward } from "./roster-keeper.ts";
import { votersThatCount } from "./voter-contact.ts";

export interface StewardshipParts {
  readonly host: MeshHost;
  readonly keeper: RosterKeeper;
  readonly logger: Logger;
  /** Whether there is a link to a server. */
  readonly isUp: (server: ServerId) => boolean;
  /** 0 ≤ random() < 1 */
  readonly random: () => number;
}

/**
 * A steward that was not reached has published at most two versions that none of the promising majority has: it enters a joint
 * version alone, but leaves one only when more than a minority of its old voters hold it. The version after those is free.
 */
const UNSEEN_VERSIONS = 3;
/** Rounds of asking for promises: in each, something newer was found, or another server was asking too. */
const SEIZE_ROUNDS = 8;
/** Longest wait between two rounds, ms: of two who take the role at the same time one comes through. */
const SEIZE_PAUSE_MS = 400;

/** What operators change in the roster, and who makes it. Servers are given by name, number or peer id. */
export class Stewardship {
  readonly #parts: StewardshipParts;

  constructor(parts: StewardshipParts) {
    this.#parts = parts;
  }

  /**
   * Servers are to go: those that are up let go of their users first; the others go when their leases are over.
   * @param gone whether they are switched off for good
   * @throws {ConfigurationError} `NO_SUCH_SERVER`
   * @throws {OperationalError} see {@link takeOut} and {@link RosterKeeper.update}
   */
  async remove(servers: readonly string[], gone: boolean): Promise<void> {
    await this.#parts.keeper.update((roster) => {
      const numbers = servers.map((server) => findServer(roster, server).number);
      return takeOut(roster, numbers, { gone, isUp: this.#isUpIn(roster) });
    });
  }

  /** A server becomes a voter, whatever the target. Errors as {@link remove}. */
  async promote(server: string): Promise<void> {
    await this.#parts.keeper.update((roster) =>
      promote(roster, findServer(roster, server).number, this.#isUpIn(roster)),
    );
  }

  /** A server leaves, and another becomes a voter in its place, by one change. Errors as {@link remove}. */
  async replace(old: string, by: string): Promise<void> {
    await this.#parts.keeper.update((roster) =>
      replaceVoter(roster, findServer(roster, old).number, findServer(roster, by).number, this.#isUpIn(roster)),
    );
  }

  /**
   * Another server, which holds the domain's key, makes the rosters from now on.
   * @throws {OperationalError} `NO_DOMAIN_KEY`, `NO_ANSWER`; and as {@link remove}
   */
  async handOn(server: string): Promise<void> {
    const { keeper, host } = this.#parts;
    if (!keeper.isSteward) throw notSteward(keeper.roster);
    const successor = findServer(keeper.roster, server);
    // Looks first, so that what is wrong anyway is told before the other server is asked.
    handOn(keeper.roster, successor.number, this.#isUpIn(keeper.roster));
    const { refused } = await askRoster(host, successor, rosterFrame.holdsKey);
    if (refused !== undefined) {
      throw new OperationalError(
        refused.code,
        `${successor.name} holds no copy of the domain's key: only servers that joined by aorta invite --steward do`,
      );
    }
    await keeper.update((roster) => handOn(roster, findServer(roster, successor.id).number, this.#isUpIn(roster)));
  }

  /** Asks the steward to be taken out of the roster. @throws {OperationalError} `STEWARD_DOWN`, `NO_ANSWER`; and as {@link remove} */
  async leave(): Promise<void> {
    const { keeper, host, isUp } = this.#parts;
    const steward = stewardOf(keeper.roster);
    if (keeper.isSteward) return this.remove([steward.id], false);
    if (!isUp(steward.id as ServerId)) {
      throw new OperationalError(
        "STEWARD_DOWN",
        `there is no link to ${steward.name}, which makes the rosters: try again when there is`,
      );
    }
    const { refused } = await askRoster(host, steward, rosterFrame.leave);
    if (refused !== undefined) throw new OperationalError(refused.code, refused.reason);
  }

  /** Another server asks to be taken out. */
  async takeLeave(id: string): Promise<void> {
    await this.remove([id], false);
  }

  /**
   * This server takes the steward's role, because the steward is switched off for good: a majority of each set of voters, the
   * former steward not counted, promises to take no roster below the one that is then published, and shows the newest it has.
   * @param gone more servers that are switched off for good, and so need not promise
   * @throws {OperationalError} `NO_DOMAIN_KEY`, `STEWARD_UP`, `TOO_FEW_VOTERS`, `STALE_ROSTER`
   */
  async seize(gone: readonly string[]): Promise<void> {
    const { keeper, isUp, logger, random } = this.#parts;
    const { domainKey } = keeper;
    if (domainKey === undefined) {
      throw new OperationalError(
        "NO_DOMAIN_KEY",
        "this server holds no copy of the domain's key: only servers that joined by aorta invite --steward do",
      );
    }
    for (let round = 0; round < SEIZE_ROUNDS; round++) {
      if (round > 0) await delay(random() * SEIZE_PAUSE_MS);
      const { roster } = keeper;
      const steward = stewardOf(roster);
      if (!keeper.isSteward && isUp(steward.id as ServerId)) {
        throw new OperationalError(
          "STEWARD_UP",
          `${steward.name} is up: hand the role on there, by aorta roster steward`,
        );
      }
      const absent = new Set([steward.number, ...gone.map((server) => findServer(roster, server).number)]);
      const self = this.#self(roster).number;
      absent.delete(self);
      const version = Math.max(roster.version, keeper.floor) + UNSEEN_VERSIONS;
      if (!(await this.#collectPromises(roster, domainKey, version, absent))) continue;
      await keeper.seize(version, (present) => ({
        ...present,
        version,
        revision: present.revision + 1,
        steward: this.#self(present).number,
      }));
      logger.warn({ version, former: steward.name }, "this server has taken the steward's role");
      return;
    }
    throw new OperationalError(
      "STALE_ROSTER",
      "the roster keeps changing, or another server takes the role too: look, and try again",
    );
  }

  /** False when something newer was found meanwhile. @throws {OperationalError} `TOO_FEW_VOTERS` */
  async #collectPromises(
    roster: Roster,
    domainKey: PrivateKey,
    version: number,
    absent: ReadonlySet<number>,
  ): Promise<boolean> {
    const { keeper, host } = this.#parts;
    const self = this.#self(roster);
    const body = await signPromise({ version, seizer: self.id }, domainKey);
    if ((await keeper.promise(version)) === "too-low") return false;
    const sets = votersThatCount(roster).map((voters) => voters.filter((number) => !absent.has(number)));
    const asked = [...new Set(sets.flat())].filter((number) => number !== self.number);
    const promised = new Set([self.number]);
    let isStale = false;
    const ask = async (number: number) => {
      const server = serverOf(roster, number);
      const answer = await askRoster(host, server, rosterFrame.promise, body);
      // What a voter held before it promised is where the former steward had got to: it is gone on from there.
      if ((await keeper.accept(answer.roster, { belowFloor: true })) === "accepted" || answer.refused !== undefined)
        isStale = true;
      else promised.add(number);
      if (answer.floor > version) await keeper.promise(answer.floor);
    };
    const silent = (await Promise.allSettled(asked.map(ask))).flatMap(({ status }, at) =>
      status === "rejected" ? [serverOf(roster, asked[at] as number).name] : [],
    );
    if (isStale || keeper.roster !== roster) return false;
    if (sets.every((voters) => voters.filter((number) => promised.has(number)).length * 2 > voters.length)) return true;
    throw new OperationalError(
      "TOO_FEW_VOTERS",
      `too few voters can be asked: no answer from ${silent.join(", ")}. Bring them back first; or, if they are switched off for good, name them by --gone`,
    );
  }

  #self(roster: Roster): RosterServer {
    return findServer(roster, this.#parts.host.peerId.toString());
  }

  #isUpIn(roster: Roster): (number: number) => boolean {
    const { host, isUp } = this.#parts;
    const self = host.peerId.toString();
    return (number) => {
      const { id } = serverOf(roster, number);
      return id === self || isUp(id as ServerId);
    };
  }
}

/** The server that makes the rosters. */
export function stewardOf(roster: Roster): RosterServer {
  return serverOf(roster, roster.steward);
}

function serverOf(roster: Roster, number: number): RosterServer {
  return roster.servers.find((server) => server.number === number) as RosterServer;
}
