import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Phone } from "../../cli/phone.ts";
import { findProgram } from "../../interop/programs.ts";
import { cpuMs } from "./cpu.ts";
import { Sipp } from "./sipp.ts";
import type { SipSystem } from "./systems.ts";
import { AortaSystem, KamailioSystem } from "./systems.ts";

const USAGE = `Usage: npm run bench:sip -- [--rounds N] [--calls N]

Measures SIP servers under the same load of SIPp, one after the other, --rounds times (default 3), --calls calls each (default 10000).
Debian: kamailio, sip-tester.
`;

/** What is measured of a system; `to` is the server that is asked, `at` the one where the recipient is. */
const OPERATIONS = [
  { name: "REGISTER", scenario: "register", to: 0, at: undefined },
  { name: "MESSAGE", scenario: "message", to: 0, at: 0 },
  { name: "MESSAGE across servers", scenario: "message", to: 1, at: 0 },
] as const;

interface Figures {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    calls: { type: "string", default: "10000" },
    help: { type: "boolean" },
  },
});
const [rounds, calls] = [Number(values.rounds), Number(values.calls)];
if (values.help === true || ![rounds, calls].every((count) => Number.isInteger(count) && count > 0)) {
  process.stdout.write(USAGE);
  process.exit(values.help === true ? 0 : 2);
}
const sippProgram = findProgram("sipp");
if (sippProgram === undefined) {
  process.stderr.write("SIPp is not installed (Debian: sip-tester): nothing can be measured\n");
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), "aorta-bench-sip-"));
const sipp = new Sipp(sippProgram, folder);
const kamailio = findProgram("kamailio");
const systems: SipSystem[] = [
  ...(kamailio === undefined ? [] : [new KamailioSystem(kamailio, folder, 1), new KamailioSystem(kamailio, folder, 2)]),
  new AortaSystem(1),
  new AortaSystem(3),
];
const samples = new Map<string, Figures[]>();

try {
  for (const system of systems) await system.start();
  for (const system of systems) for (const port of system.ports) await answersOptions(port);
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const operation of OPERATIONS) {
      for (const system of systems) {
        if (operation.to >= system.ports.length) continue;
        // Kamailio's servers share registrations, but each reaches clients by itself.
        process.stderr.write(`round ${round}: ${system.name} ${operation.name}\n`);
        const figures = await measure(system, operation, round === 0 ? calls / 4 : calls);
        if (round > 0) samples.set(key(system, operation), [...(samples.get(key(system, operation)) ?? []), figures]);
      }
    }
  }
  report();
} finally {
  for (const system of systems) await system.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measure(system: SipSystem, operation: (typeof OPERATIONS)[number], count: number): Promise<Figures> {
  const device = operation.at === undefined ? undefined : await openDevice(system.ports[operation.at] as number);
  try {
    const beforeMs = cpuMs(system.pids);
    const { scenario } = operation;
    const tookMs = await sipp.run({ scenario, calls: count, atOnce: 64, port: system.ports[operation.to] as number });
    return { perSecond: (count * 1000) / tookMs, cpuMicros: ((cpuMs(system.pids) - beforeMs) * 1000) / count };
  } finally {
    device?.kill("SIGKILL");
  }
}

/** Registers bob by a port, and has SIPp answer there. */
async function openDevice(server: number) {
  const phone = await Phone.open("bob");
  const { port } = phone;
  const status = await phone.register(server);
  if (status !== 200) throw new Error(`bob could not register: ${status}`);
  phone.close();
  return sipp.answer(port);
}

async function answersOptions(port: number): Promise<void> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const own = socket.address().port;
  const lines = [
    `OPTIONS sip:127.0.0.1:${port} SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:${own};branch=z9hG4bKup;rport`,
    "Max-Forwards: 70",
    "From: <sip:bench@example.com>;tag=1",
    "To: <sip:example.com>",
    `Call-ID: up${own}`,
    "CSeq: 1 OPTIONS",
    "Content-Length: 0",
  ];
  const again = setInterval(() => socket.send(`${lines.join("\r\n")}\r\n\r\n`, port, "127.0.0.1"), 100);
  await once(socket, "message");
  clearInterval(again);
  socket.close();
}

function report(): void {
  const lines = ["| | calls/s | CPU µs a call, all servers | CPU by Kamailio's |", "|---|---|---|---|"];
  for (const operation of OPERATIONS) {
    const base = samples.get(operation.at === undefined ? "Kamailio REGISTER" : "Kamailio MESSAGE");
    for (const system of systems) {
      const all = samples.get(key(system, operation));
      if (all === undefined) continue;
      const [perSecond, cpu] = [median(all.map((each) => each.perSecond)), median(all.map((each) => each.cpuMicros))];
      const ratio = base === undefined ? "–" : `${(cpu / median(base.map((each) => each.cpuMicros))).toFixed(1)} ×`;
      lines.push(
        `| ${operation.name}, ${system.name} | ${Math.round(perSecond).toLocaleString("en")} | ${Math.round(cpu)} | ${ratio} |`,
      );
    }
  }
  process.stdout.write(
    `${lines.join("\n")}\n\nMedians of ${rounds} rounds of ${calls} calls, 64 under way, ${cpus().length} cores shared with SIPp.\n`,
  );
  if (kamailio === undefined) process.stdout.write("Not installed, so not compared: Kamailio.\n");
}

function key(system: SipSystem, operation: { readonly name: string }): string {
  return `${system.name} ${operation.name}`;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;
}
