import { freeUdpPort } from "../../interop/programs.ts";
import { Audience } from "./audience.ts";
import { cpuMs } from "./cpu.ts";
import { Presentity } from "./presentity.ts";
import type { Load, Outcome, Sipp } from "./sipp.ts";
import type { SipSystem } from "./systems.ts";
import { UserAgent } from "./user-agent.ts";

/** What one operation of one system showed in one round. */
export interface SipFigures {
  readonly succeeded: number;
  /** Of those. Absent where nothing could be measured. */
  readonly perSecond?: number;
  /** CPU of all processes of the system, for one that succeeded, µs. */
  readonly cpuMicros?: number;
  /** Those that did not, by cause: the status they got, or what was missing. */
  readonly failures: Readonly<Record<string, number>>;
  /** NOTIFYs between servers for one change of a user's presence. */
  readonly crossingsPerChange?: number;
}

/** How much load a run puts on. */
export interface SipPlan {
  /** Calls of one operation. */
  readonly calls: number;
  /** Of one user. */
  readonly watchers: number;
  /** Users that all of them watch, where subscriptions are measured. */
  readonly watched: number;
  /** Of one user's presence. At most ten: beyond, Aorta tells a watcher of no more than one in 5 s, and Kamailio of each. */
  readonly changes: number;
}

/** Something that is measured of SIP servers. */
export interface SipOperation {
  /** As on the command line. */
  readonly name: string;
  /** As in the report. */
  readonly title: string;
  /** The system and operation whose CPU it is compared with. */
  readonly base: { readonly system: string; readonly operation: string };
  /** The system whose CPU for the same is what there is no going below, where it was measured. */
  readonly raw?: string;
  /** Its load is SIPp's. */
  readonly isBySipp: boolean;
  applies(system: SipSystem): boolean;
  run(system: SipSystem, plan: SipPlan): Promise<SipFigures>;
}

const AT_ONCE = 64;

/** All operations, their load made by SIPp or, where many dialogs have to be answered, here. */
export function sipOperations(sipp: Sipp): readonly SipOperation[] {
  /** @param at the server that is asked */
  const calls = async (system: SipSystem, at: number, load: Pick<Load, "scenario" | "calls">) =>
    measured(system, load.calls, () => sipp.run({ ...load, atOnce: AT_ONCE, port: system.ports[at]! }));
  /** @param to the server that is asked; the recipient is on the first */
  const messages = async (system: SipSystem, to: number, count: number) => {
    const device = await Device.open(sipp, system.ports[0]!);
    try {
      return await calls(system, to, { scenario: "message", calls: count });
    } finally {
      await device.close();
    }
  };
  const besideKamailio = (operation: string) => ({ system: "kamailio", operation });
  return [
    {
      name: "register",
      isBySipp: true,
      title: "REGISTER",
      base: besideKamailio("register"),
      raw: "relay-1",
      applies: () => true,
      run: (system, plan) => calls(system, 0, { scenario: "register", calls: plan.calls }),
    },
    {
      name: "message",
      isBySipp: true,
      title: "MESSAGE",
      base: besideKamailio("message"),
      raw: "relay-1",
      applies: () => true,
      run: (system, plan) => messages(system, 0, plan.calls),
    },
    {
      name: "message-across",
      isBySipp: true,
      title: "MESSAGE across servers",
      base: besideKamailio("message"),
      raw: "relay-2",
      applies: (system) => system.ports.length > 1,
      run: (system, plan) => messages(system, 1, plan.calls),
    },
    {
      name: "message-rate",
      isBySipp: false,
      title: "MESSAGE, by a lighter load",
      base: besideKamailio("message-rate"),
      raw: "relay-1",
      applies: () => true,
      run: messageRate,
    },
    {
      name: "publish",
      isBySipp: true,
      title: "PUBLISH",
      base: besideKamailio("publish"),
      applies: (system) => system.hasPresence,
      run: (system, plan) => calls(system, 0, { scenario: "publish", calls: Math.ceil(plan.calls / 4) }),
    },
    {
      name: "subscribe",
      isBySipp: false,
      title: "SUBSCRIBE + NOTIFY",
      base: besideKamailio("subscribe"),
      applies: (system) => system.hasPresence,
      run: subscriptions,
    },
    {
      name: "notify",
      isBySipp: false,
      title: "NOTIFY to all watchers",
      base: besideKamailio("notify"),
      applies: (system) => system.hasPresence,
      run: changes,
    },
  ];
}

/** Bob's device, answered for by SIPp. */
class Device {
  readonly #agent: UserAgent;
  readonly #server: number;
  readonly #contact: string;
  readonly #kill: () => void;

  private constructor(agent: UserAgent, server: number, contact: string, kill: () => void) {
    this.#agent = agent;
    this.#server = server;
    this.#contact = contact;
    this.#kill = kill;
  }

  static async open(sipp: Sipp, server: number): Promise<Device> {
    const agent = await UserAgent.open("bob");
    const port = await freeUdpPort();
    const child = sipp.answer(port);
    const device = new Device(agent, server, `sip:bob@127.0.0.1:${port}`, () => child.kill("SIGKILL"));
    try {
      await device.#register(600);
      return device;
    } catch (error) {
      await device.close();
      throw error;
    }
  }

  /** Unregistered, so that later messages are not sent here in vain. A server that does not answer has been reported by then. */
  async close(): Promise<void> {
    await this.#register(0).catch(() => {});
    this.#kill();
    this.#agent.close();
  }

  async #register(expiresSeconds: number): Promise<void> {
    const { status } = await this.#agent.ask({
      method: "REGISTER",
      port: this.#server,
      uri: "sip:example.com",
      headers: [`Contact: <${this.#contact}>`, `Expires: ${expiresSeconds}`],
    });
    if (status !== 200) throw new Error(`bob's REGISTER was answered ${status}`);
  }
}

/**
 * As many as a server can: beside SIPp, which takes more CPU for a message than a server does, on two cores it is SIPp's rate.
 * Sender and recipient are one process here.
 */
async function messageRate(system: SipSystem, { calls: count }: SipPlan): Promise<SipFigures> {
  const server = system.ports[0]!;
  const [bob, joe] = [await UserAgent.open("bob"), await UserAgent.open("joe")];
  const register = async (expiresSeconds: number): Promise<void> => {
    const headers = [`Contact: <${bob.contact}>`, `Expires: ${expiresSeconds}`];
    const { status } = await bob.ask({ method: "REGISTER", port: server, uri: "sip:example.com", headers });
    if (status !== 200) throw new Error(`bob's REGISTER was answered ${status}`);
  };
  const to = { port: server, uri: bob.aor, to: `<${bob.aor}>`, headers: ["Content-Type: text/plain"] };
  const send = () => joe.ask({ method: "MESSAGE", callId: joe.freshCallId(), ...to, body: "Are you there?" });
  try {
    await register(600);
    return await measured(system, count, async () => {
      const startMs = performance.now();
      const failures = new Map<string, number>();
      let left = count;
      const sendOn = async (): Promise<void> => {
        while (left-- > 0) {
          const cause = await send().then(
            ({ status }) => (status === 200 ? undefined : String(status)),
            () => "no answer",
          );
          if (cause !== undefined) failures.set(cause, (failures.get(cause) ?? 0) + 1);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, sendOn));
      return { tookMs: performance.now() - startMs, failures };
    });
  } finally {
    await register(0).catch(() => {});
    bob.close();
    joe.close();
  }
}

let users = 0;

/** Watchers on all servers but the user's, where there are others. */
function watchersPorts({ ports }: SipSystem): readonly number[] {
  return ports.length === 1 ? ports : ports.slice(1);
}

async function subscriptions(system: SipSystem, { watchers, watched }: SipPlan): Promise<SipFigures> {
  const audience = await Audience.open(watchers);
  const presentities: Presentity[] = [];
  try {
    for (let i = 0; i < watched; i++) {
      const presentity = await Presentity.open(`watched${users++}`, system.ports[0]!);
      await presentity.publish("here");
      presentities.push(presentity);
    }
    return await measured(system, watchers * watched, async () => {
      const startMs = performance.now();
      const failures = new Map<string, number>();
      for (const { aor } of presentities) {
        for (const [cause, count] of await audience.subscribe(aor, watchersPorts(system), "here"))
          failures.set(cause, (failures.get(cause) ?? 0) + count);
      }
      return { tookMs: performance.now() - startMs, failures };
    });
  } finally {
    await audience.close();
    for (const presentity of presentities) await presentity.close();
  }
}

async function changes(system: SipSystem, { watchers, changes: count }: SipPlan): Promise<SipFigures> {
  const audience = await Audience.open(watchers);
  const presentity = await Presentity.open(`watched${users++}`, system.ports[0]!);
  try {
    await presentity.publish("word 0.");
    const missing = await audience.subscribe(presentity.aor, watchersPorts(system), "word 0.");
    if (missing.size > 0) throw new Error(`not all could subscribe: ${JSON.stringify(Object.fromEntries(missing))}`);
    const crossedBefore = await system.changesCrossed?.();
    const figures = await measured(system, watchers * count, async () => {
      const startMs = performance.now();
      let untold = 0;
      for (let i = 1; i <= count; i++) {
        const told = audience.awaitTold(`word ${i}.`);
        await presentity.publish(`word ${i}.`);
        untold += await told;
      }
      return {
        tookMs: performance.now() - startMs,
        failures: untold === 0 ? new Map() : new Map([["not told", untold]]),
      };
    });
    const crossed = await system.changesCrossed?.();
    if (crossed === undefined || crossedBefore === undefined || system.ports.length === 1) return figures;
    return { ...figures, crossingsPerChange: (crossed - crossedBefore) / count };
  } finally {
    await audience.close();
    await presentity.close();
  }
}

async function measured(system: SipSystem, count: number, run: () => Promise<Outcome>): Promise<SipFigures> {
  const beforeMs = cpuMs(system.pids);
  const { tookMs, failures } = await run();
  const spentMs = cpuMs(system.pids) - beforeMs;
  const succeeded = count - [...failures.values()].reduce((sum, each) => sum + each, 0);
  const shown = { succeeded, failures: Object.fromEntries(failures) };
  if (succeeded === 0) return shown;
  return { ...shown, perSecond: (succeeded * 1000) / tookMs, cpuMicros: (spentMs * 1000) / succeeded };
}
