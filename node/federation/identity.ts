import type { Aor } from "../../dht-schema/aor.ts";
import type { ServerId } from "../../dht-schema/roster.ts";

/** Who sent a request, as the edge found it out. Nothing behind the edge reads `From` to decide; `P-Asserted-Identity` is there what the edge has put, which says the same wherever the request goes. */
export interface RequestIdentity {
  /**
   * The user on whose behalf the request is made: authenticated here by digest, or asserted by a server of the mesh.
   * `undefined`: nobody vouches for the sender.
   * @see RFC 3325 §5
   */
  readonly asserted: Aor | undefined;
  /** A client of this server, or another server of the mesh, which the connection itself has authenticated. */
  readonly from: "client" | { readonly server: ServerId };
  /** Of a client: its credentials answer a challenge, so that one CSeq before this one has been used up by what got it (RFC 3261 §22.2). */
  readonly wasChallenged?: boolean | undefined;
  /** Of a client: it is a server without a node that the operator trusts, and speaks for none of its users. */
  readonly trusted?: true;
}
