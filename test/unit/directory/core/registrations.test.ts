import { expect } from "chai";
import fc from "fast-check";
import type { Registration } from "../../../../node/directory/core/registrations.ts";
import { Registrations } from "../../../../node/directory/core/registrations.ts";

const MEMBERS = [2, 3, 5, 8, 13];
const member = fc.constantFrom(...MEMBERS);
/** Sessions are beyond what fits into 31 bits, as those of a replica that has started often. */
const registration = fc.record({
  generation: fc.integer({ min: 1, max: 1_000 }),
  session: fc.integer({ min: 2 ** 40, max: 2 ** 40 + 3 }),
  sequence: fc.integer({ min: 1, max: 20 }),
});
const step = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), member, registration }),
  fc.record({ kind: fc.constant("delete" as const), member }),
  fc.record({ kind: fc.constant("move" as const), members: fc.shuffledSubarray([...MEMBERS, 21], { minLength: 1 }) }),
);

describe("the registrations of a watch", () => {
  it("are those of a map by member, whatever comes and goes", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), registration, (steps, { session, sequence }) => {
        let registrations = new Registrations(MEMBERS);
        let members = MEMBERS;
        const map = new Map<number, Registration>();
        for (const one of steps) {
          if (one.kind === "move") {
            registrations = registrations.at((members = one.members));
            for (const known of map.keys()) if (!members.includes(known)) map.delete(known);
          } else if (one.kind === "delete") {
            registrations.delete(one.member);
            map.delete(one.member);
          } else if (members.includes(one.member)) {
            registrations.set(one.member, one.registration);
            map.set(one.member, one.registration);
          }
        }
        for (const each of [...MEMBERS, 21]) {
          const known = map.get(each);
          expect(registrations.generation(each)).to.equal(known?.generation ?? 0);
          const isOvertaken = known?.session === session && known.sequence > sequence;
          expect(registrations.isOvertaken(each, session, sequence)).to.equal(isOvertaken);
        }
      }),
    );
  });

  it("know nothing of a server that is no replica", () => {
    const registrations = new Registrations(MEMBERS);
    registrations.set(99, { generation: 1, session: 1, sequence: 1 });
    expect(registrations.generation(99)).to.equal(0);
    expect(registrations.isOvertaken(99, 1, 0)).to.equal(false);
  });
});
