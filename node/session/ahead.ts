import type { Flow } from "../sip/stack.ts";

/** Where a request within a session goes next from this server: a client, or a server of the mesh, that may be away for a moment. */
export interface Ahead {
  /** Where the request goes. Who is away is waited for. @param recorded by the way of the session */
  flow(recorded: Flow): Flow | Promise<Flow>;
  /** Where a request goes on, as a retransmission, that was on its way when the connection or the link by which it had gone was lost; `undefined` where nowhere. */
  again(lost: Flow): Promise<Flow | undefined>;
  /**
   * Tells where the client is reached when it moves while a request is on its way to it, and that does not go on by itself ({@link again}). Returns how to end that.
   * @param to where the request has gone
   */
  listen?(to: Flow, moved: (now: Flow) => void): () => void;
}
