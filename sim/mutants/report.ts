import { Laboratory, runsTypeScript } from "./laboratory.ts";
import type { Mutant } from "./mutant.ts";

/**
 * Hunts mutants and writes down, for each, how it was caught, as a table in Markdown.
 * @returns how many turned out otherwise than they should
 */
export async function reportMutants(mutants: readonly Mutant[], write: (text: string) => void): Promise<number> {
  if (!runsTypeScript) throw new Error("mutants are sources, which this Node does not run: 22.18 or newer is needed");
  const laboratory = new Laboratory();
  let wrong = 0;
  write("| | mutant | the rule that it breaks | caught by | at seed | seconds |\n|---|---|---|---|---|---|\n");
  try {
    for (const mutant of mutants) {
      const startedMs = performance.now();
      const caught = await laboratory.hunt(mutant);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      if ((caught === undefined) !== (mutant.survives !== undefined)) wrong++;
      const { name, rule, mark, seeds, survives } = mutant;
      const how = caught === undefined ? `– (${survives ?? "NOT CAUGHT"})` : caught.invariant;
      const where = caught === undefined ? `none of ${seeds}` : `${caught.seed} of ${seeds}`;
      write(`| ${mark} | \`${name}\` | ${rule} | ${how} | ${where} | ${seconds} |\n`);
    }
  } finally {
    laboratory.close();
  }
  return wrong;
}
