import type { ServerResponse } from "node:http";
import { limits } from "../runtime/limits.ts";
import type { WatchEvent } from "./node-view.ts";

/**
 * Open watches, each a stream of server-sent events whose data is a {@link WatchEvent} in JSON.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class WatchStreams {
  readonly #closers = new Set<() => void>();

  /** Whether no further watch may be opened. */
  get isFull(): boolean {
    return this.#closers.size >= limits.admin.watches;
  }

  /** Streams what `subscribe` tells until either side closes, or the client leaves too much unread. */
  open(response: ServerResponse, subscribe: (listener: (event: WatchEvent) => void) => () => void): void {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const write = (text: string) => {
      if (response.writableLength > limits.admin.watchBacklogBytes) response.destroy();
      else response.write(text);
    };
    // So that the client sees the headers at once, even if nothing is known yet.
    write(": watching\n\n");
    const keepalive = setInterval(() => write(": still here\n\n"), limits.admin.watchKeepaliveMs);
    const unsubscribe = subscribe((event) => write(`data: ${JSON.stringify(event)}\n\n`));
    const close = () => {
      clearInterval(keepalive);
      unsubscribe();
      this.#closers.delete(close);
      response.end();
    };
    this.#closers.add(close);
    response.once("close", close);
  }

  closeAll(): void {
    for (const close of this.#closers) close();
  }
}
