import { FAMILIES as BODY_FAMILIES, read as readBody } from "./bodies/families.ts";
import { fuzzBodies } from "./bodies/fuzz-bodies.ts";
import type { Fuzzer } from "./fuzzer.ts";
import { FAMILIES as MESSAGE_FAMILIES, read as readMessage } from "./messages/families.ts";
import { fuzzMessages } from "./messages/fuzz-messages.ts";
import { fuzzNodes } from "./nodes/fuzz-nodes.ts";

/** What can be fuzzed, by its name on the command line. */
export const FUZZERS: ReadonlyMap<string, Fuzzer> = new Map([
  [
    "messages",
    {
      plural: "messages",
      run: async (options) => {
        const { messages, wellFormed, served, compared, disagreements, slowest } = await fuzzMessages(options);
        return {
          shown: [
            `${messages} messages, ${wellFormed} of them well-formed, ${served} handed up by the stack`,
            `${compared} values read as SIP.js reads them, ${disagreements.length} otherwise`,
            `the longest took ${slowest.ms.toFixed(1)} ms of wall clock, other programs' time included`,
          ],
          findings: disagreements,
        };
      },
      families: MESSAGE_FAMILIES,
      read: readMessage,
    },
  ],
  [
    "bodies",
    {
      plural: "documents",
      run: (options) => {
        const { documents, accepted, tooLarge, read, lists, registrations } = fuzzBodies(options);
        const shown = [
          `${documents} documents, ${accepted} of them published, ${tooLarge} too large beside others, ${read} read as watchers or a list`,
          `${lists} lists and ${registrations} registrations told`,
        ];
        return Promise.resolve({ shown, findings: [] });
      },
      families: BODY_FAMILIES,
      read: readBody,
    },
  ],
  [
    "nodes",
    {
      plural: "requests",
      run: async (options) => {
        const { asked, answers, delivered, faults } = await fuzzNodes(options);
        return {
          shown: [
            `${asked} requests, ${answers} answers; ${delivered} requests got to devices and to the trusted server`,
          ],
          findings: faults,
        };
      },
      // What reads messages and bodies is measured with these.
      families: [],
      read() {},
    },
  ],
]);
