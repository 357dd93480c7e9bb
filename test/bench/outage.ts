/** How many claims are under way while the domain loses a member. */
const IN_FLIGHT = 8;
/** After which a claim that is not answered is given up, for a fresh key. */
const PATIENCE_MS = 250;

/**
 * Claims without pause for some time; how long, at the longest, none succeeded.
 * @param claim gets 0, 1, 2, …, each once; where it fails or takes too long, the next one is tried
 */
export async function longestGapMs(forMs: number, claim: (index: number) => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  const untilMs = startMs + forMs;
  let lastMs = startMs;
  let longest = 0;
  let begun = 0;
  const succeeded = () => {
    const nowMs = performance.now();
    longest = Math.max(longest, nowMs - lastMs);
    lastMs = nowMs;
  };
  const client = async () => {
    while (performance.now() < untilMs) {
      let timer: NodeJS.Timeout | undefined;
      const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
      // A claim that ends later counts then.
      const attempt = claim(begun++).then(succeeded, () => patience);
      await Promise.race([attempt, patience]);
      clearTimeout(timer);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, client));
  return Math.max(longest, performance.now() - lastMs);
}
