import type { Aor } from "./aor.ts";
import { AOR_MAX_BYTES, isCanonicalAor } from "./aor.ts";
import type { Codec, Fields, StructCodec, Values } from "./codec.ts";
import { bytes, flag, list, optional, Reader, struct, text, uint, Writer } from "./codec.ts";
import { SchemaError } from "./schema-error.ts";
import { ballotCodec, SERVER_BINDING_MAX_BYTES } from "./server-binding.ts";

/** Most messages in a batch: so many of the longest fit into a frame. */
export const BATCH_MESSAGES_MAX = 512;

/** Pairs a request with its answers; chosen by who asks, unique among its open requests. */
const op = uint();
const aorText = text(AOR_MAX_BYTES);
const aor: Codec<Aor> = {
  notation: "aor",
  write: (writer, value) => aorText.write(writer, value),
  read(reader) {
    const value = aorText.read(reader);
    if (isCanonicalAor(value)) return value;
    throw new SchemaError("BAD_AOR", `an AoR that is not canonical: ${JSON.stringify(value.slice(0, 80))}`);
  },
};
/** Grows with each start of a server. */
const boot = uint();
const session = uint();
const order = uint();
const incarnation = uint();
const milliseconds = uint(0xffff_ffff);

/** What a replica has accepted for an AoR. `validForMs` is 0 unless the session it was accepted under still lives; then what is left of it. */
export const acceptedStateCodec = struct("held", { ballot: ballotCodec, boot, validForMs: milliseconds });

/** Why a replica refused. */
export const refusals = [
  /** It promised, or its floor is, a ballot at or above: see `promised`. */
  "promised",
  /** It restarted since the promise. */
  "incarnation",
  /** It holds no live session of the sender's boot. */
  "no-session",
  /** It restarted less than a lease term ago and does not vote yet. */
  "abstaining",
  /** A bound was reached. */
  "full",
  /** Its durable ballot ceiling must be raised first; try again. */
  "ceiling",
] as const;
export type Refusal = (typeof refusals)[number];

const refusal: Codec<Refusal> = {
  notation: "refusal",
  write: (writer, value) => writer.octet(refusals.indexOf(value)),
  read(reader) {
    const value = refusals[reader.octet()];
    if (value === undefined) throw new SchemaError("BAD_FRAME", "unknown refusal");
    return value;
  },
};

/** Every message of the directory by its tag. The order is the wire tag, so additions go to the end. */
const definitions = [
  /** Server → replica: start or extend my session. */
  message("renew", { op, boot }),
  /** `notices`: how many the replica has sent under the session, so that a watcher finds out about a lost one. */
  message("renewed", { op, session, incarnation, notices: uint() }),
  /**
   * Server → replica: promise to accept nothing below this ballot for the AoR; and with `boot`, where no other server holds
   * it as valid, accept it at once. Answered by `accepted` then, else by `promised`.
   */
  message("prepare", { op, aor, ballot: ballotCodec, boot: optional(boot) }),
  message("promised", { op, incarnation, accepted: optional(acceptedStateCodec) }),
  /** Server → replica: accept me as the owner under this ballot. Claims and catch-up are the same message. */
  message("accept", { op, aor, ballot: ballotCodec, boot, incarnation }),
  message("accepted", { op, session }),
  message("refused", { op, reason: refusal, promised: ballotCodec }),
  /** Owner → replica: I let go of this ballot, and of all of mine below it. */
  message("release", { aor, ballot: ballotCodec }),
  /** Claimant → owner: stop serving `theirs`; I claim with `mine`. */
  message("handover", { op, aor, theirs: ballotCodec, mine: ballotCodec }),
  /** Owner → claimant: `ballot` will never be served again. */
  message("handedOver", { op, ballot: ballotCodec }),
  /** Anyone → replica: what do you hold? */
  message("read", { op, aor }),
  message("state", { op, abstaining: flag, promised: ballotCodec, accepted: optional(acceptedStateCodec) }),
  /** Server → replica: tell me, under my session, of every change. Answered at once by `notice`. `order` counts up: an `unwatch` ends no later `watch`. */
  message("watch", { aor, order }),
  message("unwatch", { aor, order }),
  /** Replica → watcher: what the replica holds now for an AoR that is watched. `sequence` counts the notices of the session from 1. */
  message("notice", { aor, session, sequence: uint(), accepted: optional(acceptedStateCodec) }),
  /** Replica → watcher: no watch without a live session, or a bound was reached. */
  message("notWatched", { aor, reason: refusal }),
  /** Anyone → owner: do you own it under this ballot? */
  message("confirm", { op, aor, ballot: ballotCodec }),
  /** Owner: the epoch I own it under now; or none, then I never serve this ballot or one below it again, and to whom I handed it. */
  message("confirmed", { op, owned: optional(ballotCodec), forwarded: optional(ballotCodec) }),
  /** Replica → owner: sign your binding, somebody who speaks only kad-dht asks for it. */
  message("fetchRecord", { op, aor }),
  message("record", { op, signed: optional(bytes(SERVER_BINDING_MAX_BYTES)) }),
  /** Steward → server: which roster version do you hold, does anything of yours count under an earlier one, how many users do you own? */
  message("settle", { op }),
  message("settled", { op, version: uint(0xffff_ffff), settled: flag, owned: uint() }),
] as const;

type Definition = (typeof definitions)[number];

/** A message of the directory protocol. */
export type DirectoryMessage = Definition extends infer D ? (D extends { codec: Codec<infer T> } ? T : never) : never;

/** The message of one type. */
export type MessageOf<T extends DirectoryMessage["type"]> = Extract<DirectoryMessage, { type: T }>;

/** What a replica reports of an AoR's register. */
export type AcceptedState = NonNullable<MessageOf<"promised">["accepted"]>;

/** Every message in the order of the tags. */
export const messageCodecs: readonly StructCodec<unknown>[] = definitions.map(({ codec }) => codec);

const tags = new Map<string, number>(definitions.map((definition, tag) => [definition.type, tag]));
const codecs = definitions.map((definition) => definition.codec as Codec<DirectoryMessage>);

const messageCodec: Codec<DirectoryMessage> = {
  notation: "message",
  write(writer, value) {
    const tag = tags.get(value.type) as number;
    writer.octet(tag);
    (codecs[tag] as Codec<DirectoryMessage>).write(writer, value);
  },
  read(reader) {
    const codec = codecs[reader.octet()];
    if (codec === undefined) throw new SchemaError("UNKNOWN_VERSION", "unknown directory message");
    return codec.read(reader);
  },
};

const messages = list(messageCodec, BATCH_MESSAGES_MAX);

/** Messages from one server to another, with the version of the roster that the sender acts under. */
export interface Batch {
  readonly rosterVersion: number;
  readonly messages: readonly DirectoryMessage[];
}

/** The bytes of a batch. */
export function encodeBatch(batch: Batch): Uint8Array {
  const writer = new Writer();
  writer.uint(batch.rosterVersion);
  messages.write(writer, batch.messages);
  return writer.finish();
}

/** @throws {SchemaError} `BAD_FRAME`; `BAD_AOR` where one is not canonical; `UNKNOWN_VERSION` where a message's type is not known */
export function decodeBatch(bytes: Uint8Array): Batch {
  const reader = new Reader(bytes);
  const rosterVersion = reader.uint();
  const read = messages.read(reader);
  if (reader.remaining > 0) throw new SchemaError("BAD_FRAME", `${reader.remaining} octets left over`);
  return { rosterVersion, messages: read };
}

function message<T extends string, F extends Fields>(type: T, fields: F) {
  const entries = Object.entries(fields);
  const codec: StructCodec<{ readonly type: T } & Values<F>> = {
    notation: type,
    fields,
    write(writer, value) {
      for (const [name, field] of entries) field.write(writer, (value as Record<string, unknown>)[name]);
    },
    read(reader) {
      const value: Record<string, unknown> = { type };
      for (const [name, field] of entries) value[name] = field.read(reader);
      return value as { readonly type: T } & Values<F>;
    },
  };
  return { type, codec };
}
