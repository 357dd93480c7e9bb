import type { Random } from "../random.ts";
import { PUBLISHER } from "./corpus.ts";
import type { MutableElement } from "./mutable-xml.ts";
import { copyOf, elementsIn, isElement, RAW, textOf } from "./mutable-xml.ts";
import { spoiled } from "./spoil.ts";

const PREFIXES = ["", "p:", "dm:", "rpid:", "x:", "y:", "xml:", "xmlns:", "__proto__:", ":"];
const LOCALS = [
  ...["presence", "tuple", "status", "basic", "contact", "note", "person", "device", "timestamp", "watcher", "list"],
  ...[
    "entry",
    "resource-lists",
    "watcherinfo",
    "constructor",
    "__proto__",
    "é",
    "xml",
    "a.b-c",
    "1",
    "-a",
    ".",
    "\u0301",
    "",
  ],
];
const NAMESPACES = [
  ...["urn:ietf:params:xml:ns:pidf", "urn:ietf:params:xml:ns:pidf:data-model", "urn:ietf:params:xml:ns:pidf:rpid"],
  ...["urn:ietf:params:xml:ns:watcherinfo", "urn:ietf:params:xml:ns:resource-lists", "urn:example:other", ""],
  ...["http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/", " urn:ietf:params:xml:ns:pidf\n", "é ü"],
];
const ATTRIBUTES = ["id", "entity", "uri", "status", "event", "version", "state", "xml:lang", "xml:space", "a", "x:a"];
const IDS = ["t2", "t", "a8098a", "closed", "t2.k1", "t2.k1.2", "t2.c", "p1", " t2", "", "__proto__"];
const NUMBERS = ["0", "-1", "4294967296", "99999999999", "1e9", "0x1", "NaN", " 7 ", "٣"];
const TIMES = [
  ...["0000-00-00T00:00:00Z", "2024-02-30T25:61:61Z", "+275760-09-13T00:00:00.000Z", "now", "9".repeat(300)],
  "2024-01-01T00:00:00.0000000000000000001+99:99",
];
const TEXTS = [
  ...[
    "open",
    "closed",
    " open ",
    "OPEN",
    "sip:x@h",
    "sip:bob@example.com;a?b",
    "]]>",
    "\r\n",
    "\t",
    "&<>\"'",
    "\u2028",
  ],
  ...["😀", "e\u0301", "\ufffd", "\u200b", "pres:", "%00", "", ...NUMBERS, ...TIMES],
];
/** What text may be written as, well-formed or not. */
const RAWS = [
  ...["<!-- c -->", "<!---->", "<!-- a -- b -->", "<!--", "<?pi a?>", "<?xml version='1.0'?>", "<??>", "<?a"],
  ...["<![CDATA[<b>&amp;]]>", "<![CDATA[]]>", "<![CDATA[]]]]><![CDATA[>]]>", "<![CDATA[a", "]]>", "&amp;", "&lt;"],
  ...["&#13;", "&#xA;", "&#0;", "&#1;", "&#xD800;", "&#xFFFE;", "&#x10FFFF;", "&#x110000;", "&#99999999999;", "&#x;"],
  ...["&e;", "&constructor;", "&__proto__;", "&;", "& ", "<", ">", "</a>", "<a", "<a/", "<a/>", "<a b>", "<a b=c/>"],
  ...["\u0000", "\u0001", "\u0085", "\ufffe", "\ud800"],
];
/** What the value of an attribute may be written as. */
const RAW_VALUES = [
  ...["'a\"b'", "'", '"', "a", '"<"', '"&amp;&#10;&#x9;"', '"&e;"', '"a\tb\r\nc"', '"a"b="c"', '"a" a="b"', "''"],
];

/** Beyond it, nothing more is changed: copies of copies would fill the memory. */
const MOST_ELEMENTS = 4000;

type Change = (root: MutableElement, random: Random, corpus: readonly MutableElement[]) => void;

function any(root: MutableElement, random: Random): MutableElement {
  return random.pick(elementsIn(root));
}

/** An element that has a parent, and where it stands in it. */
function child(root: MutableElement, random: Random): { parent: MutableElement; at: number } | undefined {
  const parents = elementsIn(root).filter(({ children }) => children.some(isElement));
  if (parents.length === 0) return undefined;
  const parent = random.pick(parents);
  const places = parent.children.flatMap((node, at) => (isElement(node) ? [at] : []));
  return { parent, at: random.pick(places) };
}

function withChild(change: (parent: MutableElement, at: number, random: Random, root: MutableElement) => void): Change {
  return (root, random) => {
    const found = child(root, random);
    if (found !== undefined) change(found.parent, found.at, random, root);
  };
}

function insert(root: MutableElement, random: Random, ...nodes: MutableElement["children"]): void {
  const { children } = any(root, random);
  children.splice(random.below(children.length + 1), 0, ...nodes);
}

function setAttribute(element: MutableElement, name: string, value: string): void {
  const known = element.attributes.find((attribute) => attribute.name === name);
  if (known === undefined) element.attributes.push({ name, value });
  else known.value = value;
}

/** Mostly a few, now and then more than any bound allows. */
function many(random: Random, most: number): number {
  return random.below(25) === 0 ? random.below(most) : 1 + random.below(4);
}

/** Wraps what is in an element in as many others. */
function nest(element: MutableElement, name: string, depth: number): void {
  for (let i = 0; i < depth; i++) element.children = [{ name, attributes: [], children: element.children }];
}

/** By weight: the first are tried most. */
const CHANGES: readonly Change[] = [
  // Elements are moved, doubled, taken away, wrapped and opened.
  withChild((parent, at, random, root) => insert(root, random, ...parent.children.splice(at, 1))),
  withChild((parent, at, random, root) => insert(root, random, copyOf(parent.children[at] as MutableElement))),
  withChild((parent, at, random) => {
    const copies = Array.from({ length: many(random, 3000) }, () => copyOf(parent.children[at] as MutableElement));
    parent.children.splice(at, 0, ...copies);
  }),
  withChild((parent, at) => void parent.children.splice(at, 1)),
  withChild((parent, at) => parent.children.splice(at, 1, ...(parent.children[at] as MutableElement).children)),
  (root, random, corpus) => insert(root, random, copyOf(any(random.pick(corpus), random))),
  (root, random) => nest(any(root, random), random.pick(["a", "x:a", "tuple", "list"]), many(random, 60)),
  (root, random) => {
    if (random.below(200) === 0) nest(any(root, random), "a", 50_000);
  },
  // Names: another prefix, declared or not, or another name.
  (root, random) => {
    const element = any(root, random);
    element.name = random.pick(PREFIXES) + element.name.slice(element.name.indexOf(":") + 1);
  },
  (root, random) => {
    const element = any(root, random);
    element.name = element.name.slice(0, element.name.indexOf(":") + 1) + random.pick(LOCALS);
  },
  // Namespaces: declared, declared otherwise, declared no more.
  (root, random) => {
    const prefix = random.pick(PREFIXES).slice(0, -1);
    const element = random.below(2) === 0 ? root : any(root, random);
    setAttribute(element, prefix === "" ? "xmlns" : `xmlns:${prefix}`, random.pick(NAMESPACES));
  },
  (root, random) => {
    const element = random.below(2) === 0 ? root : any(root, random);
    for (let i = many(random, 70); i > 0; i--) setAttribute(element, `xmlns:n${i}`, `urn:n${random.below(100)}`);
  },
  (root, random) => {
    const element = random.below(2) === 0 ? root : any(root, random);
    const at = element.attributes.findIndex(({ name }) => name.startsWith("xmlns"));
    if (at >= 0) element.attributes.splice(at, 1);
  },
  // Attributes: more, fewer, twice, the same in another prefix, of another value.
  (root, random) => setAttribute(any(root, random), random.pick(ATTRIBUTES), random.pick(TEXTS)),
  (root, random) => setAttribute(any(root, random), random.pick(ATTRIBUTES), RAW + random.pick(RAW_VALUES)),
  (root, random) => setAttribute(any(root, random), "id", random.pick(IDS)),
  (root, random) => {
    const { attributes } = any(root, random);
    if (attributes.length > 0) attributes.splice(random.below(attributes.length), 1);
  },
  (root, random) => {
    const { attributes } = any(root, random);
    if (attributes.length > 0) attributes.push({ ...random.pick(attributes) });
  },
  (root, random) => {
    const element = any(root, random);
    const prefix = random.pick(["y", "z"]);
    element.attributes.push(
      { name: `xmlns:${prefix}`, value: random.pick(["urn:example:other", `urn:example:${PUBLISHER}`]) },
      { name: `${prefix}:version`, value: random.pick(NUMBERS) },
    );
  },
  (root, random) => {
    const element = any(root, random);
    for (let i = many(random, 1500); i > 0; i--) element.attributes.push({ name: `a${i}`, value: "" });
  },
  (root, random) => {
    const { attributes } = any(root, random);
    if (attributes.length > 0)
      random.pick(attributes).value += random.pick(['"', "&", "\n", "x"]).repeat(many(random, 20_000));
  },
  // Text: another, long, in other spellings.
  (root, random) => void (any(root, random).children = [random.pick(TEXTS)]),
  (root, random) => insert(root, random, random.pick(TEXTS)),
  (root, random) =>
    insert(root, random, random.pick(["x", "<", "&", ">", '"', "\r", "é", " "]).repeat(many(random, 20_000))),
  (root, random) => insert(root, random, { raw: random.pick(RAWS) }),
  (root, random) => insert(root, random, { raw: random.pick(RAWS).repeat(many(random, 3000)) }),
];

/** Octets of a document made of one of the corpus by up to eight changes that know what XML is made of, and now and then by some to what is written. */
export function mutated(corpus: readonly MutableElement[], random: Random): Buffer {
  const root = copyOf(random.pick(corpus));
  for (let i = random.below(1 + random.below(9)); i > 0 && elementsIn(root).length < MOST_ELEMENTS; i--)
    random.pick(CHANGES)(root, random, corpus);
  const text = textOf(root);
  return random.below(8) === 0 ? spoiled(text, random) : Buffer.from(text);
}
