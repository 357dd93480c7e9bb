import type { Infer } from "./codec.ts";
import { Reader, decode, encode, list, struct, text, uint } from "./codec.ts";
import { ROSTER_ADDRESSES_MAX } from "./roster.ts";
import { SchemaError } from "./schema-error.ts";

/** Stream of control frames and of the channel `directory`. */
export const LINK_PROTOCOL = "/aorta/link/1.0.0";
/** Stream of the channel `sip`: data frames only. */
export const SIP_PROTOCOL = "/aorta/sip/1.0.0";
/** Kademlia of one domain's servers. */
export const KAD_PROTOCOL = "/aorta/kad/1.0.0";

/** The versions of the frames' meaning that this code speaks. */
export const PROTOCOL_VERSIONS = { min: 1, max: 1 } as const;

/** Most octets of a frame, its type included, its length not. */
export const FRAME_MAX_BYTES = 1024 * 1024;

/**
 * A frame on the wire is its length as `uint`, one octet of type, then the body. Types that a version does not
 * know are a protocol error.
 */
export const frameType = {
  /** First frame each way: {@link Hello}. */
  hello: 1,
  /** Empty. The sender has the SIP stream and sends data from here on. */
  ready: 2,
  /** {@link Ping} */
  ping: 3,
  /** {@link Ping}, the token copied from what it answers. */
  pong: 4,
  /** A signed roster. */
  roster: 5,
  /** A message of the stream's channel. */
  data: 6,
  /** {@link Bye}, last frame. */
  bye: 7,
} as const;

/** Which roster a server has. Of one version and revision there is one roster; the digest shows where that rule was broken. */
const rosterMark = {
  rosterVersion: uint(0xffff_ffff),
  rosterRevision: uint(0xffff_ffff),
  /** @see rosterDigest */
  rosterDigest: uint(2 ** 48 - 1),
};

export const helloCodec = struct("Hello", {
  /** Lowest and highest protocol version the sender speaks. These two stay first in all versions to come. */
  minVersion: uint(0xffff),
  maxVersion: uint(0xffff),
  /** Name and version, for people. */
  software: text(128),
  name: text(64),
  /** Grows with each start of the sender. */
  boot: uint(),
  /** Drawn at random at each start: two lives of the same boot number mean that data was put back. */
  instance: uint(),
  ...rosterMark,
  /** Where the sender listens now, multiaddrs without the peer id. */
  addresses: list(text(256), ROSTER_ADDRESSES_MAX),
});

/** Who speaks, and in which versions. */
export type Hello = Infer<typeof helloCodec>;

export const pingCodec = struct("Ping", { token: uint(), ...rosterMark });

/** Sign of life; tells which roster the sender has, so that the one with the newer can push it. */
export type Ping = Infer<typeof pingCodec>;

/** Most octets of a reason that is told to a peer. */
export const REASON_MAX_BYTES = 256;

export const byeCodec = struct("Bye", {
  /** Stable, upper case, for programs. */
  code: text(32),
  reason: text(REASON_MAX_BYTES),
});

/** Why the sender closes the link. */
export type Bye = Infer<typeof byeCodec>;

/** Octets of a HELLO's body. */
export const encodeHello = (hello: Hello): Uint8Array => encode(helloCodec, hello);
/** Octets of the body of a PING or PONG. */
export const encodePing = (ping: Ping): Uint8Array => encode(pingCodec, ping);
/** Octets of a BYE's body; the reason is cut to fit. */
export const encodeBye = (bye: Bye): Uint8Array =>
  encode(byeCodec, { code: bye.code.slice(0, 32), reason: reasonText(bye.reason) });

/** @throws {SchemaError} `BAD_FRAME` */
export const decodePing = (body: Uint8Array): Ping => decode(pingCodec, body);
/** @throws {SchemaError} `BAD_FRAME` */
export const decodeBye = (body: Uint8Array): Bye => decode(byeCodec, body);

/**
 * The HELLO of a frame's body, and the version to speak: the highest that both know. Octets after the known fields are
 * ignored, so that later versions can add some.
 * @throws {SchemaError} `BAD_FRAME`; `UNKNOWN_VERSION` when there is no common version
 */
export function decodeHello(body: Uint8Array): { readonly hello: Hello; readonly protocol: number } {
  const versions = new Reader(body);
  const [min, max] = [versions.uint(), versions.uint()];
  const protocol = Math.min(max, PROTOCOL_VERSIONS.max);
  if (protocol < Math.max(min, PROTOCOL_VERSIONS.min)) {
    throw new SchemaError(
      "UNKNOWN_VERSION",
      `peer speaks protocol versions ${min} to ${max}, this server ${PROTOCOL_VERSIONS.min} to ${PROTOCOL_VERSIONS.max}`,
    );
  }
  return { hello: helloCodec.read(new Reader(body)), protocol };
}

/** Octets in front of a body of `bodyBytes`: the length and the type. */
export function frameHeaderBytes(bodyBytes: number): number {
  const length = bodyBytes + 1;
  return (length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4) + 1;
}

/** Writes a frame at `at` of `target`, which has room for it; returns where it ends. */
export function writeFrame(target: Uint8Array, at: number, type: number, body: Uint8Array): number {
  let length = body.length + 1;
  while (length >= 0x80) {
    target[at++] = (length & 0x7f) | 0x80;
    length >>>= 7;
  }
  target[at++] = length;
  target[at++] = type;
  target.set(body, at);
  return at + body.length;
}

/** A frame as octets. */
export function encodeFrame(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(frameHeaderBytes(body.length) + body.length);
  writeFrame(frame, 0, type, body);
  return frame;
}

/** A reason as it is sent: printable ASCII, cut to what its field holds. */
export function reasonText(reason: string): string {
  return reason.replaceAll(/[^\x20-\x7e]+/g, " ").slice(0, REASON_MAX_BYTES);
}
