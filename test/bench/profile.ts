import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { format } from "./report/goals.ts";

/** The parts of a `.cpuprofile` that matter here. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Whose code a function is, by the first pattern that its file matches. */
const PARTS: readonly (readonly [string, RegExp])[] = [
  ["Noise", /mesh\/(joined-sends|noise-crypto)/],
  ["yamux", /mesh\/yamux/],
  ["directory core", /directory\/core\//],
  ["directory driver", /node\/directory\//],
  ["our codec", /dht-schema\//],
  ["mesh", /node\/mesh\//],
  ["SIP messages", /node\/sip\/message\//],
  ["SIP transactions", /node\/sip\/transaction\//],
  ["SIP transports and stack", /node\/sip\//],
  ["presence", /node\/presence\//],
  ["edge, routing, identity", /node\/federation\//],
  ["registrar, messages, sessions", /node\/(registrar|messaging|session|history)\//],
  ["load", /test\/bench\//],
  ["cryptography", /libp2p-noise|chacha|wasm:|@noble|node:internal\/crypto/],
  ["libp2p, its streams and events", /node_modules/],
  ["sockets and streams of Node", /node:net|node:internal\/(stream|streams)|node:internal\/stream_base/],
  ["timers, microtasks, events of Node", /node:/],
];

function partOf(name: string, url: string): string {
  if (name === "(garbage collector)" || name === "(program)" || name === "(idle)") return name;
  return PARTS.find(([, pattern]) => pattern.test(url))?.[0] ?? "native code";
}

/** Where the time of the profiles in a folder goes: a line a part of the code, and the costliest functions. */
export async function summarizeProfiles(folder: string): Promise<string> {
  const byOperation = Map.groupBy(
    (await readdir(folder)).filter((file) => file.endsWith(".cpuprofile")).sort(),
    (file) => file.slice(0, file.lastIndexOf(".server")),
  );
  let text = "";
  for (const [operation, files] of byOperation) {
    const parts = new Map<string, number>();
    const functions = new Map<string, number>();
    for (const file of files) add(JSON.parse(await readFile(join(folder, file), "utf8")) as Profile, parts, functions);
    parts.delete("(idle)");
    const total = [...parts.values()].reduce((sum, micros) => sum + micros, 0);
    const list = (entries: Map<string, number>, most: number) =>
      [...entries]
        .sort(([, a], [, b]) => b - a)
        .slice(0, most)
        .map(([name, micros]) => `  ${format((100 * micros) / total).padStart(5)} %  ${name}\n`)
        .join("");
    text += `${operation}, all servers\n${list(parts, 20)}  costliest functions:\n${list(functions, 25)}\n`;
  }
  return text;
}

function add(profile: Profile, parts: Map<string, number>, functions: Map<string, number>): void {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  for (const [index, id] of profile.samples.entries()) {
    const frame = frames.get(id);
    const micros = profile.timeDeltas[index + 1] ?? 0;
    if (frame === undefined) continue;
    const part = partOf(frame.functionName, frame.url);
    parts.set(part, (parts.get(part) ?? 0) + micros);
    if (part === "(idle)") continue;
    const file = frame.url.split("/").slice(-2).join("/");
    const name = `${frame.functionName || "(anonymous)"} ${file}`;
    functions.set(name, (functions.get(name) ?? 0) + micros);
  }
}
