import type { Publication } from "./publications.ts";

/** A registered contact, as far as composition needs it. */
export interface PresentContact {
  readonly uri: string;
  /** Its instance, or where the device names none its URI: stays when the contact gets another flow. */
  readonly device: string;
  /** Names the socket it registered over, as {@link Publication.path} does; absent where proxies are in between, whose socket that is. */
  readonly path?: string | undefined;
  /** Names that socket, then. */
  readonly relayedBy?: string | undefined;
  /** As {@link Publication.origin}. */
  readonly origin?: string | undefined;
}

/**
 * Which devices a publication speaks for: those that are registered over its very socket, and of a server without a node, which has no origin, those that it registered for
 * others; else those it spoke for before, as long as one of them is
 * registered; else the one that is where the publisher says to be. Where two are there, it may be either: a device that is shown too often is
 * better than one that is not shown. While nothing fits, what was known stands, because a device can be away for a moment.
 * Returns the very same array when nothing has changed.
 */
export function publishingDevices(
  { path, origin, devices }: Pick<Publication, "path" | "origin" | "devices">,
  contacts: readonly PresentContact[],
): readonly string[] {
  const found = devicesOf(
    contacts.filter((contact) => contact.path === path || (origin === undefined && contact.relayedBy === path)),
  );
  if (found.length > 0) return sameDevices(found, devices) ? devices : found;
  if (contacts.some(({ device }) => devices.includes(device))) return devices;
  const near = origin === undefined ? [] : devicesOf(contacts.filter((contact) => contact.origin === origin));
  return near.length === 1 ? near : devices;
}

function devicesOf(contacts: readonly PresentContact[]): readonly string[] {
  return [...new Set(contacts.map(({ device }) => device))];
}

function sameDevices(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((device) => b.includes(device));
}
