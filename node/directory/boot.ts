import type { Settings } from "../storage/ports.ts";

const BOOT = "directory.boot";
const CEILING = "directory.ceiling";

/** Counts a start of this server: durable before it returns, 1 at the first start ever. */
export function nextBoot(settings: Settings): number {
  const boot = readCounter(settings, BOOT) + 1;
  writeCounter(settings, BOOT, boot);
  return boot;
}

/** The durable ballot ceiling; 0 before the first. */
export function readCeiling(settings: Settings): number {
  return readCounter(settings, CEILING);
}

/** Makes a ballot ceiling durable. */
export function writeCeiling(settings: Settings, counter: number): void {
  writeCounter(settings, CEILING, counter);
}

function readCounter(settings: Settings, name: string): number {
  const stored = settings.get(name);
  return stored === undefined ? 0 : Number(new TextDecoder().decode(stored));
}

function writeCounter(settings: Settings, name: string, value: number): void {
  settings.set(name, new TextEncoder().encode(String(value)));
}
