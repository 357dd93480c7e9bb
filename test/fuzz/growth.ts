/** How the time to read something grows with its length: 1 is linear, 2 quadratic. */
export interface Growth {
  readonly what: string;
  readonly exponent: number;
  /** For the longest. */
  readonly ms: number;
}

/** Octets of one shape and any length, by what is repeated; `%` in what is around stands for it. */
export type Family = readonly [what: string, unit: string, around: string];

const SHORT = 8 * 1024;
const LONG = 60 * 1024;
const TRIES = 15;
const MEASUREMENTS = 3;

/** The growth of each family. Other programs can make a measurement worse, not better: the best of some. */
export function measureGrowth(families: readonly Family[], read: (octets: Buffer) => void): Growth[] {
  return families.map(([what, unit, around]) => {
    const build = (octets: number) =>
      Buffer.from(around.replace("%", () => unit.repeat(Math.ceil(octets / unit.length))));
    const [short, long] = [build(SHORT), build(LONG)];
    const measured = Array.from({ length: MEASUREMENTS }, () => growthBetween(what, read, [short, long]));
    return measured.reduce((best, each) => (each.exponent < best.exponent ? each : best));
  });
}

/** The two in turn, so that a moment in which the machine is busy meets both. */
function growthBetween(what: string, read: (octets: Buffer) => void, [short, long]: readonly [Buffer, Buffer]): Growth {
  let shortMs = Number.POSITIVE_INFINITY;
  let ms = Number.POSITIVE_INFINITY;
  for (let i = 0; i < TRIES; i++) {
    shortMs = Math.min(shortMs, timed(read, short));
    ms = Math.min(ms, timed(read, long));
  }
  return { what, exponent: Math.log(ms / shortMs) / Math.log(long.length / short.length), ms };
}

function timed(read: (octets: Buffer) => void, octets: Buffer): number {
  const startMs = performance.now();
  read(octets);
  return performance.now() - startMs;
}
