import type { PresenceState } from "../../softphone/pidf.ts";
import { aorOf, expectOwns, expectSuccess, momentMs, Phone, type Stage, type StageServer } from "../stage.ts";
import type { SoftphoneTransport } from "../../softphone/softphone.ts";
import type { WatchedPresence } from "./watched-presence.ts";
import { describePresence } from "./watched-presence.ts";
import { formatMs } from "../timeline.ts";

/** Opens a phone on a server and registers it there; the server owns the user then. */
export async function registerOn(
  stage: Stage,
  user: string,
  server: StageServer,
  transport: SoftphoneTransport,
): Promise<{ phone: Phone; epoch: string }> {
  const phone = await Phone.open(stage, user, server, transport);
  stage.report.event(server, user, `registers (${wordFor(transport)}, digest)`);
  const startMs = performance.now();
  expectSuccess(`REGISTER of ${user} on ${server.title}`, await phone.softphone.register());
  const tookMs = performance.now() - startMs;
  const epoch = await expectOwns(server, phone.aor);
  stage.report.event(server, user, `200 OK after ${formatMs(tookMs)}: ${server.title} owns ${user}`, epoch);
  return { phone, epoch };
}

/** Publishes, and waits until the watcher sees it. */
export async function publishAndSee(
  stage: Stage,
  phone: Phone,
  watched: WatchedPresence,
  state: PresenceState,
): Promise<void> {
  const { mark } = watched.seen;
  stage.report.event(phone.server, phone.user, `publishes: ${describePresence(state)}`);
  const startMs = performance.now();
  expectSuccess(`PUBLISH of ${phone.user} on ${phone.server.title}`, await phone.softphone.publishPresence(state));
  const { atMs } = await watched.untilShown(mark, state);
  const { user, server } = watched.watcher;
  stage.report.event(server, user, `sees ${phone.user} ${describePresence(state)}, ${formatMs(atMs - startMs)} later`);
}

/** Sends a text, and waits until that very phone of the receiver shows it. */
export async function writeAndRead(stage: Stage, from: Phone, to: Phone, text: string): Promise<void> {
  const { mark } = to.messages;
  stage.report.event(from.server, from.user, `writes to ${to.user}: “${text}”`);
  const startMs = performance.now();
  const outcome = await from.softphone.sendMessage(aorOf(stage, to.user), text);
  expectSuccess(`MESSAGE of ${from.user} to ${to.user}`, outcome);
  const { atMs } = await to.messages.until(`${to.user} on ${to.server.title} reading "${text}"`, {
    mark,
    withinMs: momentMs,
    fits: (message) => message.text === text && message.from === from.aor,
  });
  stage.report.event(to.server, to.user, `reads it ${formatMs(atMs - startMs)} later`);
}

function wordFor(transport: SoftphoneTransport): string {
  return transport === "WS" ? "WebSocket" : transport;
}
