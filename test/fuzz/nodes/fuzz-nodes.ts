import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { AortaNode } from "../../../node/aorta-node.ts";
import { createAortaNode } from "../../../node/aorta-node.ts";
import { loadConfig } from "../../../node/config/node-config.ts";
import type { Logger } from "../../../node/runtime/logger.ts";
import type { FuzzOptions } from "../fuzzer.ts";
import type { Random } from "../random.ts";
import { randomFrom } from "../random.ts";
import { Party } from "./party.ts";
import { pidf } from "./talk.ts";

/** What a run did. */
export interface NodesReport {
  /** Requests that were sent to the nodes, and answers that came. */
  readonly asked: number;
  readonly answers: number;
  /** Requests that the nodes sent to devices and to the trusted server. */
  readonly delivered: number;
  /** Faults of the nodes, each once, with what was said just before. */
  readonly faults: readonly string[];
}

/** So that sockets are read in between: what waits in their buffers has bounds. */
const PER_TURN = 4;
const PAUSE_EVERY = 400;
const PAUSE_MS = 20;
/** What still waits for something is answered, or given up, and may show a fault. */
const SETTLE_MS = 1500;
const STOP_MS = 20_000;

/**
 * Two nodes of one domain, with clients of each and a trusted server beside one, all of whom say what they say, and answer what they are asked, well-formed or
 * spoiled. A node may refuse all of it; it may not have a fault: a promise that nobody handles, which would end the process, an exception, an error in its log.
 */
export async function fuzzNodes({ seed, count, onProgress }: FuzzOptions): Promise<NodesReport> {
  const random = randomFrom(seed);
  const faults = new Map<string, string>();
  const parties: Party[] = [];
  const fault = (what: string, error: unknown): void => {
    const stack = error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error);
    const key = `${what}: ${stack.split("\n").slice(0, 4).join("\n")}`;
    const said = parties.flatMap(({ recent }) => recent.slice(-2)).map((text) => JSON.stringify(text.slice(0, 1500)));
    if (!faults.has(key)) faults.set(key, [key, ...said].join("\n"));
  };
  const onRejection = (error: unknown): void => fault("a rejection that nobody handles", error);
  const onException = (error: unknown): void => fault("an exception that nobody handles", error);
  const others = ["unhandledRejection", "uncaughtException"].map(
    (event) => [event, process.listeners(event as "exit")] as const,
  );
  for (const [event] of others) process.removeAllListeners(event);
  process.on("unhandledRejection", onRejection).on("uncaughtException", onException);
  const folder = mkdtempSync(join(tmpdir(), "aorta-fuzz-"));
  try {
    const [ofOne, ofTwo, trusted, passers] = [
      await Party.open(["ann", "abe"], random),
      await Party.open(["bob", "bea"], random),
      await Party.open(["tim", "tom"], random),
      await Party.open(["ann", "bob"], random),
    ];
    parties.push(ofOne, ofTwo, trusted, passers);
    const logger = faultLogger(fault);
    const node = (name: string, membership: Record<string, string>): AortaNode => {
      const addresses = { sip: ["127.0.0.1:0"], mesh: ["127.0.0.1:0"], trust: [`127.0.0.1:${trusted.port}`] };
      const flags = { ...addresses, name, data: join(folder, name), auth: "none", ...membership };
      return createAortaNode(loadConfig({ flags, environment: {} }), { logger });
    };
    const one = node("one", { domain: "example.com" });
    await one.start();
    const { token } = await one.view().invite({ ttlMs: 600_000, steward: false });
    const two = node("two", { join: token });
    await two.start();
    const [portOne, portTwo] = [udpPortOf(one), udpPortOf(two)];
    const sides: readonly Side[] = [
      { party: ofOne, port: portOne },
      { party: ofTwo, port: portTwo },
      { party: passers, port: portOne },
      { party: passers, port: portTwo },
    ];
    for (let done = 1; done <= count; done++) {
      const { party, port } = random.pick(sides);
      if (random.below(8) === 0) registerThirdParty(trusted, portOne, random);
      else say(party, port, random);
      if (done % PER_TURN === 0) await setImmediate();
      if (done % PAUSE_EVERY === 0) await setTimeout(PAUSE_MS);
      onProgress?.(done);
    }
    await setTimeout(SETTLE_MS);
    const stopped = new AbortController();
    const tooLong = setTimeout(STOP_MS, undefined, { signal: stopped.signal }).then(
      () => fault("the nodes do not stop", {}),
      () => {},
    );
    await Promise.race([Promise.all([one.stop(), two.stop()]), tooLong]);
    stopped.abort();
    const sum = (of: (party: Party) => number) => parties.reduce((all, party) => all + of(party), 0);
    return {
      asked: count,
      answers: sum(({ answersHeard }) => answersHeard),
      delivered: sum(({ requestsHeard }) => requestsHeard),
      faults: [...faults.values()],
    };
  } finally {
    for (const party of parties) party.close();
    process.off("unhandledRejection", onRejection).off("uncaughtException", onException);
    for (const [event, listeners] of others) for (const listener of listeners) process.on(event, listener);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Clients and the node that they talk to. */
interface Side {
  readonly party: Party;
  readonly port: number;
}

const USERS = ["ann", "abe", "bob", "bea", "tim", "tom", "nobody"];
const PACKAGES = ["dialog", "presence.winfo", "reg", "message-summary"];

/** One of the things that clients say. */
function say(party: Party, port: number, random: Random): void {
  const [from, to] = [random.pick(party.users), random.pick(USERS)];
  const contact = `Contact: <${party.contactOf(from)}>`;
  switch (random.below(13)) {
    case 0:
    case 1:
      return party.askPlainly(port, "REGISTER", [from, from], [contact, "Expires: 3600"]);
    case 2:
      return party.ask(port, "REGISTER", [from, from], [contact, "Expires: 60"]);
    case 3:
    case 4:
      return party.ask(port, "MESSAGE", [from, to], ["Content-Type: text/plain"], "hello");
    case 5:
      if (random.below(3) === 0) return party.replace(port, from, random.pick(USERS));
      return party.ask(port, "INVITE", [from, to], [contact, "Content-Type: application/sdp"], "v=0");
    case 6:
      return party.ask(port, "SUBSCRIBE", [from, to], [contact, "Event: presence", "Expires: 120"]);
    case 7:
      return party.ask(port, "SUBSCRIBE", [from, to], [contact, `Event: ${random.pick(PACKAGES)}`, "Expires: 120"]);
    case 8: {
      const fields = ["Event: presence", "Expires: 600", "Content-Type: application/pidf+xml"];
      return party.ask(port, "PUBLISH", [from, from], fields, pidf(from));
    }
    case 9: {
      const method = random.pick(["OPTIONS", "REFER", "INFO", "FOO"]);
      return party.ask(port, method, [from, to], [contact, "Refer-To: <sip:x@example.com>"]);
    }
    default:
      return party.goOn();
  }
}

function registerThirdParty(server: Party, port: number, random: Random): void {
  const user = random.pick(server.users);
  // Who comes anew is subscribed to anew.
  const fields = [`Contact: <${server.contactOf(user)}>`, `Expires: ${random.pick(["600", "600", "0"])}`];
  if (random.below(2) === 0) server.askPlainly(port, "REGISTER", [user, user], fields);
  else server.ask(port, "REGISTER", [user, user], fields);
}

function udpPortOf(node: AortaNode): number {
  const [address = ""] = node.view().status().sip;
  return Number(/:(\d+)/.exec(address)?.[1]);
}

/** What a node calls an error is one here. */
function faultLogger(fault: (what: string, error: unknown) => void): Logger {
  const logger: Logger = {
    debug() {},
    info() {},
    warn() {},
    error: (fields, text) => fault(`an error in the log, ${text}`, "err" in fields ? fields.err : fields),
    child: () => logger,
  };
  return logger;
}
