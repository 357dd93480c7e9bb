import fc from "fast-check";

/** What breaks parsers: separators, quotes, escapes, ends of lines and of numbers, in and out of place. */
const TOKENS = [
  '"',
  "<",
  ">",
  ",",
  ";",
  ":",
  "=",
  "@",
  "?",
  "&",
  "%",
  "%00",
  "%zz",
  "\\",
  '\\"',
  "*",
  "/",
  " ",
  "\t",
  "\0",
  "\x7f",
  "\xff",
  "é",
  "\r",
  "\n",
  "\r\n",
  "\r\n ",
  "\r\n\r\n",
  "-1",
  "0",
  "00000000000000000007",
  "4294967296",
  "18446744073709551616",
  "1e9",
  "NaN",
  "SIP/2.0",
  "SIP/3.0",
  "Via: SIP/2.0/UDP a;branch=z9hG4bK1",
  "Content-Length: 0",
  "l: 5",
  "Contact: *",
  "m: <sip:a@b>, *",
  "sip:",
  "sips:a@[::1]:5060;lr?h=v",
  "tel:+1",
  "[",
  "]",
  "[::]",
  ";tag=",
  ";rport",
  ";;",
  "__proto__",
  "constructor",
];

/** One change to a message; positions are fractions, so that a change fits a message of any length. */
type Mutation = (octets: Buffer) => Buffer;

const fraction = fc.double({ min: 0, max: 1, noNaN: true });

function at(octets: Buffer, where: number): number {
  return Math.floor(where * octets.length);
}

const insertion = fc.tuple(fraction, fc.constantFrom(...TOKENS)).map(([where, token]): Mutation => (octets) => {
  const i = at(octets, where);
  return Buffer.concat([octets.subarray(0, i), Buffer.from(token, "latin1"), octets.subarray(i)]);
});

const repetition = fc
  .tuple(fraction, fc.constantFrom(...TOKENS), fc.integer({ min: 2, max: 3000 }))
  .map(([where, token, times]): Mutation => (octets) => {
    const i = at(octets, where);
    return Buffer.concat([octets.subarray(0, i), Buffer.from(token.repeat(times), "latin1"), octets.subarray(i)]);
  });

const deletion = fc.tuple(fraction, fc.integer({ min: 1, max: 60 })).map(([where, length]): Mutation => (octets) => {
  const i = at(octets, where);
  return Buffer.concat([octets.subarray(0, i), octets.subarray(i + length)]);
});

const flip = fc.tuple(fraction, fc.integer({ min: 0, max: 255 })).map(([where, octet]): Mutation => (octets) => {
  const changed = Buffer.from(octets);
  if (changed.length > 0) changed[Math.min(at(changed, where), changed.length - 1)] = octet;
  return changed;
});

const truncation = fraction.map(
  (where): Mutation =>
    (octets) =>
      octets.subarray(0, at(octets, where)),
);

/** A line of the head is moved, doubled or dropped. */
const lines = fc
  .tuple(fraction, fraction, fc.constantFrom("move", "double", "drop"))
  .map(([from, to, how]): Mutation => (octets) => {
    const all = octets.toString("latin1").split("\r\n");
    const [line = ""] = all.splice(Math.floor(from * all.length), how === "double" ? 0 : 1);
    if (how === "move") all.splice(Math.floor(to * all.length), 0, line);
    if (how === "double") all.splice(Math.floor(to * all.length), 0, all[Math.floor(from * all.length)] ?? "");
    return Buffer.from(all.join("\r\n"), "latin1");
  });

/** A number becomes another. */
const number = fc
  .tuple(fraction, fc.constantFrom("0", "-1", "65536", "2147483648", "9".repeat(40), "0x10", ""))
  .map(([where, value]): Mutation => (octets) => {
    const text = octets.toString("latin1");
    const numbers = [...text.matchAll(/\d+/g)];
    const chosen = numbers[Math.floor(where * numbers.length)];
    if (chosen === undefined) return octets;
    return Buffer.from(text.slice(0, chosen.index) + value + text.slice(chosen.index + chosen[0].length), "latin1");
  });

/** Messages made of well-formed ones by up to eight changes, the half of one joined to the half of another among them. */
export function mutated(corpus: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const splice = fc.tuple(fc.constantFrom(...corpus), fraction, fraction).map(
    ([other, a, b]): Mutation =>
      (octets) =>
        Buffer.concat([octets.subarray(0, at(octets, a)), other.subarray(at(other, b))]),
  );
  const mutation = fc.oneof(
    { weight: 6, arbitrary: insertion },
    { weight: 1, arbitrary: repetition },
    { weight: 2, arbitrary: deletion },
    { weight: 2, arbitrary: flip },
    { weight: 1, arbitrary: truncation },
    { weight: 2, arbitrary: lines },
    { weight: 2, arbitrary: number },
    { weight: 1, arbitrary: splice },
  );
  return fc
    .tuple(fc.constantFrom(...corpus), fc.array(mutation, { maxLength: 8 }))
    .map(([message, changes]) => changes.reduce((octets, change) => change(octets), message).subarray(0, 70_000));
}

/** How many cases to run: a few in the usual tests, `AORTA_FUZZ_RUNS` for a long session. */
export function runs(usual: number): { numRuns: number } {
  const given = Number(process.env["AORTA_FUZZ_RUNS"]);
  return { numRuns: Number.isSafeInteger(given) && given > 0 ? given : usual };
}
