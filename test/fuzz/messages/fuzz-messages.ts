import { expect } from "chai";
import type { ServerId } from "../../../dht-schema/roster.ts";
import { createResponse } from "../../../node/sip/message/build.ts";
import { parseMessage } from "../../../node/sip/message/parse-message.ts";
import { SipParseError } from "../../../node/sip/message/sip-parse-error.ts";
import { startStack } from "../../sip/harness.ts";
import { checkEdge, checkFraming, checkParsing, checkProxyHeader } from "./checks.ts";
import { CORPUS } from "./corpus.ts";
import { compareWithSipJs } from "./sip-js-oracle.ts";
import { mutated } from "./mutate.ts";
import type { FuzzOptions } from "../fuzzer.ts";
import { FuzzFailure } from "../fuzzer.ts";
import { randomFrom } from "../random.ts";

/** What leaves has to be well-formed; only Via is repeated as often as it came. */
function expectResponse(octets: Uint8Array): void {
  try {
    expect(parseMessage(octets).kind).to.equal("response");
  } catch (error) {
    if (!(error instanceof SipParseError) || error.code !== "TOO_MANY_HEADERS") throw error;
  }
}

/** What a run did. */
export interface MessagesReport {
  readonly messages: number;
  /** That parsed. */
  readonly wellFormed: number;
  /** Requests that the stack handed up. */
  readonly served: number;
  /** Values that SIP.js's grammar was asked about. */
  readonly compared: number;
  /** Values that we and SIP.js's grammar read differently, and why that is not one of its known liberties. */
  readonly disagreements: readonly string[];
  /** What took longest, as octets and milliseconds. */
  readonly slowest: { readonly octets: number; readonly ms: number };
}

/** One message in so many is also cut as a stream is. After so many, SIP.js, which is far slower, is asked about values. */
const FRAMED_ONE_IN = 4;
const COMPARED_ONE_IN = 100;

/**
 * Gives mutated messages to every part that reads them. The n-th message of a seed is always the same.
 * @throws {FuzzFailure} at the first message that breaks something
 */
export async function fuzzMessages({ seed, count, onProgress }: FuzzOptions): Promise<MessagesReport> {
  let deliver: (from: ServerId, message: Uint8Array) => void = () => {};
  const { stack, counters } = await startStack([], {
    mesh: {
      self: "self" as ServerId,
      send: (_server, message) => {
        expectResponse(message);
        return true;
      },
      receive: (receiver) => (deliver = receiver),
    },
  });
  stack.onRequest((incoming) => incoming.respond(createResponse(incoming.request, 200)));
  let wellFormed = 0;
  let compared = 0;
  const disagreements: string[] = [];
  let slowest = { octets: 0, ms: 0 };
  for (let number = 0; number < count; number++) {
    const random = randomFrom(seed * 1_000_003 + number);
    const octets = mutated(CORPUS, random);
    const startMs = performance.now();
    try {
      const message = checkParsing(octets);
      deliver("peer" as ServerId, octets);
      if (number % FRAMED_ONE_IN === 0) checkFraming(Buffer.concat([octets, mutated(CORPUS, random)]), random);
      checkProxyHeader(octets, randomFrom(number));
      if (message !== undefined) {
        wellFormed++;
        checkEdge(message);
      }
    } catch (error) {
      throw new FuzzFailure(number, octets, error);
    }
    const ms = performance.now() - startMs;
    if (ms > slowest.ms) slowest = { octets: octets.length, ms };
    if (number % COMPARED_ONE_IN === 0) {
      try {
        compared += compareWithSipJs(random);
      } catch (error) {
        disagreements.push((error as Error).message);
      }
    }
    if (number % 1000 === 999) {
      onProgress?.(number + 1);
      // The stack's timers and closed transactions get their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  expect(counters.get("sip.faults") + counters.get("sip.handler_failures"), "faults of the stack").to.equal(0);
  await stack.stop();
  return { messages: count, wellFormed, served: counters.get("sip.requests_in"), compared, disagreements, slowest };
}
