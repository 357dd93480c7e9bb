import { expect } from "chai";
import type { ServerId } from "../../dht-schema/roster.ts";
import { Departure } from "../../node/departure.ts";
import type { MeshEvent } from "../../node/mesh/mesh.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import { testRoster, testServer } from "../helpers/rosters.ts";
import { settle } from "../helpers/virtual-time.ts";

const STAYS = testRoster(3);
const LEAVES = testRoster(3, { version: 2, leaving: [2] });
const GONE = testRoster(3, { version: 3, servers: [testServer(1), testServer(3)], voters: [1, 3] });

describe("a server that leaves its domain", () => {
  it("is gone, and owes nothing more, though what it holds could not be handed on", async () => {
    const errors: string[] = [];
    let emit: (event: MeshEvent) => void = () => {};
    const mesh = {
      self: testServer(2).id as ServerId,
      on: (listener: typeof emit) => {
        emit = listener;
        return () => {};
      },
      roster: () => STAYS,
    };
    const departure = new Departure(mesh, { ...silentLogger, error: (_fields, text) => void errors.push(text) });
    const owed: number[] = [];
    departure.report({ owe: (count) => void owed.push(count) });
    departure.serve({ drain: () => Promise.reject(new Error("the disk cannot be read")) });
    emit({ kind: "roster", roster: LEAVES });
    await settle();
    expect(owed, "the others may take it out").to.deep.equal([1, 0]);
    emit({ kind: "removed", roster: GONE });
    expect(await departure.over).to.deep.equal({ domain: "example.com", version: 3, inOrder: true });
    expect(errors).to.have.length(1);
  });

  it("is gone, too, where it was taken out and cannot end its service", async () => {
    let emit: (event: MeshEvent) => void = () => {};
    const on = (listener: typeof emit) => {
      emit = listener;
      return () => {};
    };
    const departure = new Departure({ self: testServer(2).id as ServerId, on, roster: () => STAYS }, silentLogger);
    departure.serve({ drain: () => Promise.reject(new Error("the disk cannot be read")) });
    emit({ kind: "removed", roster: GONE });
    expect((await departure.over).inOrder).to.equal(false);
  });
});
