import { expect } from "chai";
import { KeyedQueue } from "../../../node/registrar/keyed-queue.ts";
import { settle } from "../../helpers/virtual-time.ts";

describe("queue by key", () => {
  it("runs a task of an idle key at once", () => {
    const queue = new KeyedQueue<string>();
    const ran: string[] = [];
    queue.run("a", () => void ran.push("first"));
    queue.run("a", () => void ran.push("second"));
    expect(ran).to.deep.equal(["first", "second"]);
  });

  it("runs tasks of a key one after the other, and those of others meanwhile", async () => {
    const queue = new KeyedQueue<string>();
    const gate = Promise.withResolvers<void>();
    const ran: string[] = [];
    queue.run("a", async () => {
      await gate.promise;
      ran.push("a1");
    });
    queue.run("a", () => void ran.push("a2"));
    queue.run("b", () => void ran.push("b1"));
    await settle();
    expect(ran).to.deep.equal(["b1"]);
    expect([queue.waiting("a"), queue.waiting("b")]).to.deep.equal([1, 0]);
    gate.resolve();
    await settle();
    expect(ran).to.deep.equal(["b1", "a1", "a2"]);
    expect(queue.waiting("a")).to.equal(0);
  });

  it("puts a task that a running one adds behind those that wait", async () => {
    const queue = new KeyedQueue<string>();
    const ran: string[] = [];
    queue.run("a", () => {
      queue.run("a", () => void ran.push("added"));
      ran.push("adding");
    });
    expect(ran).to.deep.equal(["adding", "added"]);
    await settle();
  });

  it("goes on after a task that throws, and lets its caller know", async () => {
    const queue = new KeyedQueue<string>();
    const ran: string[] = [];
    const broken = () => {
      queue.run("a", () => void ran.push("behind"));
      throw new Error("broken");
    };
    expect(() => queue.run("a", broken)).to.throw("broken");
    await settle();
    expect(ran).to.deep.equal(["behind"]);
    queue.run("a", () => void ran.push("later"));
    expect(ran).to.deep.equal(["behind", "later"]);
  });
});
