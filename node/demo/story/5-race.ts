import { isSuccess } from "../../softphone/outcome.ts";
import { StoryFault } from "../sightings.ts";
import { aorOf, Phone, type Stage, type StageServer } from "../stage.ts";
import { formatMs, quantile } from "../timeline.ts";

/** Heading of the step. */
export const title = (rounds: number): string =>
  `zeke registers on all three servers at the same instant, ${rounds} times`;

/** What one race came to. */
export interface RaceRound {
  /** Servers that say that they own the user, after all have answered. */
  readonly owners: readonly StageServer[];
  /** Servers that answered the client with success. */
  readonly accepted: readonly StageServer[];
  /** From sending to the last answer. */
  readonly settledMs: number;
}

/** Three clients of one user race for three servers; then all three servers are asked who owns the user. */
export async function race(stage: Stage, rounds: number): Promise<readonly RaceRound[]> {
  const phones = await Promise.all(stage.servers.map((server) => Phone.open(stage, "zeke", server, "TCP")));
  stage.report.event(undefined, "zeke", "opens a phone on each server (TCP, digest)");
  const results: RaceRound[] = [];
  while (results.length < rounds) results.push(await raceOnce(stage, phones));
  return results;
}

async function raceOnce(stage: Stage, phones: readonly Phone[]): Promise<RaceRound> {
  const aor = aorOf(stage, "zeke");
  const startMs = performance.now();
  const outcomes = await Promise.all(phones.map(({ softphone }) => softphone.register()));
  const settledMs = performance.now() - startMs;
  const claims = await Promise.all(stage.servers.map((server) => server.owns(aor)));
  const round = {
    owners: stage.servers.filter((_, index) => claims[index] !== undefined),
    accepted: stage.servers.filter((_, index) => isSuccess(outcomes[index]!)),
    settledMs,
  };
  judgeRound(round);
  await Promise.all(phones.map(({ softphone }) => softphone.unregister()));
  return round;
}

/** @throws {StoryFault} when the user has no owner or several, or the owner did not tell its client so */
export function judgeRound({ owners, accepted }: RaceRound): void {
  const [owner, ...others] = owners;
  const named = owners.map((server) => server.title).join(" and ");
  if (owner === undefined) throw new StoryFault("zeke should have exactly one owner, but has none");
  if (others.length > 0) throw new StoryFault(`zeke should have exactly one owner, but has ${owners.length}: ${named}`);
  if (!accepted.includes(owner)) throw new StoryFault(`${owner.title} owns zeke, but its client was not told so`);
}

/** How often each server won, and how fast the races were over, as rows for a table. */
export function summarizeRace(stage: Stage, results: readonly RaceRound[]): string[][] {
  const row = (name: string, chosen: readonly RaceRound[]): string[] => {
    const times = chosen.map(({ settledMs }) => settledMs);
    const at = (fraction: number): string => (times.length === 0 ? "–" : formatMs(quantile(times, fraction)));
    return [name, `${chosen.length}`, at(0.5), at(0.99)];
  };
  return [
    ...stage.servers.map((server) =>
      row(
        server.title,
        results.filter(({ owners }) => owners[0] === server),
      ),
    ),
    row(
      "exactly one owner",
      results.filter(({ owners }) => owners.length === 1),
    ),
  ];
}
