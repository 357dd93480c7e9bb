import { DEFAULT_EXPIRY } from "../../../node/runtime/expiry-rules.ts";
import { expect } from "chai";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ConfigInput } from "../../../node/config/node-config.ts";
import { loadConfig } from "../../../node/config/node-config.ts";
import { optionNames, variableOf } from "../../../node/config/options.ts";
import type { Flags } from "../../../node/config/sources.ts";
import { ConfigurationError } from "../../../node/runtime/errors.ts";

describe("the configuration", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "aorta-config-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const file = (text: string): string => {
    const path = join(folder, "aorta.yaml");
    writeFileSync(path, text);
    return path;
  };
  const load = (input: Partial<ConfigInput> = {}) => loadConfig({ flags: {}, environment: {}, ...input });
  const problemsOf = (input: Partial<ConfigInput>): string[] => {
    try {
      load(input);
    } catch (error) {
      expect(error).to.be.instanceOf(ConfigurationError).with.property("code", "BAD_CONFIGURATION");
      return (error as Error).message
        .split("\n")
        .slice(1)
        .map((line) => line.trim().replace(`${folder}/`, ""));
    }
    return [];
  };

  it("has a sensible value for everything", () => {
    const config = load();
    expect(config).to.deep.include({
      dataFolder: resolve("aorta-data"),
      sip: [{ address: "0.0.0.0", port: 5060 }],
      ws: [],
      mesh: [{ address: "0.0.0.0", port: 4060 }],
      adminSocket: resolve("aorta-data/admin.sock"),
      authentication: "digest",
      digest: "md5",
      trusted: [],
      onConflict: "takeover",
      unknownUsers: "hold",
      natPingMs: 25_000,
      historyMs: 90 * 86_400_000,
      maxContacts: 16,
      registrarExpiry: { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 },
      presenceExpiry: { minSeconds: 60, defaultSeconds: 3600, maxSeconds: 7200 },
      announce: [],
      mdns: false,
      bootstrap: [],
      observers: [],
      logLevel: "info",
    });
    expect(config.name).to.match(/^[A-Za-z0-9-]+$/);
    expect(config).to.not.have.any.keys("domain", "joinToken", "leaseMs", "voters", "adminTcp");
  });

  it("gives nodes on different SIP ports of one machine different names", () => {
    expect(load({ flags: { sip: ["127.0.0.1:5070"] } }).name).to.equal(`${load().name}-5070`);
  });

  // One line for every setting: its text in all three sources, and what comes of it.
  const peer = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
  const certificate = { certificate: "/srv/cert.pem", key: "/srv/key.pem" };
  const pair = { "tls-cert": certificate.certificate, "tls-key": certificate.key };
  const settings: Record<
    (typeof optionNames)[number],
    [text: string, key: string, value: unknown, withThese?: Record<string, string>]
  > = {
    domain: ["Example.com", "domain", "example.com"],
    join: ["aorta1-abc", "joinToken", "aorta1-abc"],
    data: ["/srv/aorta", "dataFolder", "/srv/aorta"],
    name: ["berlin-1", "name", "berlin-1"],
    sip: ["127.0.0.1:5062", "sip", [{ address: "127.0.0.1", port: 5062 }]],
    ws: ["127.0.0.1:8080", "ws", [{ address: "127.0.0.1", port: 8080 }]],
    tls: ["[::1]:5061", "tls", [{ address: "::1", port: 5061 }], pair],
    "sip-name": ["sip1.example.com:5060", "sipNames", [{ host: "sip1.example.com", port: 5060 }]],
    wss: ["127.0.0.1:8443", "wss", [{ address: "127.0.0.1", port: 8443 }], pair],
    "tls-cert": [certificate.certificate, "certificates", [certificate], { "tls-key": certificate.key }],
    "tls-key": [certificate.key, "certificates", [certificate], { "tls-cert": certificate.certificate }],
    "tls-ca": ["/srv/ca.pem", "authorities", "/srv/ca.pem"],
    unlimited: ["2001:DB8:0::1", "unlimited", ["2001:db8::1"]],
    "proxy-protocol": ["10.0.0.0/8", "proxies", ["10.0.0.0/8"]],
    mesh: ["[::1]:4061", "mesh", [{ address: "::1", port: 4061 }]],
    announce: ["/dns4/berlin.example.com/tcp/4060", "announce", ["/dns4/berlin.example.com/tcp/4060"]],
    mdns: ["on", "mdns", true],
    admin: ["127.0.0.1:8181", "adminTcp", { address: "127.0.0.1", port: 8181 }],
    "admin-socket": ["/run/aorta.sock", "adminSocket", "/run/aorta.sock"],
    auth: ["digest", "authentication", "digest"],
    digest: ["SHA-256", "digest", "sha-256"],
    trust: ["192.0.2.2:5080", "trusted", [{ address: "192.0.2.2", port: 5080 }]],
    "on-conflict": ["redirect", "onConflict", "redirect"],
    "unknown-users": ["refuse", "unknownUsers", "refuse"],
    "registrar-max-contacts": ["40", "maxContacts", 40],
    "registrar-min-expires": ["30", "registrarExpiry", { ...DEFAULT_EXPIRY, minSeconds: 30 }],
    "registrar-default-expires": ["2h", "registrarExpiry", { ...DEFAULT_EXPIRY, defaultSeconds: 7200 }],
    "registrar-max-expires": ["1d", "registrarExpiry", { ...DEFAULT_EXPIRY, maxSeconds: 86_400 }],
    "presence-min-expires": ["5m", "presenceExpiry", { ...DEFAULT_EXPIRY, minSeconds: 300 }],
    "presence-default-expires": ["600", "presenceExpiry", { ...DEFAULT_EXPIRY, defaultSeconds: 600 }],
    "presence-max-expires": ["3601", "presenceExpiry", { ...DEFAULT_EXPIRY, maxSeconds: 3601 }],
    "nat-ping": ["off", "natPingMs", 0],
    history: ["30d", "historyMs", 30 * 86_400_000],
    "history-size": ["500MB", "historyBytes", 500_000_000],
    lease: ["5s", "leaseMs", 5000],
    voters: ["7", "voters", 7],
    bootstrap: ["/ip4/192.0.2.1/tcp/4060", "bootstrap", ["/ip4/192.0.2.1/tcp/4060"]],
    observer: [peer, "observers", [peer]],
    "log-level": ["debug", "logLevel", "debug"],
  };
  for (const name of optionNames) {
    const [text, key, value, flags = {}] = settings[name];
    it(`takes ${name} from a flag, from the environment and from a file`, () => {
      expect(load({ flags: { ...flags, [name]: text } }))
        .to.have.property(key)
        .that.deep.equals(value);
      expect(load({ flags, environment: { [variableOf(name)]: text } }))
        .to.have.property(key)
        .that.deep.equals(value);
      expect(load({ flags, file: file(`${name}: "${text}"\n`) }))
        .to.have.property(key)
        .that.deep.equals(value);
    });
  }

  it("prefers flags to the environment, the environment to the file, the file to defaults", () => {
    const path = file("name: from-file\non-conflict: reject\nlog-level: warn\n");
    const environment = { AORTA_NAME: "from-environment", AORTA_ON_CONFLICT: "redirect" };
    expect(load({ file: path, environment, flags: { name: "from-flag" } })).to.include({
      name: "from-flag",
      onConflict: "redirect",
      logLevel: "warn",
      authentication: "digest",
    });
  });

  it("takes lists from repeated flags, commas in the environment and lists in the file", () => {
    const two = [
      { address: "127.0.0.1", port: 5060 },
      { address: "::1", port: 5060 },
    ];
    expect(load({ flags: { sip: ["127.0.0.1:5060", "[::1]:5060"] } }).sip).to.deep.equal(two);
    expect(load({ environment: { AORTA_SIP: "127.0.0.1:5060, [::1]:5060" } }).sip).to.deep.equal(two);
    expect(load({ file: file("sip:\n  - 127.0.0.1:5060\n  - '[::1]:5060'\n") }).sip).to.deep.equal(two);
  });

  it("takes networks and addresses of servers however they are written", () => {
    const { trusted, unlimited } = load({
      flags: {
        trust: ["10.0.0.0/8", "[2001:DB8::0:1]", "2001:DB8:0::/48", "[2001:DB8::0:1]:5080", "::ffff:192.0.2.1"],
        unlimited: ["2001:DB8:0::/48", "10.0.0.0/8"],
      },
    });
    expect(trusted).to.deep.equal([
      { address: "10.0.0.0/8" },
      { address: "2001:db8::1" },
      { address: "2001:db8::/48" },
      { address: "2001:db8::1", port: 5080 },
      { address: "192.0.2.1" },
    ]);
    expect(unlimited).to.deep.equal(["2001:db8::/48", "10.0.0.0/8"]);
  });

  it("wants a unit with durations: a number without one might mean any", () => {
    expect(load({ file: file("lease: 2.5s\n") }).leaseMs).to.equal(2500);
    expect(problemsOf({ file: file("lease: 2500\nhistory: 30\n") })).to.deep.equal([
      'aorta.yaml:1: lease: expected a duration from 500ms to 10m, such as 10s, not "2500"',
      'aorta.yaml:2: history: expected a duration of at least 1m, such as 30d, or off, not "30"',
    ]);
  });

  it("lets an expiry that is not given give way to those that are", () => {
    const expiryOf = (min?: string, usual?: string, max?: string) => {
      const names = { min, default: usual, max };
      const given = Object.entries(names).filter((entry): entry is [string, string] => entry[1] !== undefined);
      const rules = load({
        flags: Object.fromEntries(given.map(([name, text]) => [`registrar-${name}-expires`, text])),
      });
      return Object.values(rules.registrarExpiry);
    };
    expect(expiryOf(undefined, undefined, "1800")).to.deep.equal([60, 1800, 1800]);
    expect(expiryOf(undefined, undefined, "30")).to.deep.equal([30, 30, 30]);
    expect(expiryOf(undefined, "4h")).to.deep.equal([60, 14_400, 14_400]);
    expect(expiryOf(undefined, "20")).to.deep.equal([20, 20, 7200]);
    expect(expiryOf("3600", undefined, "3600")).to.deep.equal([3600, 3600, 3600]);
  });

  it("takes paths of a file relative to the file, others relative to the working folder", () => {
    expect(load({ file: file("data: here\n") }).dataFolder).to.equal(join(folder, "here"));
    expect(load({ flags: { data: "here" } }).dataFolder).to.equal(resolve("here"));
  });

  it("finds the file by the environment, but a flag goes before", () => {
    const path = file("name: from-file\n");
    expect(load({ environment: { AORTA_CONFIG: path } }).name).to.equal("from-file");
    expect(load({ environment: { AORTA_CONFIG: "/nowhere.yaml" }, file: path }).name).to.equal("from-file");
  });

  it("leaves the variables that Kubernetes makes for a service alone", () => {
    for (const service of ["AORTA", "AORTA_SIP", "AORTA_MESH_2"]) {
      const environment = {
        [`${service}_SERVICE_HOST`]: "10.0.0.1",
        [`${service}_SERVICE_PORT`]: "5060",
        [`${service}_SERVICE_PORT_SIP_UDP`]: "5060",
        [`${service}_PORT`]: "udp://10.0.0.1:5060",
        [`${service}_PORT_5060_UDP`]: "udp://10.0.0.1:5060",
        [`${service}_PORT_5060_UDP_ADDR`]: "10.0.0.1",
      };
      expect(load({ environment }), service).to.deep.equal(load());
    }
    expect(problemsOf({ environment: { AORTA_SIP_PORT: "5060" } })).to.have.length(1);
  });

  it("takes an empty variable and an empty file for none", () => {
    expect(load({ environment: { AORTA_NAME: "" }, file: file("# nothing yet\n") })).to.deep.equal(load());
  });

  it("refuses unknown settings and says what may have been meant, and where", () => {
    const problems = problemsOf({
      file: file("name: a\n\nonconflict: reject\ncolour: red\n"),
      environment: { AORTA_DOMIAN: "example.com", PATH: "/bin" },
    });
    expect(problems).to.deep.equal([
      "aorta.yaml:3: unknown setting onconflict (did you mean on-conflict?)",
      "aorta.yaml:4: unknown setting colour",
      "AORTA_DOMIAN: unknown variable (did you mean AORTA_DOMAIN?)",
    ]);
  });

  it("reports every problem of every source at once, each with its place", () => {
    const problems = problemsOf({
      file: file("sip: [127.0.0.1:5060, nonsense]\nlease: true\n"),
      environment: { AORTA_LOG_LEVEL: "loud" },
      flags: { auth: "maybe", domain: "exa mple" },
    });
    expect(problems).to.deep.equal([
      'aorta.yaml:1: sip: expected address:port, such as 0.0.0.0:5060, not "nonsense"',
      "aorta.yaml:2: lease: expected a duration from 500ms to 10m, such as 10s",
      'AORTA_LOG_LEVEL: expected one of debug, info, warn, error, silent, not "loud"',
      '--domain: expected a domain, such as example.com, not "exa mple"',
      '--auth: expected one of digest, none, not "maybe"',
    ]);
  });

  const refused: Record<string, [Partial<ConfigInput>, string]> = {
    "a domain and a token": [
      { flags: { domain: "a.com" }, environment: { AORTA_JOIN: "t" } },
      "--domain, AORTA_JOIN: found a domain or join one, not both",
    ],
    "a lease term when joining": [
      { flags: { join: "t", lease: "5s" } },
      "--lease: the lease term is chosen where the domain is founded; a server that joins gets it from there",
    ],
    "a domain whose servers hold nothing": [
      { flags: { voters: "0" } },
      '--voters: expected a number from 1 to 4096, not "0"',
    ],
    "a lease term too short to keep": [
      { flags: { lease: "10ms" } },
      '--lease: expected a duration from 500ms to 10m, such as 10s, not "10ms"',
    ],
    "a registration above an hour as too brief (RFC 3261 §10.3)": [
      { flags: { "registrar-min-expires": "3601" } },
      '--registrar-min-expires: expected seconds from 1 to 3600, or a duration such as 5m, not "3601"',
    ],
    "more devices of a user than a request can be forked to": [
      { flags: { "registrar-max-contacts": "61" } },
      '--registrar-max-contacts: expected a number from 1 to 60, not "61"',
    ],
    "an expiry of no whole seconds": [
      { flags: { "presence-max-expires": "1500ms" } },
      '--presence-max-expires: expected seconds from 1 to 2592000, or a duration such as 5m, not "1500ms"',
    ],
    "pings that would be a flood": [
      { flags: { "nat-ping": "1s" } },
      '--nat-ping: expected a duration from 5s to 10m, such as 25s, or off, not "1s"',
    ],
    "an expiry of nothing": [
      { flags: { "presence-min-expires": "0" } },
      '--presence-min-expires: expected seconds from 1 to 3600, or a duration such as 5m, not "0"',
    ],
    "a shortest expiry above the longest": [
      {
        flags: { "presence-min-expires": "600", "registrar-max-expires": "300" },
        environment: { AORTA_PRESENCE_MAX_EXPIRES: "300" },
      },
      "--presence-min-expires, AORTA_PRESENCE_MAX_EXPIRES: 600 s is more than 300 s",
    ],
    "a usual expiry above the longest": [
      { flags: { "registrar-default-expires": "2h", "registrar-max-expires": "1h" } },
      "--registrar-default-expires, --registrar-max-expires: 7200 s is more than 3600 s",
    ],
    "a history in which nothing has room": [
      { flags: { "history-size": "500" } },
      '--history-size: expected a size of 16MiB to 1TiB, such as 500MB, not "500"',
    ],
    "a history that is over at once": [
      { flags: { history: "30ms" } },
      '--history: expected a duration of at least 1m, such as 30d, or off, not "30ms"',
    ],
    "no authentication where others can reach SIP": [
      { flags: { auth: "none" } },
      "--auth: without authentication anybody is anybody: only where SIP listens on loopback, not on 0.0.0.0:5060",
    ],
    "users known by a table that is not asked": [
      { flags: { auth: "none", sip: ["127.0.0.1:5060"], "unknown-users": "refuse" } },
      "--auth, --unknown-users: without authentication there is no table of users to know them by",
    ],
    "an admin address that others can reach": [
      { flags: { admin: "0.0.0.0:8181" } },
      "--admin: expected a loopback address, such as 127.0.0.1:8181",
    ],
    "the same address twice": [
      { flags: { sip: ["127.0.0.1:5060"], mesh: ["127.0.0.1:5060"] } },
      "--sip, --mesh: 127.0.0.1:5060 is given twice",
    ],
    "TLS without a certificate": [
      { flags: { tls: ["127.0.0.1:5061"] } },
      "--tls: a certificate is needed: tls-cert and tls-key name its files",
    ],
    "a certificate without its key": [
      { flags: { "tls-cert": ["a.pem", "b.pem"], "tls-key": ["a.key"] } },
      "--tls-cert, --tls-key: each certificate needs its key, in the same order",
    ],
    "a certificate and no key": [
      { flags: { "tls-cert": "a.pem" } },
      "--tls-cert, --tls-key (not given): each certificate needs its key, in the same order",
    ],
    "an empty list of addresses": [{ flags: { sip: [] } }, "--sip: at least one address is needed"],
    "a SIP name that is none": [
      { flags: { "sip-name": "sip:sip1.example.com" } },
      '--sip-name: expected a host with or without a port, such as sip1.example.com, not "sip:sip1.example.com"',
    ],
    "a SIP name at no port": [
      { environment: { AORTA_SIP_NAME: "sip1.example.com:0" } },
      'AORTA_SIP_NAME: expected a host with or without a port, such as sip1.example.com, not "sip1.example.com:0"',
    ],
    "a malformed multiaddr": [
      { flags: { bootstrap: "192.0.2.1" } },
      '--bootstrap: expected a multiaddr, such as /ip4/192.0.2.1/tcp/4060, not "192.0.2.1"',
    ],
    "an announced address with a peer id": [
      { flags: { announce: `/ip4/192.0.2.1/tcp/4060/p2p/${peer}` } },
      `--announce: expected a multiaddr without peer id, such as /ip4/192.0.2.1/tcp/4060, not "/ip4/192.0.2.1/tcp/4060/p2p/${peer}"`,
    ],
    "a malformed peer id": [
      { flags: { observer: "me" } },
      '--observer: expected a libp2p peer id, such as 12D3Koo…, not "me"',
    ],
    "a file that is not there": [
      { file: "/nowhere.yaml" },
      "/nowhere.yaml: cannot be read: ENOENT: no such file or directory, open '/nowhere.yaml'",
    ],
  };
  for (const [what, [input, problem]] of Object.entries(refused)) {
    it(`refuses ${what}`, () => expect(problemsOf(input)).to.deep.equal([problem]));
  }

  it("refuses networks that are none, or everybody's", () => {
    const wrong = ["10.0.0.0/33", "0.0.0.0/0", "10.0.0.0/8:5060", "2001:db8::/129", "10.0.0.0/", "10.0.0/8"];
    expect(problemsOf({ flags: { trust: wrong } })).to.deep.equal(
      wrong.map(
        (text) =>
          `--trust: expected an IP address with or without a port, or a network, such as 192.0.2.1, 192.0.2.1:5060 or 10.0.0.0/8, not "${text}"`,
      ),
    );
    expect(problemsOf({ flags: { unlimited: wrong } })).to.have.length(wrong.length);
  });

  it("refuses a file that is no YAML, or no settings", () => {
    expect(problemsOf({ file: file("a: [1\nb: 2") })[0]).to.match(/^aorta\.yaml:\d: /);
    expect(problemsOf({ file: file("- a\n- b\n") })).to.deep.equal([
      "aorta.yaml: expected settings, one `name: value` a line",
    ]);
    expect(problemsOf({ file: file("name: a\nname: b\n") })).to.deep.equal(["aorta.yaml:2: Map keys must be unique"]);
  });

  it("refuses a data folder whose admin socket would have too long a path, unless the socket goes elsewhere", () => {
    const flags: Flags = { data: `/tmp/${"x".repeat(120)}` };
    expect(problemsOf({ flags })[0]).to.match(
      /^--data: the admin socket's path has 136 bytes and may have \d+: .*--admin-socket$/,
    );
    expect(load({ flags: { ...flags, "admin-socket": "/tmp/a.sock" } }).adminSocket).to.equal("/tmp/a.sock");
  });
});
