import { once } from "node:events";
import type { IncomingMessage, RequestOptions } from "node:http";
import { request } from "node:http";
import { createInterface } from "node:readline";
import type { ErrorBody } from "../admin/admin-api.ts";
import { AortaError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";

/** Where a node's admin API is. */
export type AdminEndpoint = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The node answered that it will not or cannot do what was asked. */
export class AdminRefusal extends AortaError {
  override readonly name = "AdminRefusal";
  /** HTTP status. */
  readonly status: number;

  constructor(status: number, { error: { code, message } }: ErrorBody) {
    super("operational", code, message);
    this.status = status;
  }
}

/** Talks to the admin API of one node. */
export class AdminClient {
  readonly #endpoint: AdminEndpoint;

  constructor(endpoint: AdminEndpoint) {
    this.#endpoint = endpoint;
  }

  /**
   * One request; the body of its answer, `undefined` when it has none.
   * @throws {AdminRefusal} when the answer is no success
   * @throws {NodeJS.ErrnoException} when there is nobody to ask; `ABORT_ERR` when who is there does not answer
   */
  async call<Answer>(
    method: "GET" | "POST" | "DELETE",
    path: string,
    body?: object,
    answerMs: number = limits.admin.answerMs,
  ): Promise<Answer> {
    const response = await this.#send(method, path, body, AbortSignal.timeout(answerMs));
    return JSON.parse((await textOf(response)) || "null") as Answer;
  }

  /** The events of a stream, until it ends or `signal` aborts. Errors as {@link call}. */
  async *events<Event>(
    path: string,
    signal: AbortSignal,
    answerMs: number = limits.admin.answerMs,
  ): AsyncGenerator<Event> {
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(), answerMs);
    const begun = this.#send("GET", path, undefined, AbortSignal.any([signal, silent.signal]));
    const response = await begun.finally(() => clearTimeout(timer));
    for await (const line of createInterface({ input: response, signal })) {
      if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length)) as Event;
    }
  }

  async #send(
    method: string,
    path: string,
    body: object | undefined,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const options: RequestOptions = {
      ...this.#endpoint,
      method,
      path,
      agent: false,
      ...(signal !== undefined && { signal }),
      ...(payload !== undefined && { headers: { "content-type": "application/json" } }),
    };
    const asked = request(options);
    asked.end(payload);
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    throw new AdminRefusal(status, readError(await textOf(response), status));
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  response.setEncoding("utf8");
  let text = "";
  for await (const chunk of response) text += chunk;
  return text;
}

function readError(text: string, status: number): ErrorBody {
  try {
    const body = JSON.parse(text) as Partial<ErrorBody>;
    if (typeof body.error?.message === "string") return body as ErrorBody;
  } catch {
    // No JSON: then it is not our API that answers.
  }
  return { error: { code: "NOT_AORTA", message: `what answers there is no Aorta node (HTTP status ${status})` } };
}
