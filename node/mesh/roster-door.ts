import type { Connection, Stream } from "@libp2p/interface";
import { encodeFrame } from "../../dht-schema/link-frames.ts";
import type { RosterAnswer } from "../../dht-schema/roster-messages.ts";
import { encodeRosterAnswer, openPromise, rosterFrame } from "../../dht-schema/roster-messages.ts";
import { ROSTER_MAX_BYTES } from "../../dht-schema/roster.ts";
import { SchemaError } from "../../dht-schema/schema-error.ts";
import { AortaError, ProtocolError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import { meshCounter } from "./counters.ts";
import { readFrame } from "./one-frame.ts";
import type { RosterKeeper } from "./roster-keeper.ts";

export interface RosterDoorParts {
  readonly keeper: RosterKeeper;
  readonly counters: Counters;
  readonly logger: Logger;
}

/** What the door does by others. */
export interface RosterDoorOwner {
  /** A server asks to be taken out of the roster. @throws {AortaError} why not */
  leave(peer: string): Promise<void>;
  /** A server shows a roster that this one is no longer in. */
  removed(peer: string, signed: Uint8Array): void;
}

/** Answers what other servers ask about the roster. Only servers of the roster get here. */
export class RosterDoor {
  readonly #parts: RosterDoorParts;
  readonly #owner: RosterDoorOwner;

  constructor(parts: RosterDoorParts, owner: RosterDoorOwner) {
    this.#parts = parts;
    this.#owner = owner;
  }

  /** Answers one question on the stream. */
  async handle(stream: Stream, connection: Connection): Promise<void> {
    const peer = connection.remotePeer.toString();
    try {
      const { type, body } = await readFrame(stream, ROSTER_MAX_BYTES, AbortSignal.timeout(limits.mesh.askRosterMs));
      if (type === rosterFrame.removed) this.#owner.removed(peer, body);
      else stream.send(encodeFrame(rosterFrame.answer, encodeRosterAnswer(await this.answer(type, body, peer))));
      await stream.close();
    } catch (error) {
      this.#parts.counters.add(meshCounter.rosterQuestionsRefused);
      this.#parts.logger.warn({ peer, reason: (error as Error).message }, "question about the roster not answered");
      stream.abort(error as Error);
    }
  }

  /** The answer to a question of a server of the roster. */
  async answer(type: number, body: Uint8Array, peer: string): Promise<RosterAnswer> {
    const { keeper, logger, counters } = this.#parts;
    let refused: RosterAnswer["refused"];
    try {
      await this.#do(type, body, peer);
    } catch (error) {
      if (!(error instanceof AortaError) && !(error instanceof SchemaError)) throw error;
      counters.add(meshCounter.rosterQuestionsRefused);
      logger.warn({ peer, code: error.code, reason: error.message }, "question about the roster refused");
      refused = { code: error.code, reason: error.message };
    }
    return { refused, roster: keeper.signed, floor: keeper.floor };
  }

  async #do(type: number, body: Uint8Array, peer: string): Promise<void> {
    const { keeper, logger } = this.#parts;
    switch (type) {
      case rosterFrame.leave:
        return this.#owner.leave(peer);
      case rosterFrame.holdsKey:
        if (keeper.domainKey === undefined)
          throw new ProtocolError("NO_DOMAIN_KEY", "no copy of the domain's key here");
        return;
      case rosterFrame.promise: {
        const { version, seizer } = await openPromise(body, keeper.domainPublicKey);
        if (seizer !== peer) throw new SchemaError("BAD_FRAME", "a promise that another server asks for");
        if ((await keeper.promise(version)) === "too-low")
          throw new ProtocolError("PROMISED", "promised, or has, as much already");
        logger.warn({ peer, version }, "a server takes the steward's role over");
        return;
      }
      default:
        throw new SchemaError("BAD_FRAME", `question of unknown type ${type}`);
    }
  }
}
