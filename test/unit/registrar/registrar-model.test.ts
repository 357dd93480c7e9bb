import { expect } from "chai";
import fc from "fast-check";
import type { Aor } from "../../../dht-schema/aor.ts";
import { applyOrder } from "../../../node/registrar/apply-order.ts";
import type { RegisterOrder } from "../../../node/registrar/binding.ts";
import { BindingTable } from "../../../node/registrar/binding-table.ts";
import { bindOrder, contact } from "./bindings.ts";

const CONTACTS_PER_AOR = 3;

/** What RFC 3261 §10.3 says, word by word, on a flat list and without any index. */
class ObviousRegistrar {
  #rows: { aor: string; uri: string; callId: string; cseq: number; expiresAtMs: number; instance: string }[] = [];

  register(aor: string, order: RegisterOrder, nowMs: number): boolean {
    const rows = this.#rows.filter((row) => row.expiresAtMs > nowMs).map((row) => ({ ...row }));
    const own = rows.filter((row) => row.aor === aor);
    if (order.kind === "remove-all") {
      if (own.some((row) => row.callId === order.callId && row.cseq >= order.cseq)) return false;
      this.#rows = rows.filter((row) => row.aor !== aor);
      return true;
    }
    let next = rows;
    for (const each of order.kind === "bind" ? order.contacts : []) {
      if (own.some((row) => row.uri === each.uri && row.callId === order.callId && row.cseq >= order.cseq))
        return false;
      next = next.filter((row) => row.aor !== aor || row.uri !== each.uri);
      if (each.expiresSeconds === 0) continue;
      next = next.filter(
        (row) =>
          row.aor !== aor || each.instance === "" || row.instance !== each.instance || row.callId === order.callId,
      );
      const expiresAtMs = nowMs + each.expiresSeconds * 1000;
      next.push({ aor, uri: each.uri, callId: order.callId, cseq: order.cseq, expiresAtMs, instance: each.instance });
    }
    if (next.filter((row) => row.aor === aor).length > CONTACTS_PER_AOR) return false;
    this.#rows = next;
    return true;
  }

  read(aor: string, nowMs: number): string[] {
    return this.#rows
      .filter((row) => row.aor === aor && row.expiresAtMs > nowMs)
      .map((row) => `${row.uri} ${row.callId} ${row.cseq} ${row.expiresAtMs}`)
      .toSorted();
  }
}

const aors = fc.constantFrom("sip:a@example.com" as Aor, "sip:b@example.com" as Aor);
const callIds = fc.constantFrom("one", "two");
const cseqs = fc.integer({ min: 1, max: 12 });
const contacts = fc.record({
  uri: fc.integer({ min: 1, max: 5 }).map((n) => `sip:u@127.0.0.1:${5000 + n}`),
  expiresSeconds: fc.constantFrom(0, 1, 2, 5, 3600),
  instance: fc.constantFrom("", "", "urn:uuid:1", "urn:uuid:2"),
});
const orders: fc.Arbitrary<RegisterOrder> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.array(contacts, { minLength: 1, maxLength: 3 }), callIds, cseqs)
      .map(([list, callId, cseq]) =>
        bindOrder(
          list.map((fields) => contact(fields)),
          { callId, cseq },
        ),
      ),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove-all" as const), callId: callIds, cseq: cseqs }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("query" as const), callId: callIds, cseq: cseqs }) },
);
const events = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("register" as const), aor: aors, order: orders }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 4000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sweep" as const) }) },
);

describe("registrar compared with an obvious one", () => {
  it("agrees about every answer and every binding, whatever is asked in whatever order", () => {
    fc.assert(
      fc.property(fc.array(events, { maxLength: 60 }), (script) => {
        const table = new BindingTable();
        const obvious = new ObviousRegistrar();
        let nowMs = 0;
        for (const event of script) {
          if (event.kind === "wait") nowMs += event.ms;
          else if (event.kind === "sweep") table.expire(nowMs);
          else {
            const result = applyOrder(table.get(event.aor, nowMs), event.order, nowMs, CONTACTS_PER_AOR);
            if (result.kind === "applied") table.set(event.aor, result.bindings);
            expect(result.kind === "applied").to.equal(obvious.register(event.aor, event.order, nowMs));
          }
          for (const aor of ["sip:a@example.com", "sip:b@example.com"] as Aor[]) {
            const bound = table.get(aor, nowMs).map((b) => `${b.uri} ${b.callId} ${b.cseq} ${b.expiresAtMs}`);
            expect(bound.toSorted()).to.deep.equal(obvious.read(aor, nowMs));
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
