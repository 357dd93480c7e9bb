import type { Aor } from "../../../dht-schema/aor.ts";
import type { Epoch } from "../../../dht-schema/ballot.ts";
import { sameBallot } from "../../../dht-schema/ballot.ts";
import type { ServerId } from "../../../dht-schema/roster.ts";
import type { Task } from "../../runtime/scheduler.ts";
import { WINFO_EVENT } from "../answer.ts";
import type { NotifyContent, SubscribeResult } from "../backend/view-state.ts";
import type { WatcherEntry } from "../watcherinfo/watcherinfo-document.ts";
import { parseWatcherInfo, WATCHERINFO_CONTENT_TYPE } from "../watcherinfo/watcherinfo-document.ts";
import type { CallOwner } from "./backend-call.ts";
import { BackendCall } from "./backend-call.ts";
import type { PresenceContext } from "./presence-context.ts";

/** Told what a server says of its watchers. */
export interface FeedListener {
  feedChanged(server: ServerId, watchers: readonly WatcherEntry[], all: boolean): void;
}

type State =
  | { readonly kind: "asking"; readonly call: BackendCall }
  /** `version` of the last document; absent while there is none. */
  | { readonly kind: "fed"; readonly call: BackendCall; readonly version?: number }
  /** It could not be asked: tried again when the time has come. */
  | { readonly kind: "waiting" }
  | { readonly kind: "closed" };

const RETRY_MS = 5000;

/** The owner's subscription to the watchers of its user at one other server. */
export class WatcherFeed implements CallOwner, Task {
  dueMs = Infinity;
  place = -1;
  readonly event = WINFO_EVENT;
  readonly accept = WATCHERINFO_CONTENT_TYPE;
  readonly aor: Aor;
  readonly #context: PresenceContext;
  readonly #host: { callStarted(call: BackendCall): void; callEnded(call: BackendCall): void };
  readonly #server: ServerId;
  readonly #epoch: Epoch;
  readonly #listener: FeedListener;
  #state: State = { kind: "waiting" };
  #calls = 0;

  constructor(
    context: PresenceContext,
    host: { callStarted(call: BackendCall): void; callEnded(call: BackendCall): void },
    init: { readonly aor: Aor; readonly server: ServerId; readonly epoch: Epoch; readonly listener: FeedListener },
  ) {
    this.#context = context;
    this.#host = host;
    this.aor = init.aor;
    this.#server = init.server;
    this.#epoch = init.epoch;
    this.#listener = init.listener;
  }

  /** The user asks. @see RFC 3857 §4.8 */
  get watcher(): Aor {
    return this.aor;
  }

  /** Whether the server has been asked and has said nothing yet. */
  get isAwaited(): boolean {
    return this.#state.kind === "asking" || (this.#state.kind === "fed" && this.#state.version === undefined);
  }

  isUnder(epoch: Epoch): boolean {
    return sameBallot(epoch, this.#epoch);
  }

  /** → asking */
  start(): void {
    this.#calls += 1;
    const owner = { server: this.#server, epoch: this.#epoch };
    const call = new BackendCall(this.#context, { view: this, call: this.#calls, owner });
    this.#state = { kind: "asking", call };
    this.#host.callStarted(call);
    void call.subscribe();
  }

  /** asking → fed, either → waiting; what the server said before stands until it says another thing. */
  subscribeAnswered(call: number, result: SubscribeResult): void {
    const state = this.#onCall(call);
    if (state === undefined) return;
    if (result.kind !== "accepted") return this.#wait(state.call);
    if (state.kind === "asking") this.#state = { kind: "fed", call: state.call };
    this.#dueIn(result.expiresSeconds * 500);
  }

  /** asking → fed, fed → fed, either → waiting when the server ends it */
  notified(call: number, content: NotifyContent): void {
    const state = this.#onCall(call);
    if (state === undefined) return;
    if (content.kind === "terminated") {
      this.#wait(state.call);
      return this.#listener.feedChanged(this.#server, [], true);
    }
    if (content.document === undefined) return;
    const { version, full, watchers } = parseWatcherInfo(content.document);
    const before = state.kind === "fed" ? state.version : undefined;
    // RFC 3858 §4.3: a gap means that something was missed; a refresh brings all of it.
    const isGap = !full && version !== (before ?? -1) + 1;
    if (before === undefined && this.place < 0) this.#dueIn((content.expiresSeconds ?? 60) * 500);
    this.#state = { kind: "fed", call: state.call, version };
    if (isGap) void state.call.subscribe();
    else this.#listener.feedChanged(this.#server, watchers, full);
  }

  /** The link to the server is back: what it sent meanwhile is lost, and it may have given the dialog up. any but closed → asking */
  linkUp(): void {
    const state = this.#state;
    if (state.kind === "closed") return;
    if (state.kind !== "waiting") this.#end(state.call);
    this.start();
  }

  due(): void {
    if (this.#state.kind === "waiting") this.start();
    else if (this.#state.kind === "fed") void this.#state.call.subscribe();
  }

  /** any → closed */
  close(): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    this.#context.scheduler.remove(this);
    if (state.kind === "asking" || state.kind === "fed") this.#end(state.call);
  }

  #onCall(call: number): Extract<State, { call: BackendCall }> | undefined {
    const state = this.#state;
    return (state.kind === "asking" || state.kind === "fed") && state.call.call === call ? state : undefined;
  }

  #end(call: BackendCall): void {
    call.unsubscribe();
    this.#host.callEnded(call);
  }

  #wait(call: BackendCall): void {
    this.#host.callEnded(call);
    this.#state = { kind: "waiting" };
    this.#dueIn(RETRY_MS);
  }

  #dueIn(ms: number): void {
    this.#context.scheduler.schedule(this, this.#context.clock.monotonicMs() + ms);
  }
}
