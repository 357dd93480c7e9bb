import type { AddressSource } from "../../node/sip/transport/machine-addresses.ts";
import { MachineAddresses } from "../../node/sip/transport/machine-addresses.ts";

/** A machine whose addresses come and go as a test says: `192.0.2.5/24`. Those of loopback can be listened on. */
export class TestMachine implements AddressSource {
  /** Listed: of interfaces that have a carrier. */
  up: readonly string[];
  /** There all the same. */
  down: readonly string[] = [];
  readonly addresses: MachineAddresses;

  constructor(...up: readonly string[]) {
    this.up = up;
    this.addresses = new MachineAddresses(this);
  }

  list() {
    return this.up.map((cidr) => ({ address: cidr.replace(/\/.*/, ""), cidr, internal: /^127|^::1/.test(cidr) }));
  }

  has(address: string): Promise<boolean> {
    return Promise.resolve(this.down.some((cidr) => cidr.startsWith(`${address}/`)));
  }

  /** The machine has these addresses from now on, and it has been looked. */
  async become(...up: readonly string[]): Promise<void> {
    this.up = up;
    await this.addresses.look();
  }
}
