import { createHmac, createSecretKey, timingSafeEqual } from "node:crypto";
import type { SocketFlow, SocketTransport } from "./stack.ts";

/**
 * Names flows in URIs that others keep for us and send back: in Record-Route and Path. A token is proven by a MAC, so nobody can
 * make this node send to an address of their choice.
 * @see RFC 5626 §5.2
 */
export interface FlowTokens {
  /** Fit for the user part of a URI. @param scope what alone it is good for, such as a dialog */
  tokenOf(flow: SocketFlow, scope: string): string;
  /** `undefined` for what this node did not make, or not for that. */
  flowOf(token: string, scope: string): SocketFlow | undefined;
}

/** What a flow says of its other end. */
const ELSEWHERE = "elsewhere";
const TRUSTED = "trusted";
/** 80 bits, as in the RFC's example. */
const MAC_BYTES = 10;
/** Longer than any flow: IPv6 addresses of listener and client, ports, a connection's name, the names of two hosts. */
const TOKEN_MAX = 1024;

/** @param key secret of this node, kept between restarts so that dialogs over UDP outlive them */
export function createFlowTokens(key: Uint8Array): FlowTokens {
  // Made once: from octets one would be made for each token, which takes 10 µs.
  const secretKey = createSecretKey(key);
  // The flow's text has no NUL, so no other flow and scope are the same octets.
  const macOf = (text: Uint8Array, scope: string) =>
    createHmac("sha256", secretKey).update(text).update("\0").update(scope).digest().subarray(0, MAC_BYTES);
  return {
    tokenOf(flow, scope) {
      const { transport, address, port, listener = "", connection = "", host = "" } = flow;
      const mark = flow.listensElsewhere === true ? ELSEWHERE : flow.trusted === true ? TRUSTED : "";
      const called = [flow.calledAt?.port ?? "", flow.calledAt?.host ?? ""];
      const fields = [transport, address, port, listener, connection, mark, host, ...called];
      const text = Buffer.from(fields.join(" ").trimEnd());
      return Buffer.concat([macOf(text, scope), text]).toString("base64url");
    },
    flowOf(token, scope) {
      if (token.length > TOKEN_MAX) return undefined;
      const octets = Buffer.from(token, "base64url");
      const text = octets.subarray(MAC_BYTES);
      if (octets.length <= MAC_BYTES) return undefined;
      if (!timingSafeEqual(octets.subarray(0, MAC_BYTES), macOf(text, scope))) return undefined;
      const [transport, address = "", port, listener, connection, mark, host, calledPort, calledHost] = text
        .toString()
        .split(" ");
      return {
        transport: transport as SocketTransport,
        address,
        port: Number(port),
        ...(listener ? { listener } : {}),
        ...(connection ? { connection } : {}),
        ...(mark === ELSEWHERE ? { listensElsewhere: true } : {}),
        ...(mark === TRUSTED ? { trusted: true } : {}),
        ...(host ? { host } : {}),
        ...(calledPort ? { calledAt: { port: Number(calledPort), ...(calledHost ? { host: calledHost } : {}) } } : {}),
      };
    },
  };
}
