import { createHash } from "node:crypto";
import type { Aor } from "../../../dht-schema/aor.ts";
import { PIDF_CONTENT_TYPE } from "../pidf/pidf-document.ts";
import { escapeAttribute } from "../pidf/serialize-xml.ts";
import type { Multipart, Part } from "./multipart.ts";
import { joinParts, PART_OVERHEAD_BYTES } from "./multipart.ts";
import type { RlmiResource } from "./rlmi-document.ts";
import { RLMI_CONTENT_TYPE, serializeRlmi } from "./rlmi-document.ts";

/** What is known of a member. */
export interface MemberState {
  readonly standing: "pending" | "active";
  /** Presence document. */
  readonly body: Uint8Array;
}

interface Member {
  readonly uri: Aor;
  state: MemberState | undefined;
  /** There is something that the subscriber has not been sent. */
  isDirty: boolean;
}

const ROOT_ID = "rlmi";

/**
 * The members of a list as one subscriber gets to see them. What does not fit into one NOTIFY stays for the next, so that a long list of
 * long documents comes in several messages, each of them within bounds.
 * Sans-I/O, and without a clock.
 * @see RFC 4662 §5
 */
export class ListState {
  readonly #uri: Aor;
  readonly #maxBytes: number;
  #members: Map<Aor, Member>;
  #isNew = true;

  /** @param maxBytes of one body, above that of any single document with its frame */
  constructor(uri: Aor, members: readonly Aor[], maxBytes: number) {
    this.#uri = uri;
    this.#maxBytes = maxBytes;
    this.#members = new Map(members.map((member) => [member, { uri: member, state: undefined, isDirty: false }]));
  }

  get members(): Iterable<Aor> {
    return this.#members.keys();
  }

  /** Whether something is known of every member. */
  get isComplete(): boolean {
    return [...this.#members.values()].every(({ state }) => state !== undefined);
  }

  /** Whether there is something to send. */
  get isDirty(): boolean {
    return this.#isNew || [...this.#members.values()].some((member) => member.isDirty);
  }

  /** The subscriber has been told all of it before: what is told next need not be all. */
  resume(): void {
    this.#isNew = false;
  }

  /** The list has other members now; what is known of those that stay is kept. All of it is sent again. */
  become(members: readonly Aor[]): void {
    const before = this.#members;
    this.#members = new Map(members.map((uri) => [uri, before.get(uri) ?? { uri, state: undefined, isDirty: false }]));
    this.#isNew = true;
  }

  update(uri: Aor, state: MemberState): void {
    const member = this.#members.get(uri);
    if (member === undefined) return;
    member.state = state;
    member.isDirty = true;
  }

  /**
   * The next body: after it, what it holds counts as sent.
   * @param request.all the subscriber has nothing, or has to be told all again
   */
  take(request: { readonly all: boolean; readonly version: number; readonly boundary: string }): Multipart {
    const full = request.all || this.#isNew;
    this.#isNew = false;
    if (full) for (const member of this.#members.values()) member.isDirty = member.state !== undefined;
    const dirty = [...this.#members.values()].filter((member) => member.isDirty);
    const sent = this.#fitting(dirty, full);
    const included = new Set(sent);
    const resources = (full ? [...this.#members.values()] : sent).map((member) => resourceOf(member, included));
    const rlmi = serializeRlmi({ uri: this.#uri, version: request.version, full, resources });
    const root: Part = {
      contentType: `${RLMI_CONTENT_TYPE};charset="UTF-8"`,
      contentId: contentId(ROOT_ID),
      body: Buffer.from(rlmi),
    };
    for (const member of sent) member.isDirty = false;
    return joinParts([root, ...sent.map(partOf)], request.boundary);
  }

  /** As many as the bound allows, in order; of a partial state at least one. */
  #fitting(dirty: readonly Member[], full: boolean): Member[] {
    const entryBytes = ({ uri }: Member): number => escapeAttribute(uri).length + 200;
    let bytes = escapeAttribute(this.#uri).length + 500;
    if (full) for (const member of this.#members.values()) bytes += entryBytes(member);
    const fitting: Member[] = [];
    for (const member of dirty) {
      const more = (member.state?.body.length ?? 0) + PART_OVERHEAD_BYTES + (full ? 0 : entryBytes(member));
      if (bytes + more > this.#maxBytes && (full || fitting.length > 0)) break;
      bytes += more;
      fitting.push(member);
    }
    return fitting;
  }
}

function resourceOf(member: Member, included: ReadonlySet<Member>): RlmiResource {
  const { uri, state } = member;
  if (state === undefined) return { uri };
  const id = idOf(uri);
  const cid = included.has(member) ? { cid: contentId(id) } : {};
  return { uri, instance: { id, state: state.standing, ...cid } };
}

function partOf({ uri, state }: Member): Part {
  return {
    contentType: PIDF_CONTENT_TYPE,
    contentId: contentId(idOf(uri)),
    body: state?.body ?? new Uint8Array(0),
  };
}

function idOf(uri: Aor): string {
  return createHash("sha256").update(uri).digest("hex").slice(0, 16);
}

function contentId(id: string): string {
  return `${id}@list.invalid`;
}
