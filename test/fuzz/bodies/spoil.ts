import type { Random } from "../random.ts";

const BILLION_LAUGHS = `<!DOCTYPE a [<!ENTITY l0 "lol">${Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join("")}]>`;

/** What may stand before the root. */
const PROLOGS = [
  ...[
    "<!DOCTYPE presence>",
    '<!DOCTYPE a [<!ENTITY e "x">]>',
    '<!DOCTYPE a SYSTEM "file:///etc/passwd">',
    BILLION_LAUGHS,
  ],
  ...[
    '<!DOCTYPE a [<!ENTITY e SYSTEM "http://127.0.0.1/x">]>',
    '<!DOCTYPE a [<!ATTLIST tuple id ID "t2">',
    "<!doctype a>",
  ],
  ...['<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.1"?>', "<?xml?>", " "],
  ...['<?xml version="1.0" encoding="UTF-16"?>', '<?xml version="1.0" encoding="ISO-8859-1"?>', "<!-- c -->", "<?pi?>"],
  ...['\r\n<?xml version="1.0"?>', '<?xml version="1.0" standalone="yes"?>', "\ufeff", "\ufeff\ufeff", "text", "<a/>"],
];

const TOKENS = [
  "<",
  ">",
  "&",
  ";",
  "/",
  '"',
  "'",
  "=",
  " ",
  "\n",
  "\0",
  ":",
  "]]>",
  "<!--",
  "-->",
  "<![CDATA[",
  "&#x0;",
  "xmlns",
];

/** Octets that are no UTF-8: overlong, surrogates, beyond Unicode, cut off. */
const BROKEN = ["\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff", "\x80", "\xef\xbf\xbe"];

function replaced(octets: Buffer, from: number, to: number, by: string): Buffer {
  return Buffer.concat([octets.subarray(0, from), Buffer.from(by, "latin1"), octets.subarray(to)]);
}

/** Octets of a text, changed where they know nothing of its structure: what stands before it, its encoding, single octets. */
export function spoiled(text: string, random: Random): Buffer {
  const written = Buffer.from(random.below(2) === 0 ? random.pick(PROLOGS) + text : text);
  const at = random.below(written.length + 1);
  switch (random.below(8)) {
    case 0:
      return Buffer.from(`\ufeff${text}`, "utf16le");
    case 1:
      return Buffer.from(text, "latin1");
    case 2:
      return replaced(written, at, at, random.pick(BROKEN));
    case 3:
      return written.subarray(0, at);
    case 4:
      return replaced(written, at, at + 1 + random.below(20), "");
    case 5:
      return replaced(written, at, at, random.pick(TOKENS).repeat(1 + random.below(3)));
    case 6:
      return replaced(written, at, at + 1, String.fromCharCode(random.below(256)));
    default:
      return written;
  }
}
