import type { Aor } from "../../dht-schema/aor.ts";
import { overallBasic, parseComposedPidf, tuplesOf } from "../../node/presence/pidf/pidf-document.ts";
import { childElements, textOf } from "../../node/presence/pidf/xml-tree.ts";
import { createRequest, createResponse, tagOf } from "../../node/sip/message/build.ts";
import { parseSubscriptionState } from "../../node/sip/message/event.ts";
import type { SipRequest, SipResponse } from "../../node/sip/message/message.ts";
import { randomTag } from "../../node/sip/message/tags.ts";
import { pidfText } from "../unit/presence/documents.ts";
import type { SipClient } from "./sip-network.ts";

/** What one NOTIFY told a watcher. */
export interface Seen {
  /** Subscription-State without parameters. */
  readonly state: string;
  readonly reason?: string;
  readonly basic: string;
  /** Notes of the tuples, joined. */
  readonly note: string;
}

/** A subscription as its watcher holds it. */
export interface Dialog {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly to: Aor;
  readonly event: string;
  cseq: number;
}

/** The server of a phone, as the phone knows it. */
export interface PhoneServer {
  readonly name: string;
}

/** One client of one server, which publishes and watches. */
export class Phone {
  readonly aor: Aor;
  readonly client: SipClient;
  readonly server: PhoneServer;
  readonly #seen: Seen[] = [];
  #read = 0;
  entityTag: string | undefined;

  constructor(aor: Aor, server: PhoneServer, client: SipClient) {
    this.aor = aor;
    this.server = server;
    this.client = client;
    client.onRequest((incoming) => {
      this.#seen.push(readNotify(incoming.request));
      incoming.respond(createResponse(incoming.request, 200));
    });
  }

  /** Everything seen since this was last read. */
  news(): Seen[] {
    const news = this.#seen.slice(this.#read);
    this.#read = this.#seen.length;
    return news;
  }

  subscribe(
    to: Aor,
    options: {
      readonly expires?: number;
      readonly event?: string;
      readonly headers?: readonly (readonly [string, string])[];
      readonly body?: string;
    } = {},
  ): Promise<SipResponse & { readonly dialog: Dialog }> {
    const event = options.event ?? "presence";
    const dialog = { callId: randomTag(), localTag: randomTag(), to, event, cseq: 1 };
    const request = createRequest({
      method: "SUBSCRIBE",
      uri: to,
      from: `<${this.aor}>;tag=${dialog.localTag}`,
      to: `<${to}>`,
      callId: dialog.callId,
      headers: [
        ["Event", event],
        ["Contact", `<${this.client.contact}>`],
        ["Expires", String(options.expires ?? 3600)],
        ...(options.headers ?? []),
      ],
      ...(options.body === undefined ? {} : { body: options.body }),
    });
    return this.client.send(request).then((response) => ({
      ...response,
      dialog: { ...dialog, remoteTag: tagOf(response.headers.get("To") ?? "") ?? "" },
    }));
  }

  /** SUBSCRIBE within a dialog: refresh, or end with 0. */
  resubscribe(
    dialog: Dialog,
    expires = 3600,
    headers: readonly (readonly [string, string])[] = [],
  ): Promise<SipResponse> {
    dialog.cseq += 1;
    return this.client.send(
      createRequest({
        method: "SUBSCRIBE",
        uri: `sip:${this.server.name}@127.0.0.1:5060`,
        from: `<${this.aor}>;tag=${dialog.localTag}`,
        to: `<${dialog.to}>;tag=${dialog.remoteTag}`,
        callId: dialog.callId,
        cseq: dialog.cseq,
        headers: [
          ["Event", dialog.event],
          ["Contact", `<${this.client.contact}>`],
          ["Expires", String(expires)],
          ...headers,
        ],
      }),
    );
  }

  /** NOTIFYs of one event package, oldest first. */
  notifies(event: string): SipRequest[] {
    return this.client.received.filter(
      ({ method, headers }) => method === "NOTIFY" && headers.get("Event")?.split(";", 1)[0] === event,
    );
  }

  /** PUBLISH of a tuple with a note; without one a refresh, or with `expires: 0` the end. */
  async publish(
    note: string | undefined,
    options: {
      readonly basic?: "open" | "closed";
      readonly expires?: number;
      readonly ifMatch?: string;
      readonly initial?: boolean;
    } = {},
  ): Promise<SipResponse> {
    const ifMatch = options.initial === true ? undefined : (options.ifMatch ?? this.entityTag);
    const response = await this.client.send(
      createRequest({
        method: "PUBLISH",
        uri: this.aor,
        from: `<${this.aor}>;tag=${randomTag()}`,
        to: `<${this.aor}>`,
        headers: [
          ["Event", "presence"],
          ["Expires", String(options.expires ?? 3600)],
          ...(ifMatch === undefined ? [] : [["SIP-If-Match", ifMatch] as const]),
          ...(note === undefined ? [] : [["Content-Type", "application/pidf+xml"] as const]),
        ],
        ...(note === undefined
          ? {}
          : { body: pidfText(note, options.basic ?? "open", this.client.flow.port.toString(36)) }),
      }),
    );
    if (response.status === 200) this.entityTag = response.headers.get("SIP-ETag");
    return response;
  }
}

function readNotify({ headers, body }: SipRequest): Seen {
  const { state, params } = parseSubscriptionState(headers.get("Subscription-State") ?? "");
  const reason = params.get("reason");
  if (body.length === 0 || headers.get("Content-Type") !== "application/pidf+xml")
    return { state, ...(reason === undefined ? {} : { reason }), basic: "none", note: "" };
  const document = parseComposedPidf(body);
  const notes = tuplesOf(document).flatMap((tuple) =>
    childElements(tuple)
      .filter(({ local }) => local === "note")
      .map(textOf),
  );
  return { state, ...(reason === undefined ? {} : { reason }), basic: overallBasic(document), note: notes.join(",") };
}
