import { isSuccess } from "../../softphone/outcome.ts";
import { StoryFault } from "../sightings.ts";
import { expectOwns, expectThat, Phone, type Stage } from "../stage.ts";
import { formatMs } from "../timeline.ts";
import { publishAndSee, writeAndRead } from "./acts.ts";
import type { WatchedPresence } from "./watched-presence.ts";

/** Heading of the step. */
export const title = "server 3 is killed; alice comes back on server 1";

const retryMs = 100;
/** What a claim may take once the dead server's lease has run out. */
const claimMs = 1000;

/** alice's server dies without a word, and her client registers with another. */
export async function crash(stage: Stage, joe: Phone, before: Phone, alicesPresence: WatchedPresence): Promise<Phone> {
  const [server1, , server3] = stage.servers;
  const { mark } = alicesPresence.seen;
  await server3.kill();
  const killedMs = performance.now();
  stage.report.event(server3, "", "is killed with SIGKILL: nothing released, nobody told");
  await before.softphone.vanish();
  const alice = await Phone.open(stage, "alice", server1, "TCP");
  stage.report.event(server1, "alice", "registers; server 3 might still own her until its lease has run out");
  const attempts = await registerPatiently(alice, killedMs + stage.leaseMs + claimMs);
  const awayMs = performance.now() - killedMs;
  const epoch = await expectOwns(server1, alice.aor);
  const tries = attempts === 1 ? "at the first try" : `at try ${attempts}`;
  stage.report.event(server1, "alice", `200 OK ${tries}, ${formatMs(awayMs)} after the kill`, epoch);
  await publishAndSee(stage, alice, alicesPresence, { basic: "open", note: "back, on another server" });
  alicesPresence.expectSteady(mark);
  await writeAndRead(stage, joe, alice, "You were gone for a moment!");
  expectThat(awayMs <= stage.leaseMs + claimMs, () => `alice should be back within the lease and ${claimMs} ms`);
  return alice;
}

/** Registers again as long as the server asks for patience (503). Returns the number of tries. */
async function registerPatiently(phone: Phone, untilMs: number): Promise<number> {
  for (let attempts = 1; ; attempts++) {
    const outcome = await phone.softphone.register();
    if (isSuccess(outcome)) return attempts;
    if (outcome.status !== 503 || performance.now() > untilMs) {
      throw new StoryFault(
        `REGISTER of ${phone.user} was answered ${outcome.status} ${outcome.reason} at try ${attempts}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}
