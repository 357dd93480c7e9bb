import { expect } from "chai";
import fc from "fast-check";
import type { Hello } from "../../../dht-schema/link-frames.ts";
import { decodeBye, decodePing, frameType } from "../../../dht-schema/link-frames.ts";
import { meshCounter } from "../../../node/mesh/counters.ts";
import type { LinkEffect } from "../../../node/mesh/link-core.ts";
import { LinkCore } from "../../../node/mesh/link-core.ts";
import { limits } from "../../../node/runtime/limits.ts";

const hello = (name: string, rosterRevision = 0): Hello => ({
  minVersion: 1,
  maxVersion: 1,
  software: "aorta",
  name,
  boot: 1,
  instance: 77,
  rosterVersion: 1,
  rosterRevision,
  rosterDigest: rosterRevision,
  addresses: [],
});

/** Two cores joined by perfect streams: what one sends the other gets, in order. */
class Pair {
  readonly opener: LinkCore;
  readonly acceptor: LinkCore;
  readonly seen: string[] = [];
  readonly #wire: (() => void)[] = [];
  nowMs = 0;

  constructor(openerRevision = 0, acceptorRevision = 0) {
    this.opener = new LinkCore("opener", hello("opener", openerRevision), 0);
    this.acceptor = new LinkCore("acceptor", hello("acceptor", acceptorRevision), 0);
  }

  open(): this {
    this.#take(this.opener, this.opener.open());
    this.#take(this.acceptor, this.acceptor.open());
    this.#deliver();
    return this;
  }

  /** Carries out effects, and all that follows from them. */
  run(from: LinkCore, effects: readonly LinkEffect[]): void {
    this.#take(from, effects);
    this.#deliver();
  }

  #take(from: LinkCore, effects: readonly LinkEffect[]): void {
    const to = from === this.opener ? this.acceptor : this.opener;
    const send = (type: number, body: Uint8Array): void => {
      this.#wire.push(() => {
        to.heard(this.nowMs);
        this.#take(to, to.frame(type, body, this.nowMs));
      });
    };
    for (const effect of effects) {
      if (effect.kind === "send") {
        send(effect.type, effect.body);
      } else if (effect.kind === "open-sip") {
        this.#take(from, from.attached());
        this.#wire.push(() => this.#take(to, to.attached()));
      } else {
        const who = from === this.opener ? "opener" : "acceptor";
        this.seen.push(`${who} ${effect.kind}${effect.kind === "close" ? ` ${effect.bye.code}` : ""}`);
        if (effect.kind === "push-roster") send(frameType.roster, new Uint8Array());
      }
    }
  }

  #deliver(): void {
    for (let next = this.#wire.shift(); next !== undefined; next = this.#wire.shift()) next();
  }
}

describe("the state machine of a link", () => {
  it("comes up at both ends once HELLOs agree and both have the SIP stream", () => {
    const { opener, acceptor, seen } = new Pair().open();
    expect(seen).members(["opener up", "acceptor up"]);
    expect([opener.state.kind, acceptor.state.kind]).deep.equals(["up", "up"]);
    expect(acceptor.state).nested.property("peer.hello.name", "opener");
  });

  it("takes data only while it is up", () => {
    const pair = new Pair();
    expect(pair.opener.mayReceive).equals(false);
    pair.open();
    expect(pair.opener.mayReceive).equals(true);
    pair.run(pair.opener, pair.opener.end({ code: "STOPPING", reason: "" }));
    expect(pair.opener.mayReceive).equals(false);
  });

  it("tells the peer why it closes, and the peer does not answer", () => {
    const pair = new Pair().open();
    pair.seen.length = 0;
    pair.run(pair.opener, pair.opener.end({ code: "STOPPING", reason: "done" }));
    expect(pair.seen).deep.equals(["opener close STOPPING", "acceptor close STOPPING"]);
    expect(pair.acceptor.state).nested.property("bye.reason", "the peer closed: done");
  });

  it("closes once: whatever comes after has no effect", () => {
    const core = new LinkCore("opener", hello("a"), 0);
    expect(core.lost("gone").map((effect) => effect.kind)).deep.equals(["close"]);
    const later = [
      core.lost("again"),
      core.end({ code: "X", reason: "" }),
      core.frame(frameType.ping, new Uint8Array(), 0),
      core.tick(1e9),
      core.attached(),
      core.rosterChanged({ rosterVersion: 9, rosterRevision: 9, rosterDigest: 9 }, true),
    ];
    expect(later.flat()).deep.equals([]);
  });

  it("closes when HELLO does not come in time, and when READY does not", () => {
    const silent = new LinkCore("opener", hello("a"), 0);
    expect(silent.tick(limits.mesh.greetMs - 1)).deep.equals([]);
    expect(silent.tick(limits.mesh.greetMs).at(-1)).include({ kind: "close", counter: meshCounter.greetingsLate });
    const half = new LinkCore("acceptor", hello("a"), 0);
    half.frame(frameType.hello, helloBody(), 100);
    expect(half.state.kind).equals("attaching");
    expect(half.tick(100 + limits.mesh.greetMs).at(-1)).include({ kind: "close", counter: meshCounter.greetingsLate });
  });

  for (const [what, state, type] of [
    ["PING before HELLO", "greeting", frameType.ping],
    ["READY before HELLO", "greeting", frameType.ready],
    ["data before HELLO", "greeting", frameType.data],
    ["a second HELLO", "attaching", frameType.hello],
    ["a second READY", "up", frameType.ready],
    ["data while attaching", "attaching", frameType.data],
    ["an unknown type", "up", 200],
  ] as const) {
    it(`closes and counts at ${what}`, () => {
      const core = state === "up" ? new Pair().open().opener : new LinkCore("opener", hello("a"), 0);
      if (state === "attaching") core.frame(frameType.hello, helloBody(), 0);
      expect(core.state.kind).equals(state);
      const effects = core.frame(type, new Uint8Array(), 0);
      expect(effects.map((effect) => effect.kind)).deep.equals(["send", "close"]);
      expect(effects[1]).include({ counter: meshCounter.framesMalformed });
      expect(core.state).nested.property("bye.code", "BAD_FRAME");
    });
  }

  it("closes when the SIP stream comes out of turn", () => {
    for (const core of [new LinkCore("acceptor", hello("a"), 0), new Pair().open().acceptor]) {
      expect(core.attached().at(-1)).include({ kind: "close", counter: meshCounter.framesMalformed });
    }
  });

  it("pushes the roster from the side that has the newer one, once", () => {
    expect(new Pair(3, 2).open().seen.filter((one) => one.includes("roster"))).deep.equals([
      "opener push-roster",
      "acceptor roster",
    ]);
    expect(new Pair(2, 3).open().seen.filter((one) => one.includes("roster"))).deep.equals([
      "acceptor push-roster",
      "opener roster",
    ]);
    expect(new Pair(3, 3).open().seen.filter((one) => one.includes("roster"))).deep.equals([]);
  });

  it("pushes a roster of ours at once, and one that came from a peer only to whoever turns out not to have it", () => {
    const pair = new Pair().open();
    pair.seen.length = 0;
    const mark = { rosterVersion: 2, rosterRevision: 0, rosterDigest: 20 };
    pair.run(pair.opener, pair.opener.rosterChanged(mark, false));
    expect(pair.seen).deep.equals([]);
    pair.nowMs = limits.mesh.tickMs;
    pair.run(pair.acceptor, pair.acceptor.tick(pair.nowMs));
    expect(pair.seen).deep.equals(["opener push-roster", "acceptor peer-mark", "acceptor roster"]);
    pair.run(
      pair.acceptor,
      pair.acceptor.rosterChanged({ rosterVersion: 3, rosterRevision: 0, rosterDigest: 30 }, true),
    );
    expect(pair.seen.slice(3)).deep.equals(["acceptor push-roster", "opener roster"]);
  });

  it("answers PING with its token and our roster, and measures the answer to its own", () => {
    const pair = new Pair(4, 4).open();
    const [ping] = pair.opener.tick(100) as [LinkEffect & { kind: "send" }];
    expect(ping.type).equals(frameType.ping);
    const [pong] = pair.acceptor.frame(ping.type, ping.body, 103) as [LinkEffect & { kind: "send" }];
    expect(decodePing(pong.body)).deep.equals({
      token: decodePing(ping.body).token,
      rosterVersion: 1,
      rosterRevision: 4,
      rosterDigest: 4,
    });
    pair.opener.frame(pong.type, pong.body, 106);
    expect(pair.opener.roundTripMs).equals(6);
  });

  it("survives any sequence of frames: at worst it closes, with a reason the peer can read", () => {
    const frame = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.uint8Array({ maxLength: 12 }));
    fc.assert(
      fc.property(fc.constantFrom("opener", "acceptor"), fc.array(frame), (role, frames) => {
        const core = new LinkCore(role, hello("a"), 0);
        for (const [type, body] of frames) {
          for (const effect of core.frame(type, body, 0)) {
            if (effect.kind === "send" && effect.type === frameType.bye) decodeBye(effect.body);
          }
        }
      }),
    );
  });
});

/** Body of a peer's HELLO, as a core would send it. */
function helloBody(): Uint8Array {
  const [effect] = new LinkCore("opener", hello("peer"), 0).open();
  return (effect as LinkEffect & { kind: "send" }).body;
}
