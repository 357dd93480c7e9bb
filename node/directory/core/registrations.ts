const FIELDS = 3;

/** Where a replica has a watch: the lease it has it under, and the latest notice it sent. */
export interface Registration {
  readonly generation: number;
  readonly session: number;
  readonly sequence: number;
}

/** The registrations of one watch at its replicas: all numbers of all replicas in one array, as there may be 200,000 watches. */
export class Registrations {
  readonly #members: readonly number[];
  readonly #numbers: number[];

  constructor(members: readonly number[]) {
    this.#members = members;
    this.#numbers = Array.from({ length: members.length * FIELDS }, () => 0);
  }

  /** The lease under which a replica has the watch; 0 when it has not. */
  generation(member: number): number {
    const at = this.#members.indexOf(member);
    return at < 0 ? 0 : (this.#numbers[at * FIELDS] as number);
  }

  /** Whether the replica has sent a later notice under that session. */
  isOvertaken(member: number, session: number, sequence: number): boolean {
    const at = this.#members.indexOf(member) * FIELDS;
    return at >= 0 && this.#numbers[at + 1] === session && (this.#numbers[at + 2] as number) > sequence;
  }

  set(member: number, { generation, session, sequence }: Registration): void {
    const at = this.#members.indexOf(member) * FIELDS;
    if (at < 0) return;
    this.#numbers[at] = generation;
    this.#numbers[at + 1] = session;
    this.#numbers[at + 2] = sequence;
  }

  delete(member: number): void {
    this.set(member, { generation: 0, session: 0, sequence: 0 });
  }

  /** The same at other replicas: of those that stay. */
  at(members: readonly number[]): Registrations {
    const moved = new Registrations(members);
    for (const [index, member] of this.#members.entries()) {
      const [generation = 0, session = 0, sequence = 0] = this.#numbers.slice(index * FIELDS);
      moved.set(member, { generation, session, sequence });
    }
    return moved;
  }
}
