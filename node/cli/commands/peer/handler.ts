import type { PeerDetail } from "../../../admin/node-view.ts";
import { formatDuration } from "../../../config/values.ts";
import type { NodeOptions } from "../../find-node.ts";
import { clientOf } from "../../find-node.ts";
import type { Cell } from "../../terminal.ts";
import { facts, paint, print, printJson } from "../../terminal.ts";
import { formatRoundTrip } from "../peers/handler.ts";

/** Shows one server as another sees it. */
export async function showPeer(server: string, options: NodeOptions): Promise<void> {
  const detail = await (await clientOf(options)).get<PeerDetail>(`/v1/peers/${encodeURIComponent(server)}`);
  if (options.json) return printJson(detail);
  const { peer, session } = detail;
  print(`${paint("strong", peer.name)}, server ${peer.number}${peer.self ? ", the one asked" : ""}`);
  print("");
  const lines = facts([
    ["peer id", peer.id],
    ...peer.addresses.map((address): [string, string] => ["address", address]),
    ["software", peer.software],
    ...linkFacts(detail),
    ["start", peer.boot?.toString()],
    ["roster", peer.rosterVersion?.toString()],
    ["role", detail.voter ? "voter: holds replicas" : "holds no replicas yet"],
    ["our lease there", session && leaseFact(session.state, session.leaseLeftMs)],
    ["its users here", `${detail.ownsByOurRegisters}, by the registers that this node keeps as a replica`],
  ]);
  for (const line of lines) print(line);
}

function linkFacts({ peer }: PeerDetail): [string, Cell | undefined][] {
  if (peer.self) return [];
  const sinceMs = Math.max(Date.now() - peer.sinceMs, 0);
  return [
    ["link", { text: `${peer.state} for ${formatDuration(sinceMs)}`, style: peer.state === "up" ? "good" : "bad" }],
    ["last error", peer.lastError],
    ["round trip", formatRoundTrip(peer.roundTripMs) || undefined],
    ["protocol", peer.protocol?.toString()],
    ["received", `${peer.framesIn} frames, ${peer.bytesIn} bytes`],
    ["sent", `${peer.framesOut} frames, ${peer.bytesOut} bytes`],
  ];
}

function leaseFact(state: "live" | "none", leftMs: number): Cell {
  return state === "live" ? { text: `live for ${formatDuration(leftMs)}`, style: "good" } : "none";
}
