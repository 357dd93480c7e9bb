import type { NodeStatus } from "./node-view.ts";

/** What a scraper is told of the format. @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples of one name. */
interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The state of a node in the text format of Prometheus, version 0.0.4. */
export function formatMetrics(status: NodeStatus): string {
  return [...gaugesOf(status), ...countersOf(status.counters)].map(formatFamily).join("");
}

function gaugesOf(status: NodeStatus): Family[] {
  const { server, domain, software, registrar, presence, held, history, replica, peers, memory, room } = status;
  const { failing, fullSinceMs, size } = history;
  const gauge = (name: string, help: string, ...samples: (Sample | number | undefined)[]): Family => ({
    ...{ name: `aorta_${name}`, type: "gauge", help },
    samples: samples.flatMap((sample) =>
      sample === undefined ? [] : [typeof sample === "number" ? { value: sample } : sample],
    ),
  });
  const info = { server: server.name, number: String(server.number), domain, software };
  return [
    gauge("node_info", "Always 1; the labels say which node this is.", { labels: info, value: 1 }),
    gauge("running", "1 while the node serves users, 0 while it starts, drains or is out of its domain.", {
      value: Number(status.state === "running"),
    }),
    gauge("start_time_seconds", "When the node was started, seconds since 1970.", status.startedAtMs / 1000),
    gauge(
      "certificate_expiry_time_seconds",
      "When the first of the TLS certificates runs out, seconds since 1970.",
      status.certificateExpiresAtMs === undefined ? undefined : status.certificateExpiresAtMs / 1000,
    ),
    gauge("owned_users", "Users that this server owns.", status.owned),
    gauge("registered_users", "Users with contacts on this server.", registrar.users),
    gauge("registered_users_max", "Users with contacts that this server has room for.", room.users),
    gauge("contacts", "Contacts registered on this server.", registrar.contacts),
    gauge("reclaiming_users", "Users with contacts here who are to be claimed again.", registrar.reclaiming),
    gauge("publications", "Presence documents published here.", presence.publications),
    gauge(
      "subscriptions",
      "Subscriptions that are served here, of clients and of other servers.",
      { labels: { of: "clients" }, value: presence.watchers },
      { labels: { of: "servers" }, value: presence.peerSubscriptions },
    ),
    gauge("subscriptions_max", "Subscriptions that this server has room for.", room.subscriptions),
    gauge("held_messages", "Messages that wait here for their recipients.", held.messages),
    gauge("held_recipients", "Users whom messages wait for here.", held.recipients),
    gauge("links_up", "Links to other servers that are up.", peers.up),
    gauge("links", "Links to other servers that there should be.", peers.all),
    gauge("replicated_users", "Users of whom this server keeps a replica.", replica.registers),
    gauge("storage_failing", "1 while the disk cannot be written.", Number(status.storageProblem !== undefined)),
    gauge("history_bytes", "Size of the history of messages.", size?.bytes),
    gauge("history_bytes_max", "What the history may grow to.", size?.bytesMax),
    gauge("history_full", "1 while old messages make room for new ones.", Number(fullSinceMs !== undefined)),
    gauge("history_failing", "1 while the history cannot be written.", Number(failing !== undefined)),
    gauge("resident_memory_bytes", "Memory of the process.", memory.rssBytes),
    gauge("heap_bytes", "JavaScript heap in use.", memory.heapBytes),
  ];
}

/** `edge.refused.404` is `aorta_edge_refused_total{kind="404"}`: what differs by kind is of one family. */
function countersOf(counters: NodeStatus["counters"]): Family[] {
  const families = new Map<string, Family & { readonly samples: Sample[] }>();
  for (const [event, value] of Object.entries(counters)) {
    const [part = "", what = "", ...kinds] = event.split(".");
    const name = `aorta_${part}_${what}_total`.replaceAll(/[^a-zA-Z0-9_]/g, "_");
    const help = `Events ${part}.${what} since the start, as aorta status counts them.`;
    const family = families.get(name) ?? { name, type: "counter", help, samples: [] };
    family.samples.push({ ...(kinds.length > 0 && { labels: { kind: kinds.join(".") } }), value });
    families.set(name, family);
  }
  return [...families.values()];
}

function formatFamily({ name, type, help, samples }: Family): string {
  if (samples.length === 0) return "";
  const lines = [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`];
  for (const { labels = {}, value } of samples) {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text).replaceAll('"', '\\"')}"`);
    lines.push(`${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`);
  }
  return `${lines.join("\n")}\n`;
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
