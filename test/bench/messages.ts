import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { readRegister } from "../../node/registrar/read-register.ts";
import type { SipRequest } from "../../node/sip/message/message.ts";
import { parseMessage } from "../../node/sip/message/parse-message.ts";
import { serializeMessage } from "../../node/sip/message/serialize-message.ts";
import { validateRequest } from "../../node/sip/message/validate-request.ts";

// Reading and writing SIP messages, by CPU time, beside JSON.parse of as many octets in the same run: machines differ, ratios less.

const REGISTER = [
  "REGISTER sip:example.com SIP/2.0",
  "Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bKnashds8;rport",
  'From: "Joe" <sip:joe@example.com>;tag=49583',
  "To: <sip:joe@example.com>",
  "Call-ID: asd88asd77a@1.2.3.4",
  "CSeq: 1 REGISTER",
  "Max-Forwards: 70",
  'Contact: <sip:joe@127.0.0.1:5062;transport=tcp>;expires=60;+sip.instance="<urn:uuid:0C67446E-F1A1-11D9-94D3-000A95A0E128>"',
  "User-Agent: phone/1.0",
  "Supported: path, outbound",
  "Expires: 600",
  "Content-Length: 0",
  "",
  "",
].join("\r\n");
const MESSAGE = [
  "MESSAGE sip:alice@example.com SIP/2.0",
  "Via: SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bKnashds8;rport",
  "From: <sip:joe@example.com>;tag=49583",
  "To: <sip:alice@example.com>",
  "Call-ID: asd88asd77a@1.2.3.4",
  "CSeq: 1 MESSAGE",
  "Max-Forwards: 70",
  "Content-Type: text/plain",
  "Content-Length: 5",
  "",
  "hello",
].join("\r\n");

const ROUNDS = 9;
const RUNS = 50_000;

/** CPU µs of one call, the best of several rounds. */
function cpuMicros(act: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < RUNS; i++) act();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / RUNS);
  }
  return best;
}

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

/** What a node keeps of a REGISTER, on the average of many. */
function bytesKept(): number {
  const flow = { transport: "UDP", address: "127.0.0.1", port: 5062 } as const;
  const rules = { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 };
  const kept: unknown[] = [];
  const before = heapBytes();
  for (let i = 0; i < 20_000; i++) {
    const octets = Buffer.from(REGISTER.replaceAll("joe", `joe${i}`).replace("asd88", `call-${i}`));
    kept.push(readRegister(parseMessage(octets) as SipRequest, flow, rules));
  }
  return (heapBytes() - before) / kept.length;
}

const lines: string[] = [];
for (const [name, text] of [
  ["REGISTER", REGISTER],
  ["MESSAGE", MESSAGE],
] as const) {
  const octets = Buffer.from(text);
  const json = JSON.stringify(Object.fromEntries(text.split("\r\n").map((line, i) => [`${i}`, line])));
  const parsed = parseMessage(octets);
  const yardstick = cpuMicros(() => JSON.parse(json) as unknown);
  const line = (what: string, micros: number) =>
    lines.push(
      `${name.padEnd(9)} ${what.padEnd(18)} ${micros.toFixed(2).padStart(6)} µs ${Math.round(1000 / micros)
        .toString()
        .padStart(5)}k/s ${(micros / yardstick).toFixed(1).padStart(5)} × JSON.parse`,
    );
  line(
    "parse",
    cpuMicros(() => parseMessage(octets)),
  );
  line(
    "parse, validate",
    cpuMicros(() => validateRequest(parseMessage(octets) as SipRequest)),
  );
  line(
    "serialize",
    cpuMicros(() => serializeMessage(parsed)),
  );
}
const bad = Buffer.from(MESSAGE.replace("CSeq: 1", "CSeq: x"));
const refuse = cpuMicros(() => {
  try {
    return validateRequest(parseMessage(bad) as SipRequest);
  } catch (error) {
    return error;
  }
});
lines.push(`MESSAGE   malformed          ${refuse.toFixed(2).padStart(6)} µs to refuse`);
lines.push(`kept of a REGISTER: ${Math.round(bytesKept())} B of heap`);
process.stdout.write(`${lines.join("\n")}\n`);
