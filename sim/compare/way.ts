import type { Aor } from "../../dht-schema/aor.ts";
import type { Agenda } from "../../node/directory/core/agenda.ts";

/** What a message is for: the report counts them apart. */
export type Purpose = "claim" | "lookup" | "notice" | "upkeep";

/**
 * - `take-over`: the user has registered here, wherever she was before
 * - `if-free`: her server wants her back, unless she is somewhere else by now
 */
export type Wish = "take-over" | "if-free";

/** How a claim ended. */
export type ClaimEnd = "owned" | "elsewhere" | "unavailable";

/** What a server says to whoever uses it. Owners are numbers of servers. */
export type WayEvent =
  | { readonly kind: "claimed"; readonly id: number; readonly aor: Aor; readonly end: ClaimEnd }
  | {
      readonly kind: "found";
      readonly id: number;
      readonly aor: Aor;
      readonly owner: number | "nobody" | "unavailable";
    }
  /** Where a watched user is, as far as this server knows. */
  | { readonly kind: "told"; readonly aor: Aor; readonly owner: number | undefined };

/** A server under one of the ways to keep one owner a user, as the workload sees it. Times are true times of the run. */
export interface WayServer {
  readonly number: number;
  readonly isUp: boolean;
  readonly isPaused: boolean;
  start(nowMs: number, watched: readonly Aor[]): void;
  crash(): void;
  pause(): void;
  resume(nowMs: number): void;
  claim(nowMs: number, id: number, aor: Aor, wish: Wish): void;
  lookup(nowMs: number, id: number, aor: Aor): void;
  /** Whether the server would serve the user at this instant. */
  serves(nowMs: number, aor: Aor): boolean;
}

/** What the machines of a way do to the world. */
export interface Surroundings<M> {
  readonly self: number;
  /** All servers, this one included; a database is none of them. */
  readonly servers: readonly number[];
  /** On the machine's own clock. */
  readonly agenda: Agenda;
  random(): number;
  send(to: number, message: M): void;
  emit(event: WayEvent): void;
}

/** A server of a weaker way as a state machine: time and messages in, messages and events out through its surroundings. */
export interface Machine<M> {
  receive(nowMs: number, from: number, message: M): void;
  watch(nowMs: number, aor: Aor): void;
  claim(nowMs: number, id: number, aor: Aor, wish: Wish): void;
  lookup(nowMs: number, id: number, aor: Aor): void;
  serves(nowMs: number, aor: Aor): boolean;
}

/** A machine with what it does only as the server of others: a database. */
export type Peer<M> = Pick<Machine<M>, "receive">;
