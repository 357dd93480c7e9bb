import type { Place } from "./plan.ts";

/** What clients of a run saw and did; times are those of `machineMs`. */
export interface Sightings {
  readonly registrations: Registration[];
  readonly publications: PublicationSeen[];
  readonly signOffs: SignOff[];
  readonly messages: MessageSent[];
  readonly deliveries: Delivery[];
  readonly notifications: Notification[];
}

/** One REGISTER with a new Call-ID: the choice of a person. */
export interface Registration {
  readonly user: string;
  readonly place: Place;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  /** 0 when no answer came while the person was waiting. */
  readonly status: number;
}

/** One PUBLISH, with a {@link Note} of that number. */
export interface PublicationSeen {
  readonly user: string;
  readonly number: number;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  readonly status: number;
}

export interface SignOff {
  readonly user: string;
  readonly fromMs: number;
  /** When the person registered again. */
  toMs: number;
}

export interface MessageSent {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** Name of the server that the sender's phone is at. */
  readonly server: string;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
  readonly status: number;
}

/** A phone got a message. */
export interface Delivery {
  readonly id: string;
  readonly phone: string;
  readonly atMs: number;
}

/** A watcher got a NOTIFY. */
export interface Notification {
  readonly watcherPlace: Place;
  /** Names one dialog. */
  readonly dialog: string;
  readonly user: string;
  readonly atMs: number;
  readonly state: "pending" | "active" | "terminated";
  readonly basic?: "open" | "closed";
  /** The publication shown. */
  readonly shown?: Note;
}

/** What names a publication: a number that grows with each of a user, and the place where it was made. */
export interface Note {
  readonly number: number;
  readonly place: Place;
}

export function noSightings(): Sightings {
  return { registrations: [], publications: [], signOffs: [], messages: [], deliveries: [], notifications: [] };
}

/** What a publication shows to people. */
export function formatNote({ number, place }: Note): string {
  return `${number} ${place}`;
}

/** `undefined` when it is not one of ours. */
export function parseNote(text: string | undefined): Note | undefined {
  const [, number, place] = /^(\d+) (\d+)$/.exec(text ?? "") ?? [];
  return number === undefined ? undefined : { number: Number(number), place: Number(place) };
}
