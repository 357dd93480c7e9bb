import { z } from "zod";
import type { Aor } from "../../dht-schema/aor.ts";
import { tryParseAor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";
import { AortaError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import { createResponse } from "../sip/message/build.ts";
import type { IncomingRequest } from "../sip/stack.ts";
import type { HistoryStore } from "../storage/ports.ts";
import type { MissingPart, OtherServersComponents } from "./other-servers.ts";
import { askServer, formerServers } from "./other-servers.ts";

/** Method of the request by which servers of the mesh remove a user's history step by step; from anybody else it is 405. */
export const REMOVAL_METHOD = "AORTA-HISTORY-REMOVAL";

export interface RemovalAnswer {
  /** Messages, on all servers. */
  readonly removed: number;
  /** Servers that may still have some, and why. */
  readonly missing: readonly MissingPart[];
}

/** Removes all that a user has written and received from their history, here and on the servers that they have been on. What others have received of them is in the histories of those. */
export interface HistoryRemoval {
  /** @param everywhere whether the other servers of the domain are asked too */
  remove(user: Aor, everywhere: boolean): Promise<RemovalAnswer>;
  /** Takes one step for another server. */
  handleStep(incoming: IncomingRequest): void;
}

export interface HistoryRemovalComponents extends OtherServersComponents {
  readonly store: HistoryStore;
}

/** A server's word of what it has removed. */
interface Step {
  readonly removed: number;
  /** Whether the user has more. */
  readonly more: boolean;
  /** Why there may be more that it cannot get at. */
  readonly missing?: string | undefined;
}

const questionSchema = z.strictObject({ user: z.string() });
const stepSchema = z.object({ removed: z.int().min(0), more: z.boolean(), missing: z.string().optional() });

export function createHistoryRemoval(components: HistoryRemovalComponents): HistoryRemoval {
  const { store, self, others } = components;
  /** In a turn of its own: what users do goes on in between. */
  const stepHere = async (user: Aor): Promise<Step> => {
    try {
      const removed = await store.remove(user);
      const more = removed === limits.history.removedAtOnce;
      return { removed, more, ...(store.isTakingOver() && { missing: "is still being moved" }) };
    } catch (error) {
      if (!(error instanceof AortaError)) throw error;
      return { removed: 0, more: false, missing: "cannot be written" };
    }
  };
  const stepAt = async (server: ServerId, user: Aor): Promise<Step> => {
    if (server !== self) {
      const step = await askServer(components, server, REMOVAL_METHOD, { user }, stepSchema);
      return "removed" in step ? step : { removed: 0, more: false, ...step };
    }
    return stepHere(user);
  };
  const removeAt = async (server: ServerId, user: Aor) => {
    let removed = 0;
    for (;;) {
      const step = await stepAt(server, user);
      removed += step.removed;
      if (!step.more) return { server, removed, reason: step.missing };
    }
  };
  return {
    async remove(user, everywhere) {
      const servers = [self, ...(everywhere ? others() : [])];
      const parts = await Promise.all(servers.map((server) => removeAt(server, user)));
      const missing = parts.flatMap(({ server, reason }) => (reason === undefined ? [] : [{ server, reason }]));
      if (everywhere) missing.push(...formerServers(components, 0));
      return { removed: parts.reduce((sum, { removed }) => sum + removed, 0), missing };
    },
    handleStep(incoming) {
      const { request } = incoming;
      const user = readUser(request.body);
      if (user === undefined) return incoming.respond(createResponse(request, 400));
      void stepHere(user).then((step) => {
        const headers = [["Content-Type", "application/json"]] as const;
        incoming.respond(createResponse(request, 200, { headers, body: JSON.stringify(step) }));
      });
    },
  };
}

function readUser(body: Uint8Array): Aor | undefined {
  try {
    return tryParseAor(questionSchema.parse(JSON.parse(Buffer.from(body).toString())).user);
  } catch {
    return undefined;
  }
}
