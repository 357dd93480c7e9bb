import type { Aor } from "../../dht-schema/aor.ts";
import type { DirectoryMessage } from "../../dht-schema/directory-messages.ts";
import { decodeBatch } from "../../dht-schema/directory-messages.ts";
import type { ClaimResult, DirectoryEvent } from "../../node/directory/core/context.ts";
import type { Wire } from "../simulated-node.ts";
import { SimulatedNode } from "../simulated-node.ts";
import type { ClaimEnd, Purpose, WayEvent, WayServer, Wish } from "./way.ts";

const PURPOSES: Partial<Record<DirectoryMessage["type"], Purpose>> = {
  renew: "upkeep",
  renewed: "upkeep",
  settle: "upkeep",
  settled: "upkeep",
  read: "lookup",
  state: "lookup",
  watch: "notice",
  unwatch: "notice",
  notice: "notice",
  notWatched: "notice",
};

/** What a batch is for: one frame, counted once, for the most that is in it. */
export function purposeOf(wire: Wire): Purpose {
  const { messages } = wire instanceof Uint8Array ? decodeBatch(wire) : wire;
  const found = new Set(messages.map(({ type }) => PURPOSES[type] ?? "claim"));
  return (["claim", "lookup", "notice"] as const).find((purpose) => found.has(purpose)) ?? "upkeep";
}

function claimEnd({ kind }: ClaimResult): ClaimEnd {
  return kind === "owned" || kind === "unavailable" ? kind : "elsewhere";
}

/** The events of the production core in the words of the comparison. */
export function wayEvent(event: DirectoryEvent): WayEvent | undefined {
  switch (event.kind) {
    case "claimed": {
      const { claim: id, aor, result } = event;
      return { kind: "claimed", id, aor, end: claimEnd(result) };
    }
    case "found": {
      const { lookup: id, aor, result } = event;
      return { kind: "found", id, aor, owner: result.kind === "owner" ? result.epoch.member : result.kind };
    }
    case "watched": {
      const { aor, state } = event;
      return { kind: "told", aor, owner: state.kind === "owner" ? state.epoch.member : undefined };
    }
    default:
      return undefined;
  }
}

/** A server that runs the production core. */
export class OurServer extends SimulatedNode implements WayServer {
  override start(nowMs: number, watched: readonly Aor[] = []): void {
    super.start(nowMs);
    for (const aor of watched) this.watch(nowMs, aor);
  }

  claim(nowMs: number, id: number, aor: Aor, wish: Wish): void {
    this.run(nowMs, ({ core }, localMs) => core.claim(localMs, id, aor, wish, localMs + core.roster.leaseMs + 2_000));
  }

  lookup(nowMs: number, id: number, aor: Aor): void {
    this.run(nowMs, ({ core }, localMs) => core.lookup(localMs, id, aor, "majority", localMs + 2_000));
  }

  serves(nowMs: number, aor: Aor): boolean {
    return this.believes(nowMs, aor) !== undefined;
  }
}
