import type { Style } from "./timeline.ts";
import { paint, renderTable } from "./timeline.ts";

/** What the audience needs to know of a server. */
export interface ServerListing {
  readonly title: string;
  readonly host: string;
  readonly sipPort: number;
  readonly wsPort: number;
  readonly meshPort: number;
  readonly dataFolder: string;
  /** What follows `aorta` to start it again. */
  readonly restart: readonly string[];
  readonly process: { readonly pid: number | undefined; readonly isRunning: boolean };
}

/** The servers and how they are reached. */
export function renderServers(servers: readonly ServerListing[], style: Style): string {
  const columns = ["", "SIP (UDP, TCP)", "SIP (WebSocket)", "mesh (libp2p)", "process"];
  return renderTable(
    columns.map((title) => ({ title, align: "left" })),
    servers.map(({ title, host, sipPort, wsPort, meshPort, process: { pid } }) => [
      title,
      `${host}:${sipPort}`,
      `ws://${host}:${wsPort}`,
      `${host}:${meshPort}`,
      `${pid}`,
    ]),
    style,
  );
}

/** What to try while the servers stay up: every line of commands can be pasted into a shell. */
export function renderEncore(
  command: string,
  domain: string,
  servers: readonly ServerListing[],
  users: Readonly<Record<string, string>>,
  style: Style,
): string {
  const [first] = servers.filter(({ process: { isRunning } }) => isRunning);
  if (first === undefined) return "";
  const credentials = Object.entries(users).map(([user, password]) => [user, password]);
  const dead = servers.filter(({ process: { isRunning } }) => !isRunning);
  const commands = [
    `export AORTA_DATA=${first.dataFolder}`,
    ...["status", "peers", "lookup alice", "bindings", "watch alice"].map((what) => `node ${command} ${what}`),
  ];
  return [
    "",
    paint(style, "bold", "The servers stay up. Ctrl-C ends them."),
    "",
    `     Log in with a SIP client of your own: domain ${domain}, proxy ${first.host}:${first.sipPort} (UDP or TCP) or`,
    `     ws://${first.host}:${first.wsPort}. joe and alice are online and answer what you write to them.`,
    "",
    renderTable(
      [
        { title: "user", align: "left" },
        { title: "password", align: "left" },
      ],
      credentials,
      style,
    ),
    "",
    "     For operators, in another terminal, in this folder:",
    "",
    ...commands.map((line) => `     ${line}`),
    ...dead.flatMap(({ title, restart }) => [
      "",
      `     ${title} is dead. Bring it back:`,
      "",
      `     node ${command} ${restart.join(" ")}`,
    ]),
    "",
  ].join("\n");
}
