import { expect } from "chai";
import type { Aor } from "../../../dht-schema/aor.ts";
import { limits } from "../../../node/runtime/limits.ts";
import { SipParseError } from "../../../node/sip/message/sip-parse-error.ts";
import { parseMessage } from "../../../node/sip/message/parse-message.ts";
import { validateRequest } from "../../../node/sip/message/validate-request.ts";
import type { FuzzOptions } from "../fuzzer.ts";
import { FuzzFailure } from "../fuzzer.ts";
import { CORPUS as MESSAGES } from "../messages/corpus.ts";
import { mutated as mutatedMessage } from "../messages/mutate.ts";
import type { Random } from "../random.ts";
import { randomFrom } from "../random.ts";
import { checkList, checkReaders, checkRegistration, Publisher } from "./checks.ts";
import { CORPUS, PUBLISHER } from "./corpus.ts";
import { mutated } from "./mutate.ts";

/** What a run did. */
export interface BodiesReport {
  readonly documents: number;
  /** Published. */
  readonly accepted: number;
  /** Refused because all of the user's documents together were too large. */
  readonly tooLarge: number;
  /** Read as watchers or as a list. */
  readonly read: number;
  /** Lists whose members were told. */
  readonly lists: number;
  /** REGISTERs whose contacts were told. */
  readonly registrations: number;
}

/** One case in so many is also told to subscribers of lists, and one has a REGISTER. */
const LISTED_ONE_IN = 8;
const REGISTERED_ONE_IN = 4;
const REGISTERS = MESSAGES.filter((message) => /^REGISTER /i.test(message.toString("latin1")));
const CONTACTS = [
  "sip:a@127.0.0.1:5060",
  "sip:the@[::1];transport=tcp",
  "sip:t2@h",
  'sips:"&<@h',
  "sip:a@127.0.0.1:5060",
];

const MOST_CONTACTS = limits.registrar.contactsPerAor;

/** Names of as many users, some of which take much room where `&` is escaped. */
function members(random: Random): Aor[] {
  const user = random.pick(["u", "a&b", "&".repeat(20), "&".repeat(200)]);
  return Array.from(
    { length: 1 + random.below(random.below(8) === 0 ? 30 : 5) },
    (_, i) => `sip:${user}${i}@example.com` as Aor,
  );
}

/**
 * Gives mutated documents to every part that reads them, and reads what is made of them. The n-th case of a seed is always the same.
 * @throws {FuzzFailure} at the first case that breaks something
 */
export function fuzzBodies({ seed, count, onProgress }: FuzzOptions): BodiesReport {
  const report = { documents: 0, accepted: 0, tooLarge: 0, read: 0, lists: 0, registrations: 0 };
  for (let number = 0; report.documents < count; number++) {
    const random = randomFrom(seed * 1_000_003 + number);
    const octets: Buffer[] = [];
    try {
      fuzzCase(random, octets, report);
    } catch (error) {
      throw new FuzzFailure(number, octets, error);
    }
    const before = report.documents;
    report.documents += octets.length;
    const thousands = Math.floor(report.documents / 1000);
    if (thousands > Math.floor(before / 1000)) onProgress?.(thousands * 1000);
  }
  return report;
}

type Counters = { -readonly [K in keyof BodiesReport]: number };

/** Two users publish in turn, one of them from several devices. */
function fuzzCase(random: Random, octets: Buffer[], report: Counters): void {
  const alice = new Publisher(random.below(8) === 0 ? `alice${"&".repeat(200)}` : "alice");
  const bob = new Publisher("bob");
  for (let i = 1 + random.below(4); i >= 0; i--) {
    const [publisher, name] = i === 0 ? [bob, "bob-said"] : [alice, "alice-said"];
    const document = replaced(mutated(CORPUS, random), name);
    octets.push(document);
    const outcome = publisher.publish(document);
    if (outcome === "accepted") report.accepted++;
    if (outcome === "too-large") report.tooLarge++;
    const { read, members: named } = checkReaders(document);
    if (read) report.read++;
    if (named.length > 0 && random.below(LISTED_ONE_IN) === 0) tell(named, alice, report);
  }
  if (random.below(2) === 0) {
    const contacts = Array.from({ length: 1 + random.below(MOST_CONTACTS) }, (_, i) =>
      random.pick([...CONTACTS, `sip:c${i}@h`]),
    );
    alice.register(contacts.map((uri, i) => ({ uri, device: uri, path: `contact${i}` })));
  }
  alice.check();
  bob.check();
  expect(Buffer.from(alice.composed).includes("bob-said"), "one user's words are told as another's").to.equal(false);
  expect(Buffer.from(bob.composed).includes("alice-said"), "one user's words are told as another's").to.equal(false);
  if (random.below(LISTED_ONE_IN) === 0) tell(members(random), alice, report);
  if (random.below(REGISTERED_ONE_IN) === 0) register(random, octets, report);
}

function replaced(document: Buffer, name: string): Buffer {
  return document.includes(PUBLISHER)
    ? Buffer.from(document.toString("latin1").replaceAll(PUBLISHER, name), "latin1")
    : document;
}

function tell(members: readonly Aor[], { aor, composed }: Publisher, report: Counters): void {
  checkList(aor, members, composed);
  report.lists++;
}

function register(random: Random, octets: Buffer[], report: Counters): void {
  const message = mutatedMessage(REGISTERS, random);
  try {
    const parsed = parseMessage(message);
    if (parsed.kind === "request") validateRequest(parsed);
    octets.push(message);
    if (checkRegistration(parsed)) report.registrations++;
    octets.pop();
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error;
  }
}
