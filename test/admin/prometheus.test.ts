import { expect } from "chai";
import { formatMetrics } from "../../node/admin/prometheus.ts";
import { MemoryView } from "./memory-view.ts";

interface Parsed {
  readonly type: string;
  readonly help: string;
  /** By labels, in their order. */
  readonly samples: Map<string, number>;
}

/**
 * Reads what the format's own page allows, and nothing else.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
 */
function parse(text: string): Map<string, Parsed> {
  expect(text.endsWith("\n"), "the last line ends too").to.equal(true);
  const families = new Map<string, Parsed>();
  let present: [name: string, family: Parsed] | undefined;
  let help: string | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, kind, named = "", rest = ""] = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/.exec(line) ?? [];
    if (kind === "HELP") {
      expect(rest).to.match(/^(?:[^\\\n]|\\\\|\\n)*$/);
      help = rest;
    } else if (kind === "TYPE") {
      expect(families.has(named), `${named} comes once`).to.equal(false);
      expect(rest).to.be.oneOf(["counter", "gauge"]);
      present = [named, { type: rest, help: help ?? "", samples: new Map() }];
      families.set(...present);
    } else {
      const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
      expect(sample, line).to.not.equal(null);
      const [, name, labels = "", value] = sample!;
      expect(name, "samples follow their TYPE").to.equal(present?.[0]);
      expect(labels).to.match(/^(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"(?:,(?!$)|$))*$/);
      expect(present![1].samples.has(labels), `${line} comes once`).to.equal(false);
      expect(Number.isFinite(Number(value)), line).to.equal(true);
      present![1].samples.set(labels, Number(value));
    }
  }
  return families;
}

describe("the metrics of a node for Prometheus", () => {
  const status = new MemoryView().status();
  const read = (more: object = {}) => parse(formatMetrics({ ...status, ...more }));
  const only = (family: Parsed | undefined) => family?.samples.get("");

  it("are gauges of what there is", () => {
    const families = read({
      ...{ owned: 3, held: { recipients: 1, messages: 2 }, registrar: { users: 3, contacts: 4, reclaiming: 0 } },
      presence: { ...status.presence, watchers: 7, peerSubscriptions: 8 },
      history: { size: { bytes: 10, bytesMax: 20 }, fullSinceMs: 1 },
      certificateExpiresAtMs: 1_900_000_000_000,
      ...{ peers: { up: 1, all: 2 }, memory: { rssBytes: 1e12, heapBytes: 5 } },
    });
    for (const [name, value] of Object.entries({
      ...{ aorta_registered_users_max: 1000, aorta_subscriptions_max: 2000 },
      ...{ aorta_running: 1, aorta_owned_users: 3, aorta_contacts: 4, aorta_held_messages: 2 },
      aorta_certificate_expiry_time_seconds: 1_900_000_000,
      ...{ aorta_links_up: 1, aorta_links: 2, aorta_resident_memory_bytes: 1e12, aorta_heap_bytes: 5 },
      ...{ aorta_history_bytes: 10, aorta_history_full: 1, aorta_history_failing: 0, aorta_storage_failing: 0 },
    })) {
      expect(only(families.get(name)), name).to.equal(value);
      expect(families.get(name)).to.include({ type: "gauge" });
      expect(families.get(name)?.help).to.match(/\w/);
    }
    expect(families.get("aorta_subscriptions")?.samples).to.deep.equal(
      new Map([
        ['of="clients"', 7],
        ['of="servers"', 8],
      ]),
    );
  });

  it("leave out what is not known", () => {
    expect(read().has("aorta_history_bytes")).to.equal(false);
    expect(read().has("aorta_certificate_expiry_time_seconds")).to.equal(false);
  });

  it("are counters of what has happened, those of one name together, by kind", () => {
    const counters = { "edge.refused.404": 2, "edge.refused.482": 1, "sip.requests_in": 9, "mesh.odd-name": 1 };
    const families = read({ counters });
    expect(families.get("aorta_edge_refused_total")).to.deep.include({
      type: "counter",
      samples: new Map([
        ['kind="404"', 2],
        ['kind="482"', 1],
      ]),
    });
    expect(only(families.get("aorta_sip_requests_in_total"))).to.equal(9);
    expect(only(families.get("aorta_mesh_odd_name_total"))).to.equal(1);
  });

  it("say who the node is, whatever it is called", () => {
    const server = { ...status.server, name: 'a"b\\c\nd' };
    expect([...read({ server }).get("aorta_node_info")!.samples.keys()][0]).to.contain('server="a\\"b\\\\c\\nd"');
  });
});
