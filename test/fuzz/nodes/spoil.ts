import { mutated } from "../messages/mutate.ts";
import type { Random } from "../random.ts";

/** What a field may say that whoever needs it, perhaps long after it came, cannot read. */
const HOSTILE = [
  ...[
    "",
    "-1",
    "0",
    "1",
    "x",
    "*",
    "NaN",
    "1e9",
    "4294967296",
    "9".repeat(40),
    "1.5",
    "1 (busy",
    ";",
    ";;",
    "a;b=",
    "=",
    "<",
    "<>",
    '"',
  ],
  ...[
    "sip:",
    "sip:@",
    "<sip:%@x>",
    "tel:1",
    "<tel:+1>;tag=x",
    "sip:a@[",
    "<sip:a@b>;expires=-1",
    "<sip:a@b>;q=2",
    "Sat, 99 Nov",
    "x/",
  ],
  ...[
    "active",
    "active;expires=x",
    "terminated;reason=;retry-after=-1",
    "nothing;expires=5",
    "presence;id=",
    "a.b.c",
    "Digest",
    "Digest x",
  ],
  ...[
    'Digest realm="',
    "SIP;cause=x",
    ",",
    ",,",
    "a,,b",
    "<sip:a@b>,",
    "\\",
    "%00",
    "\xff",
    "__proto__",
    "0.0.0",
    "1.2.3;held",
  ],
];

/** A message as somebody sends it who means harm, or has a fault. */
export function spoiled(octets: Buffer, corpus: readonly Buffer[], random: Random): Buffer {
  return random.below(3) === 0
    ? mutated([octets, octets, octets, random.pick(corpus)], random)
    : withHostileField(octets, random);
}

/** One field, seldom its top Via, says something hostile; the message is well-formed otherwise, and gets far. */
function withHostileField(octets: Buffer, random: Random): Buffer {
  const text = octets.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const [start = "", ...fields] = text.slice(0, end).split("\r\n");
  const at = 1 + random.below(Math.max(fields.length - 1, 1));
  const field = fields[at] ?? "";
  const colon = field.indexOf(":");
  const hostile = random.pick(HOSTILE);
  fields[at] = random.below(4) === 0 ? `${field}${hostile}` : `${field.slice(0, colon + 1)} ${hostile}`;
  return Buffer.from([start, ...fields].join("\r\n") + text.slice(end), "latin1");
}
