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

/** One PUBLISH. Its note is `<number> <place>`; numbers of a user grow. */
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
  /** Of the publication shown. */
  readonly number?: number;
}

export function noSightings(): Sightings {
  return { registrations: [], publications: [], signOffs: [], messages: [], deliveries: [], notifications: [] };
}

/** What a publication shows: its number, and where it was made. */
export function noteOf(number: number, place: Place): string {
  return `${number} ${place}`;
}

/** The number in a note; `undefined` when it is not one of ours. */
export function numberIn(note: string | undefined): number | undefined {
  const digits = /^(\d+) \d+$/.exec(note ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}
