import { setTimeout as delay } from "node:timers/promises";
import type { PrivateKey } from "@libp2p/interface";
import type { Roster, RosterServer, ServerId } from "../../dht-schema/roster.ts";
import type { RosterAnswer } from "../../dht-schema/roster-messages.ts";
import { rosterFrame, signPromise } from "../../dht-schema/roster-messages.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { Logger } from "../runtime/logger.ts";
import { findServer, handOn, promote, replaceVoter, takeOut } from "./roster-changes.ts";
import type { RosterKeeper } from "./roster-keeper.ts";
import { notSteward } from "./roster-keeper.ts";
import { votersThatCount } from "./voter-contact.ts";

export interface StewardshipParts {
  readonly self: ServerId;
  readonly keeper: RosterKeeper;
  readonly logger: Logger;
  /** Whether there is a link to a server. */
  readonly isUp: (server: ServerId) => boolean;
  /** Asks a linked server something about the roster: its answer. @throws {OperationalError} `NO_ANSWER` */
  readonly ask: (server: RosterServer, type: number, body?: Uint8Array) => Promise<RosterAnswer>;
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

  #isOvercoming = false;

  constructor(parts: StewardshipParts) {
    this.#parts = parts;
  }

  /**
   * A server does not take this steward's roster. It may have promised a higher version to another that wanted the role and has
   * not got it, and could never follow the roster again: so the steward takes its own role anew, above that promise.
   */
  async overcome(server: ServerId): Promise<void> {
    const { keeper, ask, logger } = this.#parts;
    if (this.#isOvercoming || !keeper.isSteward || !keeper.isServer(server)) return;
    this.#isOvercoming = true;
    try {
      const { floor } = await ask(findServer(keeper.roster, server), rosterFrame.holdsKey);
      if (floor > keeper.roster.version) await this.seize([], floor);
    } catch (error) {
      logger.warn(
        { server, reason: (error as Error).message },
        "a server that does not take the roster could not be helped",
      );
    } finally {
      this.#isOvercoming = false;
    }
  }

  /**
   * Servers are to go: those that are up let go of their users first; the others go when their leases are over.
   * @param gone whether they are switched off for good
   * @throws {OperationalError} `NO_SUCH_SERVER`; see {@link takeOut} and {@link RosterKeeper.update}
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
    const { keeper, ask } = this.#parts;
    if (!keeper.isSteward) throw notSteward(keeper.roster);
    const successor = findServer(keeper.roster, server);
    // Looks first, so that what is wrong anyway is told before the other server is asked.
    handOn(keeper.roster, successor.number, this.#isUpIn(keeper.roster));
    const { refused } = await ask(successor, rosterFrame.holdsKey);
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
    const { keeper, ask, isUp } = this.#parts;
    const steward = stewardOf(keeper.roster);
    if (keeper.isSteward) return this.remove([steward.id], false);
    if (!isUp(steward.id as ServerId)) {
      throw new OperationalError(
        "STEWARD_DOWN",
        `there is no link to ${steward.name}, which makes the rosters: try again when there is`,
      );
    }
    const { refused } = await ask(steward, rosterFrame.leave);
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
   * @param above a version that somebody has promised
   * @throws {OperationalError} `NO_DOMAIN_KEY`, `STEWARD_UP`, `TOO_FEW_VOTERS`, `STALE_ROSTER`
   */
  async seize(gone: readonly string[], above = 0): Promise<void> {
    const { keeper, random } = this.#parts;
    const { domainKey } = keeper;
    if (domainKey === undefined) {
      throw new OperationalError(
        "NO_DOMAIN_KEY",
        "this server holds no copy of the domain's key: only servers that joined by aorta invite --steward do",
      );
    }
    for (let round = 0; round < SEIZE_ROUNDS; round++) {
      if (round > 0) await delay(random() * SEIZE_PAUSE_MS);
      if (await this.#seizeOnce(domainKey, gone, above)) return;
    }
    throw new OperationalError(
      "STALE_ROSTER",
      "the roster keeps changing, or another server takes the role too: look, and try again",
    );
  }

  /** False when something newer was found meanwhile: it is known now, and can be gone on from. */
  async #seizeOnce(domainKey: PrivateKey, gone: readonly string[], above: number): Promise<boolean> {
    const { keeper, logger } = this.#parts;
    const { roster } = keeper;
    const voters = this.#votersToAsk(roster, gone);
    const version = Math.max(roster.version, keeper.floor, above) + UNSEEN_VERSIONS;
    const self = this.#self(roster);
    const body = await signPromise({ version, seizer: self.id }, domainKey);
    if ((await keeper.promise(version)) === "too-low") return false;
    const { promised, silent, isStale } = await this.#collectPromises(roster, voters, version, body);
    if (isStale || keeper.roster !== roster || keeper.floor !== version) return false;
    const isMajority = (set: readonly number[]) =>
      set.length === 0 || set.filter((number) => promised.has(number)).length * 2 > set.length;
    if (!voters.every(isMajority)) throw tooFew(roster, silent);
    await keeper.seize(version, (present) => ({
      ...present,
      version,
      revision: present.revision + 1,
      steward: self.number,
    }));
    logger.warn({ version, former: stewardOf(roster).name }, "this server has taken the steward's role");
    return true;
  }

  /**
   * Of each set of voters those of whom a majority has to promise. Asked for in vain, a promise would only keep those who gave it
   * from following the roster: so nobody is asked unless enough can be.
   * @throws {OperationalError} `STEWARD_UP`, `TOO_FEW_VOTERS`
   */
  #votersToAsk(roster: Roster, gone: readonly string[]): number[][] {
    const { keeper, isUp } = this.#parts;
    const steward = stewardOf(roster);
    if (!keeper.isSteward && isUp(steward.id as ServerId)) {
      throw new OperationalError(
        "STEWARD_UP",
        `${steward.name} is up: hand the role on there, by aorta roster steward`,
      );
    }
    const vouchedFor = gone.map((server) => findServer(roster, server).number);
    const absent = new Set([steward.number, ...vouchedFor]);
    absent.delete(this.#self(roster).number);
    const voters = votersThatCount(roster).map((set) => set.filter((number) => !absent.has(number)));
    // Nobody is left who could refuse the former steward's rosters: only an operator's word that it makes none will do.
    if (voters.some((set) => set.length === 0) && !vouchedFor.includes(steward.number)) {
      throw new OperationalError(
        "TOO_FEW_VOTERS",
        `${steward.name} alone holds replicas: if it is switched off for good, say so by --gone ${steward.name}`,
      );
    }
    const isHere = this.#isUpIn(roster);
    const lacking = voters.filter((set) => set.filter(isHere).length * 2 <= set.length).flat();
    if (lacking.length > 0) throw tooFew(roster, new Set(lacking.filter((number) => !isHere(number))));
    return voters;
  }

  async #collectPromises(
    roster: Roster,
    voters: readonly (readonly number[])[],
    version: number,
    body: Uint8Array,
  ): Promise<{ readonly promised: Set<number>; readonly silent: Set<number>; readonly isStale: boolean }> {
    const { keeper, ask } = this.#parts;
    const self = this.#self(roster).number;
    const promised = new Set([self]);
    const silent = new Set<number>();
    let isStale = false;
    const askVoter = async (number: number) => {
      const answer = await ask(serverOf(roster, number), rosterFrame.promise, body);
      // What a voter held before it promised is where the former steward had got to: it is gone on from there.
      const isNews = (await keeper.accept(answer.roster, { belowFloor: true })) === "accepted";
      if (answer.floor > version) await keeper.promise(answer.floor);
      if (isNews || answer.refused !== undefined || answer.floor !== version) isStale = true;
      else promised.add(number);
    };
    const asked = [...new Set(voters.flat())].filter((number) => number !== self);
    await Promise.all(asked.map((number) => askVoter(number).catch(() => silent.add(number))));
    return { promised, silent, isStale };
  }

  #self(roster: Roster): RosterServer {
    return findServer(roster, this.#parts.self);
  }

  #isUpIn(roster: Roster): (number: number) => boolean {
    const { self, isUp } = this.#parts;
    return (number) => {
      const { id } = serverOf(roster, number);
      return id === self || isUp(id as ServerId);
    };
  }
}

function tooFew(roster: Roster, silent: ReadonlySet<number>): OperationalError {
  const names = [...silent].map((number) => serverOf(roster, number).name).join(", ");
  return new OperationalError(
    "TOO_FEW_VOTERS",
    `too few voters can be asked: no answer from ${names}. Bring them back first; or, if they are switched off for good, name them by --gone`,
  );
}

/** The server that makes the rosters. */
export function stewardOf(roster: Roster): RosterServer {
  return serverOf(roster, roster.steward);
}

function serverOf(roster: Roster, number: number): RosterServer {
  return roster.servers.find((server) => server.number === number) as RosterServer;
}
