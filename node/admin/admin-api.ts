import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { fastify } from "fastify";
import { z } from "zod";
import { domainOf } from "../../dht-schema/aor.ts";
import { parseDuration } from "../config/values.ts";
import { noSuchServer } from "../mesh/roster-changes.ts";
import { AortaError, ConfigurationError } from "../runtime/errors.ts";
import { limits } from "../runtime/limits.ts";
import type { Logger } from "../runtime/logger.ts";
import { expandList } from "../presence/lists/expand-list.ts";
import type { ResourceList, User } from "../storage/ports.ts";
import type { NodeView, ServerRef, UserView } from "./node-view.ts";
import { parseUser } from "./parse-user.ts";
import { formatMetrics, PROMETHEUS_TYPE } from "./prometheus.ts";
import { checkNoLists, checkNotServed, checkNoUser } from "./user-or-list.ts";
import { WatchStreams } from "./watch-streams.ts";

export interface AdminApiOptions {
  readonly logger: Logger;
  /** Whether requests that change something are refused. */
  readonly readOnly: boolean;
}

/** The body of every answer that is no success. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

const DEFAULT_INVITE_TTL = "1h";

const inviteBody = z.strictObject({ ttl: z.string().default(DEFAULT_INVITE_TTL), steward: z.boolean().default(false) });
const userBody = z.strictObject({
  aor: z.string(),
  username: z.string().min(1).max(128),
  ha1Md5: z.string().regex(/^[0-9a-f]{32}$/),
  ha1Sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const usersBody = z.strictObject({ users: z.array(userBody).min(1).max(limits.admin.usersPerImport) });
const listBody = z.strictObject({
  uri: z.string(),
  owner: z.string(),
  members: z.array(z.string()).min(1).max(limits.presence.lists.members),
});
const contactQuery = z.strictObject({ uri: z.string().min(1).max(limits.sip.uriBytes).optional() });
const bindingsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(limits.admin.bindings).default(1000),
});

/** Nothing failed: as the domain stands, what was asked for would do harm, or is for another node to do. */
const REFUSALS: ReadonlySet<string> = new Set([
  "CHANGE_UNDER_WAY",
  "IS_LEAVING",
  "IS_STEWARD",
  "IS_VOTER",
  "LAST_VOTER",
  "NOT_A_STEWARD",
  "OWNED_ELSEWHERE",
  "NOT_A_VOTER",
  "NO_DOMAIN_KEY",
  "TOO_FEW_VOTERS",
  "SERVER_DOWN",
  "SERVER_UP",
  "STALE_ROSTER",
  "STEWARD_ALONE",
  "STEWARD_CONTESTED",
  "STEWARD_DOWN",
  "STEWARD_UP",
]);

const serverName = z.string().min(1).max(128);
const removeBody = z.strictObject({ servers: z.array(serverName).min(1).max(64), force: z.boolean().default(false) });
const promoteBody = z.strictObject({ server: serverName });
const replaceBody = z.strictObject({ old: serverName, by: serverName });
const stewardBody = z.strictObject({
  server: serverName,
  seize: z.boolean().default(false),
  gone: z.array(serverName).max(64).default([]),
});
const historyQuery = z.strictObject({
  words: z.string().max(limits.history.queryChars).default(""),
  peer: z.string().max(limits.history.queryChars).optional(),
  since: z.coerce.number().min(0).default(0),
  before: z.coerce.number().min(0).default(Number.MAX_SAFE_INTEGER),
  limit: z.coerce.number().int().min(1).max(limits.history.entries).default(100),
  local: z.stringbool().default(false),
});
const historyRemovalQuery = z.strictObject({ local: z.stringbool().default(false) });

type AorParams = { Params: { aor: string } };

/** The operators' HTTP API of one node, not listening yet. Answers are JSON; an error is an {@link ErrorBody}. */
export function createAdminApi(view: NodeView, { logger, readOnly }: AdminApiOptions): FastifyInstance {
  const explain = (error: unknown, _request: unknown, reply: FastifyReply): FastifyReply => {
    const { status, code, message } = describeError(error);
    if (status >= 500) logger.error({ err: error, code }, "admin request failed");
    return refuse(reply, status, code, message);
  };
  const api = fastify({
    logger: false,
    bodyLimit: limits.admin.bodyBytes,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: limits.admin.pathChars },
    // Of paths: told as all others are.
    frameworkErrors: (error, request, reply) => void explain(error, request, reply),
  });
  const watches = new WatchStreams();

  api.setErrorHandler(explain);
  api.setNotFoundHandler((request, reply) =>
    refuse(reply, 404, "NO_SUCH_PATH", `nothing at ${request.method} ${request.url}`),
  );
  api.addHook("onRequest", async (request, reply) => {
    if (readOnly && !isLocalHost(request))
      return refuse(reply, 403, "FOREIGN_HOST", "this API is for this machine only");
    if (readOnly && request.method !== "GET" && request.method !== "HEAD") {
      return refuse(reply, 403, "READ_ONLY", "changes are made over the admin socket in the data folder");
    }
    return undefined;
  });
  api.addHook("preClose", async () => watches.closeAll());

  api.get("/healthz", async (_request, reply) => {
    const { state, peers } = view.status();
    return reply.status(state === "running" ? 200 : 503).send({ state, peers });
  });
  api.get("/metrics", async (_request, reply) => reply.type(PROMETHEUS_TYPE).send(formatMetrics(view.status())));
  api.get("/v1/status", async () => view.status());
  api.get("/v1/roster", async () => view.roster());
  api.post("/v1/roster/remove", async (request) => {
    const { servers, force } = removeBody.parse(request.body);
    await view.control.remove(servers, force);
    return view.roster();
  });
  api.post("/v1/roster/promote", async (request) => {
    await view.control.promote(promoteBody.parse(request.body).server);
    return view.roster();
  });
  api.post("/v1/roster/replace", async (request) => {
    const { old, by } = replaceBody.parse(request.body);
    await view.control.replace(old, by);
    return view.roster();
  });
  api.post("/v1/roster/steward", async (request) => {
    const { server, seize, gone } = stewardBody.parse(request.body);
    if (!seize) await view.control.handOn(server);
    else if (isNamed(view.status().server, server)) await view.control.seize(gone);
    else throw new ConfigurationError("OTHER_SERVER", `the role can only be seized on ${server} itself: ask its node`);
    return view.roster();
  });
  api.get("/v1/drain", async () => view.drainView());
  api.post("/v1/drain", async () => {
    await view.drain();
    return view.drainView();
  });
  api.get("/v1/peers", async () => view.peers());
  api.get<{ Params: { id: string } }>("/v1/peers/:id", async (request, reply) => {
    const { id } = request.params;
    const roster = view.roster();
    const server = roster.servers.find((one) => one.id === id || one.name === id || String(one.number) === id);
    const detail = server && view.peer(server.id);
    return detail ?? refuse(reply, 404, "NO_SUCH_SERVER", noSuchServer(roster, id));
  });
  api.get<AorParams>("/v1/lookup/:aor", async (request) =>
    view.lookup(parseUser(request.params.aor, view.roster().domain)),
  );
  api.get("/v1/bindings", async (request) => {
    const { limit } = bindingsQuery.parse(request.query);
    const bindings = [];
    let all = 0;
    for (const binding of view.bindings()) if (all++ < limit) bindings.push(binding);
    return { all, bindings };
  });
  api.get<AorParams>("/v1/contacts/:aor", async (request) =>
    view.contacts(parseUser(request.params.aor, view.roster().domain)),
  );
  api.delete<AorParams>("/v1/contacts/:aor", async (request, reply) => {
    const aor = parseUser(request.params.aor, view.roster().domain);
    const { uri } = contactQuery.parse(request.query);
    const removed = await view.removeContacts(aor, uri);
    const what = uri === undefined ? "no contacts" : `no contact ${uri}`;
    return removed.length > 0 ? { aor, removed } : refuse(reply, 404, "NO_SUCH_CONTACT", `${aor} has ${what}`);
  });
  api.get<AorParams>("/v1/watch/:aor", async (request, reply) => {
    const aor = parseUser(request.params.aor, view.roster().domain);
    if (watches.isFull)
      return refuse(reply, 503, "TOO_MANY_WATCHES", `${limits.admin.watches} watches are open already`);
    reply.hijack();
    watches.open(reply.raw, (listener) => view.watch(aor, listener));
    return reply;
  });
  api.get<AorParams>("/v1/history/:aor", async (request, reply) => {
    // Any process of the machine may read here; what people wrote to each other is not for all of them.
    if (readOnly) return refuse(reply, 403, "PRIVATE", "histories are read over the admin socket in the data folder");
    const { domain } = view.roster();
    const { words: text, peer, since, before, limit, local } = historyQuery.parse(request.query);
    const words = text.split(/\s+/).filter((word) => word !== "");
    if (words.length > limits.history.words)
      throw new ConfigurationError("TOO_MANY_WORDS", `at most ${limits.history.words} words`);
    const user = parseUser(request.params.aor, domain);
    const page = { sinceMs: since, beforeMs: before, limit };
    return view.history({ user, words, ...page, ...(peer && { peer: parseUser(peer, domain) }) }, !local);
  });
  api.delete<AorParams>("/v1/history/:aor", async (request) => {
    const { local } = historyRemovalQuery.parse(request.query);
    const aor = parseUser(request.params.aor, view.roster().domain);
    return { aor, ...(await view.removeHistory(aor, !local)) };
  });
  api.post("/v1/invites", async (request) => {
    const { ttl, steward } = inviteBody.parse(request.body ?? {});
    const ttlMs = parseDuration(ttl);
    if (ttlMs === undefined)
      throw new ConfigurationError(
        "BAD_TTL",
        `expected a duration, such as ${DEFAULT_INVITE_TTL}, not ${JSON.stringify(ttl)}`,
      );
    return view.invite({ ttlMs, steward });
  });
  api.get("/v1/users", async () => view.users.list().map(withoutSecrets));
  api.post("/v1/users", async (request, reply) => {
    const body = userBody.parse(request.body);
    const aor = parseUser(body.aor, view.roster().domain);
    const user = { ...body, aor, realm: domainOf(aor) };
    checkNoLists([user], view.lists);
    view.users.put(user);
    return reply.status(201).send(withoutSecrets(user));
  });
  api.post("/v1/users/import", { bodyLimit: limits.admin.usersBytes }, async (request, reply) => {
    const { domain } = view.roster();
    const users = usersBody.parse(request.body).users.map((user) => {
      const aor = parseUser(user.aor, domain);
      return { ...user, aor, realm: domainOf(aor) };
    });
    checkNoLists(users, view.lists);
    view.users.putAll(users);
    return reply.status(204).send();
  });
  api.delete<AorParams>("/v1/users/:aor", async (request, reply) => {
    const aor = parseUser(request.params.aor, view.roster().domain);
    if (!view.users.remove(aor)) return refuse(reply, 404, "NO_SUCH_USER", `there is no user ${aor}`);
    return reply.status(204).send();
  });
  api.get("/v1/lists", async () => view.lists.list());
  api.post("/v1/lists", async (request, reply) => {
    const { uri, owner, members } = listBody.parse(request.body);
    const { domain } = view.roster();
    const list = {
      uri: parseUser(uri, domain),
      owner: parseUser(owner, domain),
      members: [...new Set(members.map((member) => parseUser(member, domain)))],
    };
    const whereabouts = await view.lookup(list.uri);
    // From here on in one turn: who is added meanwhile would be hidden.
    checkList(list, view);
    checkNotServed(whereabouts);
    view.lists.put(list);
    return reply.status(201).send(list);
  });
  api.delete<AorParams>("/v1/lists/:aor", async (request, reply) => {
    const uri = parseUser(request.params.aor, view.roster().domain);
    if (!view.lists.remove(uri)) return refuse(reply, 404, "NO_SUCH_LIST", `there is no list ${uri}`);
    return reply.status(204).send();
  });
  return api;
}

/** @throws {ConfigurationError} `IS_USER`, `LIST_TOO_LARGE` */
function checkList({ uri, members }: ResourceList, { users, lists }: NodeView): void {
  checkNoUser(uri, users);
  const others = new Map(lists.list().map((list) => [list.uri, list.members]));
  if (expandList(members, (member) => others.get(member), uri).kind === "too-large") {
    const { members: most, depth, uriBytes } = limits.presence.lists;
    throw new ConfigurationError(
      "LIST_TOO_LARGE",
      `with the lists on it, it has more than ${most} users, addresses of more than ${uriBytes} octets in all, or more than ${depth} levels`,
    );
  }
}

const isNamed = ({ id, name, number }: ServerRef, named: string): boolean =>
  id === named || name === named || String(number) === named;
const withoutSecrets = ({ aor, username, realm }: User): UserView => ({ aor, username, realm });

function refuse(reply: FastifyReply, status: number, code: string, message: string): FastifyReply {
  return reply.status(status).send({ error: { code, message } } satisfies ErrorBody);
}

/** Whether the client named this machine itself: a web page that a browser was lured to names another host. */
function isLocalHost(request: FastifyRequest): boolean {
  return /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])(?::\d{1,5})?$/i.test(request.headers.host ?? "");
}

function statusOf({ family, code }: AortaError): number {
  if (family !== "operational") return 400;
  return code === "NO_SUCH_SERVER" ? 404 : REFUSALS.has(code) ? 409 : 503;
}

function describeError(error: unknown): { readonly status: number; readonly code: string; readonly message: string } {
  if (error instanceof z.ZodError) {
    const problems = error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`);
    return { status: 400, code: "BAD_REQUEST", message: problems.join("; ") };
  }
  if (error instanceof AortaError && error.family !== "programmer") {
    return { status: statusOf(error), code: error.code, message: error.message };
  }
  // What fastify refuses by itself: malformed JSON, a body too large, …
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
  if (statusCode !== undefined && statusCode < 500)
    return { status: statusCode, code: code ?? "BAD_REQUEST", message: message ?? "" };
  return { status: 500, code: "INTERNAL", message: "something is wrong in this node; its log tells more" };
}
