/** Resolves when `condition` holds; rejects after `deadlineMs`. For what no event tells. */
export async function eventually(condition: () => boolean, what: string, deadlineMs = 8000): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
