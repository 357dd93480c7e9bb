import type { Roster, ServerId } from "../../dht-schema/roster.ts";
import { limits } from "../runtime/limits.ts";
import type { RosterMark } from "./link-core.ts";
import { isForkedMark, isNewerMark } from "./link-core.ts";

/** What the servers with a link here said of the rosters that they have. */
export interface Marks {
  /** Of the roster in force here. */
  own(): RosterMark;
  /** Of each linked server. */
  others(): ReadonlyMap<ServerId, RosterMark>;
}

/**
 * Whether the steward is in touch with enough voters to act: a majority of each set. It then cannot have missed that another
 * server took its role, for that needs such a majority too; and what that many hold, nobody who takes the role can miss.
 */
export class VoterContact {
  readonly #self: string;
  #marks: Marks | undefined;
  readonly #waiting = new Set<() => void>();

  /** @param self peer id of this server */
  constructor(self: string) {
    this.#self = self;
  }

  /** Looks at these from now on. Without any, this server is alone. */
  look(marks: Marks): void {
    this.#marks = marks;
  }

  /** To be called when a mark may have changed. */
  changed(): void {
    for (const check of Array.from(this.#waiting)) check();
  }

  /**
   * Whether a majority of each set of voters is linked, and nobody who is linked has something newer than this server, or
   * something else of the same version and revision.
   */
  isConfirmed(roster: Roster): boolean {
    const marks = this.#marks;
    if (marks === undefined) return this.#isMajority(roster, () => false);
    const others = marks.others();
    const own = marks.own();
    for (const mark of others.values()) if (isNewerMark(mark, own) || isForkedMark(mark, own)) return false;
    return this.#isMajority(roster, (id) => others.has(id));
  }

  /** Whether a majority of each set of voters says that it has the roster in force here. */
  isHeld(roster: Roster): boolean {
    const marks = this.#marks;
    if (marks === undefined) return this.#isMajority(roster, () => false);
    const others = marks.others();
    const own = marks.own();
    return this.#isMajority(roster, (id) => others.get(id)?.rosterDigest === own.rosterDigest);
  }

  /** Resolves when `condition` holds, with whether it did in time. */
  async until(condition: () => boolean): Promise<boolean> {
    if (condition()) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const check = () => condition() && resolve(true);
    const timer = setTimeout(() => resolve(false), limits.mesh.voterContactMs);
    this.#waiting.add(check);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(check);
    }
  }

  #isMajority(roster: Roster, test: (id: ServerId) => boolean): boolean {
    const ids = new Map(roster.servers.map(({ number, id }) => [number, id as ServerId]));
    return votersThatCount(roster).every((voters) => {
      const count = voters.filter((number) => {
        const id = ids.get(number) as ServerId;
        return id === this.#self || test(id);
      }).length;
      return count * 2 > voters.length;
    });
  }
}

/** The sets of voters of which majorities are needed, without those who are switched off for good. */
export function votersThatCount({ voters, oldVoters, gone }: Roster): number[][] {
  const isThere = (number: number) => !gone.includes(number);
  return [voters, oldVoters].map((set) => set.filter(isThere)).filter((set) => set.length > 0);
}
