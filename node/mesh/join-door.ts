import type { Connection, Stream } from "@libp2p/interface";
import { privateKeyToProtobuf } from "@libp2p/crypto/keys";
import { encodeFrame } from "../../dht-schema/link-frames.ts";
import { inviteSecretHash } from "../../dht-schema/invite-token.ts";
import type { JoinAnswer, JoinRefusal, JoinRequest } from "../../dht-schema/join-messages.ts";
import { JOIN_FRAME, decodeJoinRequest, encodeJoinAnswer } from "../../dht-schema/join-messages.ts";
import type { Roster } from "../../dht-schema/roster.ts";
import { ROSTER_SERVERS_MAX } from "../../dht-schema/roster.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Counters } from "../runtime/metrics.ts";
import { areListenAddresses } from "./addresses.ts";
import { meshCounter } from "./counters.ts";
import { checkServerName } from "./founding.ts";
import type { InviteBook } from "./invite-book.ts";
import { readFrame } from "./one-frame.ts";
import type { RosterKeeper } from "./roster-keeper.ts";
import type { VoterContact } from "./voter-contact.ts";

/** Why a join is not granted; nothing has changed. */
class Refusal extends Error {
  readonly code: JoinRefusal;

  constructor(code: JoinRefusal, reason: string) {
    super(reason);
    this.code = code;
  }
}

export interface JoinDoorParts {
  readonly book: InviteBook;
  readonly keeper: RosterKeeper;
  readonly contact: VoterContact;
  readonly counters: Counters;
  readonly logger: Logger;
}

/** The inviter's side of a join. */
export class JoinDoor {
  readonly #parts: JoinDoorParts;

  constructor(parts: JoinDoorParts) {
    this.#parts = parts;
  }

  /** Answers one request on the stream. */
  async handle(stream: Stream, connection: Connection): Promise<void> {
    const { counters, logger } = this.#parts;
    const peer = connection.remotePeer.toString();
    try {
      const { body } = await readFrame(stream, limits.mesh.frameBytes, AbortSignal.timeout(limits.mesh.strangerMs));
      const answer = await this.#answer(body, peer);
      if (answer.refused !== undefined) {
        counters.add(meshCounter.joinsRefused);
        logger.warn({ peer, code: answer.refused.code }, "join refused");
      }
      stream.send(encodeFrame(JOIN_FRAME, encodeJoinAnswer(answer)));
      await stream.close();
    } catch (error) {
      counters.add(meshCounter.joinsRefused);
      logger.warn({ peer, reason: (error as Error).message }, "join failed");
      stream.abort(error as Error);
    }
  }

  async #answer(body: Uint8Array, peer: string): Promise<JoinAnswer> {
    let request: JoinRequest;
    try {
      request = checkRequest(decodeJoinRequest(body));
    } catch (error) {
      return refuse("BAD_REQUEST", (error as Error).message);
    }
    try {
      return await this.#admit(request, peer);
    } catch (error) {
      if (error instanceof Refusal) return refuse(error.code, error.message);
      this.#parts.logger.error({ peer, reason: (error as Error).message }, "join failed here");
      return refuse("TRY_AGAIN", "the inviter could not change the roster; see its log");
    }
  }

  async #admit(request: JoinRequest, peer: string): Promise<JoinAnswer> {
    const { book, keeper, contact, counters, logger } = this.#parts;
    await contact.until(() => contact.isConfirmed(keeper.roster));
    const secretHash = inviteSecretHash(request.secret);
    let steward = false;
    let admitted = false;
    await keeper.update((roster) => {
      const verdict = book.judge(secretHash, peer);
      if (verdict.kind === "refused") throw new Refusal(verdict.code, verdict.reason);
      steward = verdict.steward;
      if (!verdict.repeated) refuseKnown(roster, peer);
      if (verdict.repeated && keeper.isFormer(peer) && !keeper.isServer(peer)) {
        // A node that is started again as it always was must not undo what an operator did.
        throw new Refusal(
          "INVITE_USED",
          `this server was taken out of ${roster.domain} since it joined by this token: ask for a new one`,
        );
      }
      const next = withServer(roster, request, peer);
      book.redeem(secretHash, peer, verdict);
      admitted = next !== undefined;
      return next;
    });
    if (admitted) {
      counters.add(meshCounter.joinsAccepted);
      logger.info({ peer, name: request.name, steward }, "server admitted");
    }
    // A number counts once a majority of the voters has it: then nobody who takes the steward's role gives it to another.
    if (!(await contact.until(() => contact.isHeld(keeper.roster)))) {
      throw new Refusal("TRY_AGAIN", "too few voters have stored the roster so far: repeat with the same token");
    }
    const domainKey = steward && keeper.domainKey !== undefined ? privateKeyToProtobuf(keeper.domainKey) : undefined;
    return { accepted: { roster: keeper.signed, domainKey }, refused: undefined };
  }
}

/**
 * A server of the roster that comes with a new token has lost its data but not its key. What it promised as a replica and how often it
 * has started is lost with it: to go on under the same identity would not be safe.
 */
function refuseKnown(roster: Roster, peer: string): void {
  const known = roster.servers.find((server) => server.id === peer);
  if (known === undefined) return;
  throw new Refusal(
    "ALREADY_MEMBER",
    `this key is ${known.name}'s, which is a server of ${roster.domain}: start it with its data, or join with a new key`,
  );
}

/** The roster with the server added, or `undefined` where it is in already: a repeated join. */
function withServer(roster: Roster, request: JoinRequest, peer: string): Roster | undefined {
  if (roster.servers.some((server) => server.id === peer)) return undefined;
  if (roster.servers.some((server) => server.name === request.name)) {
    throw new Refusal(
      "NAME_TAKEN",
      `a server of ${roster.domain} is already called ${request.name}: choose another name`,
    );
  }
  if (roster.servers.length >= ROSTER_SERVERS_MAX)
    throw new Refusal("DOMAIN_FULL", `a domain has at most ${ROSTER_SERVERS_MAX} servers`);
  const number = roster.lastNumber + 1;
  const { name, addresses } = request;
  return {
    ...roster,
    revision: roster.revision + 1,
    lastNumber: number,
    servers: [...roster.servers, { number, id: peer, name, addresses }],
  };
}

/** @throws {Error} what is wrong */
function checkRequest(request: JoinRequest): JoinRequest {
  checkServerName(request.name);
  if (!areListenAddresses(request.addresses)) throw new Error("the addresses must be multiaddrs without a peer id");
  return request;
}

function refuse(code: JoinRefusal, reason: string): JoinAnswer {
  return { accepted: undefined, refused: { code, reason: reason.slice(0, 256) } };
}
