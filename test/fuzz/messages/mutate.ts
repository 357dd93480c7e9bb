import type { Random } from "../random.ts";

/** What breaks parsers: separators, quotes, escapes, ends of lines and of numbers, in and out of place. */
const TOKENS = [
  ...['"', "<", ">", ",", ";", ":", "=", "@", "?", "&", "%", "%00", "%zz", "\\", '\\"', "*", "/", " ", "\t", "\0"],
  ...["\x7f", "\xff", "\xc3\xa9", "\r", "\n", "\r\n", "\r\n ", "\r\n\r\n", "-1", "0", "00000000000000000007"],
  ...["4294967296", "18446744073709551616", "1e9", "NaN", "SIP/2.0", "SIP/3.0", "sip:", "sips:a@[::1]:5060;lr?h=v"],
  ...["tel:+1", "[", "]", "[::]", ";tag=", ";rport", ";;", "__proto__", "constructor"],
];

/** Whole fields, good and bad. */
const FIELDS = [
  ...["Via: SIP/2.0/UDP a;branch=z9hG4bK1", "v: SIP / 2.0 / TCP [::1] : 5060 ;ttl=1", "Content-Length: 0", "l: 5"],
  ...[
    "Contact: *",
    "m: <sip:a@b>, *",
    'm: "a,b" <sip:a@b?x=y>;q=0.7',
    "Route: <sip:a;lr>,<sip:b>",
    "From: sip:a@b;tag=1",
  ],
  ...[
    "Max-Forwards: 0",
    "Expires: 99999999999",
    "Event: a.b.c;id=1",
    "Path: <sip:p;lr>",
    "Require: x,,y",
    "CSeq: 1  A",
  ],
  ...[
    'Authorization: Digest username="a", realm="b", nonce="c", uri="d", response="e"',
    "P-Asserted-Identity: <tel:+1>",
  ],
];

const NUMBERS = ["0", "-1", "65536", "2147483648", "9".repeat(40), "0x10", ""];

const LONGEST = 70_000;

type Change = (octets: Buffer, random: Random, corpus: readonly Buffer[]) => Buffer;

function replace(octets: Buffer, from: number, to: number, by: string): Buffer {
  return Buffer.concat([octets.subarray(0, from), Buffer.from(by, "latin1"), octets.subarray(to)]);
}

function somewhere(octets: Buffer, random: Random): number {
  return random.below(octets.length + 1);
}

/** Changes the lines of the head; the body stays. */
function lines(change: (head: string[], random: Random) => void): Change {
  return (octets, random) => {
    const end = octets.indexOf("\r\n\r\n");
    const head = octets
      .subarray(0, end < 0 ? octets.length : end)
      .toString("latin1")
      .split("\r\n");
    change(head, random);
    return Buffer.concat([Buffer.from(head.join("\r\n"), "latin1"), end < 0 ? Buffer.alloc(0) : octets.subarray(end)]);
  };
}

/** One of the places that a pattern finds gets another text. */
function place(pattern: RegExp, text: (found: string, random: Random) => string): Change {
  return (octets, random) => {
    const all = octets.toString("latin1");
    const found = [...all.matchAll(pattern)];
    if (found.length === 0) return octets;
    const { 0: match, index } = random.pick(found);
    return replace(octets, index, index + match.length, text(match, random));
  };
}

const insertToken: Change = (octets, random) => {
  const at = somewhere(octets, random);
  return replace(octets, at, at, random.pick(TOKENS));
};

/** By weight: the first is tried most. */
const CHANGES: readonly Change[] = [
  insertToken,
  insertToken,
  insertToken,
  (octets, random) => {
    const at = somewhere(octets, random);
    return replace(octets, at, at, random.pick(TOKENS).repeat(2 + random.below(random.below(20) === 0 ? 3000 : 20)));
  },
  (octets, random) => {
    const at = somewhere(octets, random);
    return replace(octets, at, at + 1 + random.below(60), "");
  },
  (octets, random) => {
    const at = somewhere(octets, random);
    return replace(octets, at, at + 1, String.fromCharCode(random.below(256)));
  },
  (octets, random) => (random.below(4) === 0 ? octets.subarray(0, somewhere(octets, random)) : octets),
  (octets, random, corpus) => {
    const other = random.pick(corpus);
    return Buffer.concat([octets.subarray(0, somewhere(octets, random)), other.subarray(somewhere(other, random))]);
  },
  place(/\d+/g, (_, random) => random.pick(NUMBERS)),
  // Parameters: one goes, comes twice, or loses its value.
  place(/;[^;,\r\n>]*/g, () => ""),
  place(/;[^;,\r\n>]*/g, (found, random) => found.repeat(2 + random.below(3))),
  place(/=[^;,\r\n>]*/g, (_, random) => random.pick(["", "=", '=""', '="', "=a b", "=<a>"])),
  // A quoted string, a URI and a value become others.
  place(/"[^"\r\n]*"/g, (found, random) =>
    random.pick([found.slice(0, -1), found.slice(1), `${found}${found}`, '"\\"', '""']),
  ),
  place(/sips?:[^>;,\s]*/g, (found, random) =>
    random.pick(["", found.slice(4), `${found}@`, `<${found}>`, "sip:%", "tel:1"]),
  ),
  place(/: /g, (_, random) => random.pick([":", " :", "\t:\t", ":\r\n ", ": \r\n\t", " : ", "", "::"])),
  // Names of fields: another case, the compact form, another name.
  place(/^[A-Za-z-]+(?=:)/gm, (found, random) =>
    random.pick([found.toUpperCase(), found.slice(0, 1), `${found} `, "From", "v", "l"]),
  ),
  place(/ /g, () => "\r\n "),
  lines((head, random) => void head.splice(random.below(head.length + 1), 0, random.pick(FIELDS))),
  lines((head, random) => void head.splice(random.below(head.length + 1), 0, random.pick(head))),
  lines((head, random) => void head.splice(random.below(head.length), 1)),
  lines((head, random) => {
    const [line = ""] = head.splice(random.below(head.length), 1);
    head.splice(random.below(head.length + 1), 0, line);
  }),
  lines((head, random) => {
    const many = random.pick(head);
    for (let i = random.below(random.below(20) === 0 ? 300 : 4); i > 0; i--) head.push(many);
  }),
];

/** A message made of one of the corpus by up to eight changes that know what SIP messages are made of. */
export function mutated(corpus: readonly Buffer[], random: Random): Buffer {
  let octets = random.pick(corpus);
  for (let i = random.below(9); i > 0; i--) octets = random.pick(CHANGES)(octets, random, corpus).subarray(0, LONGEST);
  return octets;
}
