import type { Aor } from "../../dht-schema/aor.ts";
import { limits } from "../runtime/limits.ts";
import { isShareLeft } from "../runtime/share.ts";
import { Tally } from "../runtime/tally.ts";

/** What one sender has waiting for one recipient. */
export interface HeldPart {
  readonly recipient: Aor;
  /** Empty where it is not known. */
  readonly sender: string;
  readonly messages: number;
  /** Octets. */
  readonly bytes: number;
}

/** A count of something by sender, and in all. */
class Room {
  readonly #bySender = new Tally<string>();
  readonly #inAll = new Tally<string>();

  /** @param where of which there are several, each with that much room */
  isLeft(where: string, sender: string, max: number, more: number): boolean {
    return isShareLeft(this.#bySender.of(keyOf(where, sender)), this.#inAll.of(where), max, more);
  }

  add(where: string, sender: string, by: number): void {
    this.#bySender.add(keyOf(where, sender), by);
    this.#inAll.add(where, by);
  }
}

/**
 * The room for messages that wait: on the disk of this server, and for each recipient. A sender may have as much of it as is free, so that nobody keeps others from writing to
 * whom they have written to, nor users from registering on a server whose disk they have filled.
 */
export class HeldRoom {
  #onDisk = new Room();
  #messages = new Room();
  #bytes = new Room();

  /** @param parts all that waits */
  reset(parts: Iterable<HeldPart>): void {
    [this.#onDisk, this.#messages, this.#bytes] = [new Room(), new Room(), new Room()];
    for (const part of parts) this.#change(part, 1);
  }

  isLeft(recipient: Aor, sender: string, bytes: number): boolean {
    const { heldBytes, heldPerUser, heldBytesPerUser } = limits.messaging;
    return (
      this.#messages.isLeft(recipient, sender, heldPerUser, 1) &&
      this.#bytes.isLeft(recipient, sender, heldBytesPerUser, bytes) &&
      this.#onDisk.isLeft("", sender, heldBytes, bytes)
    );
  }

  /** One message more. */
  add(recipient: Aor, sender: string, bytes: number): void {
    this.#change({ recipient, sender, messages: 1, bytes }, 1);
  }

  /** One message fewer. */
  remove(recipient: Aor, sender: string, bytes: number): void {
    this.#change({ recipient, sender, messages: 1, bytes }, -1);
  }

  #change({ recipient, sender, messages, bytes }: HeldPart, sign: 1 | -1): void {
    this.#messages.add(recipient, sender, sign * messages);
    this.#bytes.add(recipient, sender, sign * bytes);
    this.#onDisk.add("", sender, sign * bytes);
  }
}

/** In memory of its own: `+` would keep what it is put together from. */
function keyOf(where: string, sender: string): string {
  return [where, sender].join("\n");
}
