import type { PeerView } from "../../../admin/node-view.ts";
import { formatDuration } from "../../../config/values.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import type { Cell } from "../../terminal.ts";
import { print, printJson, table } from "../../terminal.ts";

const HEAD = ["", "name", "link", "for", "round trip", "software", "roster", "address"];

/** Lists the servers of the roster. */
export async function showPeers(options: NodeOptions): Promise<void> {
  const peers = await (await clientOf(options)).get<readonly PeerView[]>("/v1/peers");
  if (options.json) return printJson(peers);
  for (const line of table(HEAD, peers.map(rowOf))) print(line);
}

function rowOf(peer: PeerView): Cell[] {
  const common = [peer.software ?? "", peer.rosterVersion?.toString() ?? "", addressOf(peer)];
  const name: Cell = { text: peer.name, style: "strong" };
  if (peer.self) return [String(peer.number), name, { text: "self", style: "quiet" }, "", "", ...common];
  const state: Cell = { text: peer.state, style: peer.state === "up" ? "good" : "bad" };
  const roundTrip = peer.state === "up" ? formatRoundTrip(peer.roundTripMs) : "";
  return [
    String(peer.number),
    name,
    state,
    formatDuration(Math.max(Date.now() - peer.sinceMs, 0)),
    roundTrip,
    ...common,
  ];
}

/** The first of a server's addresses that is not of every machine, if it has one. */
export function addressOf({ addresses }: Pick<PeerView, "addresses">): string {
  const isLoopback = (address: string) => /^\/ip4\/127\.|^\/ip6\/::1\//.test(address);
  return addresses.find((address) => !isLoopback(address)) ?? addresses[0] ?? "";
}

/** `0.31 ms` */
export function formatRoundTrip(roundTripMs: number | undefined): string {
  return roundTripMs === undefined ? "" : `${roundTripMs.toFixed(2)} ms`;
}
