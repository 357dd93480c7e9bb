import type { Aor } from "../../../dht-schema/aor.ts";
import type { Ballot } from "../../../dht-schema/ballot.ts";
import { compareBallots } from "../../../dht-schema/ballot.ts";
import { isShareLeft } from "../../runtime/share.ts";

/** The register of one AoR. The owner of an accepted ballot is the member in it. */
export interface Register<Accepted> {
  promised: Ballot;
  accepted: Accepted | undefined;
}

/** How registers are kept. */
export interface RegistersInit {
  /** Promised for every AoR at the start. */
  readonly floor: Ballot;
  /** Most registers. */
  readonly max: number;
  /** A register that is nobody's is kept until so many ballots have been seen after its own. */
  readonly keepBallots: number;
}

/** How many old registers a new one pays for looking at; more when there is no room. */
const LOOKS = 2;
const LOOKS_WHEN_FULL = 256;

/**
 * A replica's registers. What is nobody's any more is forgotten: the floor, which is promised for every AoR without a register,
 * rises to what was promised there. So the replica goes on refusing all that it refused before, and the ballot that
 * was accepted there is missed by nobody, for it counted for nothing.
 */
export class Registers<Accepted> {
  readonly #registers = new Map<Aor, Register<Accepted>>();
  /** How many registers each server was the last to get a promise for. */
  readonly #held = new Map<number, number>();
  readonly #max: number;
  readonly #keepBallots: number;
  readonly #isNobodys: (nowMs: number, accepted: Accepted) => boolean;
  #floor: Ballot;
  #next: Iterator<[Aor, Register<Accepted>]>;

  /** @param isNobodys whether what was accepted will never count again */
  constructor(init: RegistersInit, isNobodys: (nowMs: number, accepted: Accepted) => boolean) {
    this.#floor = init.floor;
    this.#max = init.max;
    this.#keepBallots = init.keepBallots;
    this.#isNobodys = isNobodys;
    this.#next = this.#registers.entries();
  }

  get size(): number {
    return this.#registers.size;
  }

  /** Promised for every AoR without a register. */
  get floor(): Ballot {
    return this.#floor;
  }

  get(aor: Aor): Register<Accepted> | undefined {
    return this.#registers.get(aor);
  }

  entries(): Iterable<[Aor, Register<Accepted>]> {
    return this.#registers;
  }

  /** What is promised for an AoR. */
  promised(aor: Aor): Ballot {
    return this.#registers.get(aor)?.promised ?? this.#floor;
  }

  /**
   * Promises an AoR's register to a ballot, which is not below what was promised; makes the register where there is none.
   * @param counter highest seen
   * @returns `undefined` where there is no room for another register of that server's
   */
  promise(nowMs: number, aor: Aor, ballot: Ballot, counter: number): Register<Accepted> | undefined {
    const register = this.#registers.get(aor);
    if (register !== undefined) {
      if (register.promised.member !== ballot.member) {
        this.#charge(register.promised.member, -1);
        this.#charge(ballot.member, 1);
      }
      register.promised = ballot;
      return register;
    }
    this.#forget(nowMs, counter - this.#keepBallots, LOOKS);
    if (!this.#hasRoom(ballot.member)) this.#forget(nowMs, Infinity, LOOKS_WHEN_FULL);
    if (!this.#hasRoom(ballot.member)) return undefined;
    const made: Register<Accepted> = { promised: ballot, accepted: undefined };
    this.#registers.set(aor, made);
    this.#charge(ballot.member, 1);
    return made;
  }

  /** What one server uses never takes the room of the others. */
  #hasRoom(member: number): boolean {
    return isShareLeft(this.#held.get(member) ?? 0, this.#registers.size, this.#max);
  }

  #charge(member: number, by: number): void {
    const held = (this.#held.get(member) ?? 0) + by;
    if (held === 0) this.#held.delete(member);
    else this.#held.set(member, held);
  }

  /** Looks at some registers, in turn, and forgets those that are nobody's and were promised no later than `upTo`. */
  #forget(nowMs: number, upTo: number, looks: number): void {
    for (let i = 0; i < looks; i++) {
      const { done, value } = this.#next.next();
      if (done === true) {
        this.#next = this.#registers.entries();
        return;
      }
      const [aor, { promised, accepted }] = value;
      if (promised.counter > upTo) continue;
      if (accepted !== undefined && !this.#isNobodys(nowMs, accepted)) continue;
      this.#registers.delete(aor);
      this.#charge(promised.member, -1);
      if (compareBallots(promised, this.#floor) > 0) this.#floor = promised;
    }
  }
}
