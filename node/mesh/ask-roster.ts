import type { Connection } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { encodeFrame } from "../../dht-schema/link-frames.ts";
import type { RosterAnswer } from "../../dht-schema/roster-messages.ts";
import { decodeRosterAnswer, ROSTER_PROTOCOL, rosterFrame } from "../../dht-schema/roster-messages.ts";
import { ROSTER_MAX_BYTES } from "../../dht-schema/roster.ts";
import { OperationalError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { MeshHost } from "./mesh-host.ts";
import { readFrame } from "./one-frame.ts";

/**
 * Asks a linked server something about the roster.
 * @throws {OperationalError} `NO_ANSWER`
 */
export async function askRoster(
  host: MeshHost,
  server: { readonly id: string; readonly name: string },
  type: number,
  body: Uint8Array = new Uint8Array(),
): Promise<RosterAnswer> {
  const signal = AbortSignal.timeout(limits.mesh.askRosterMs);
  try {
    const connection = host.getConnections(peerIdFromString(server.id)).find(({ status }) => status === "open");
    if (connection === undefined) throw new Error("there is no link");
    const stream = await connection.newStream(ROSTER_PROTOCOL, { signal });
    try {
      stream.send(encodeFrame(type, body));
      const answer = await readFrame(stream, ROSTER_MAX_BYTES + 1024, signal);
      await stream.close({ signal });
      return decodeRosterAnswer(answer.body);
    } catch (error) {
      stream.abort(error as Error);
      throw error;
    }
  } catch (cause) {
    throw new OperationalError("NO_ANSWER", `no answer from ${server.name}: ${(cause as Error).message}`, { cause });
  }
}

/** Shows a server that has been taken out of the roster the one that it is no longer in. Nothing comes back. */
export async function showRemoved(connection: Connection, signed: Uint8Array): Promise<void> {
  const signal = AbortSignal.timeout(limits.mesh.askRosterMs);
  const stream = await connection.newStream(ROSTER_PROTOCOL, { signal });
  stream.send(encodeFrame(rosterFrame.removed, signed));
  await stream.close({ signal });
}
