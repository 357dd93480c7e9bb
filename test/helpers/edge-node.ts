import { parseAor } from "../../dht-schema/aor.ts";
import type { NodeConfig } from "../../node/config/node-config.ts";
import { digestSecrets } from "../../node/cli/commands/user/digest-secrets.ts";
import { systemClock } from "../../node/runtime/clock.ts";
import { silentLogger } from "../../node/runtime/logger.ts";
import type { Counters } from "../../node/runtime/metrics.ts";
import type { SipSide } from "../../node/sip-side.ts";
import { createSipSide } from "../../node/sip-side.ts";
import type { ListenAddress, SocketTransport } from "../../node/sip/stack.ts";
import type { MachineAddresses } from "../../node/sip/transport/machine-addresses.ts";
import { openMemoryStorage } from "../../node/storage/storage.ts";
import { TestDirectories } from "./directories.ts";

const ANY_PORT = { address: "127.0.0.1", port: 0 };

/** A whole node of `example.com` on UDP, TCP and WebSocket, with the one user `user`, whose password is `secret`. */
export class EdgeNode {
  readonly side: SipSide;
  readonly directories: TestDirectories;

  private constructor(side: SipSide, directories: TestDirectories) {
    this.side = side;
    this.directories = directories;
  }

  /**
   * @param more other settings
   * @param machine what the listeners stand for, which are on the IPv4 wildcard then. @default they are on 127.0.0.1
   */
  static async start(
    authentication: "digest" | "none",
    machine?: MachineAddresses,
    more: Partial<NodeConfig> = {},
  ): Promise<EdgeNode> {
    const domain = "example.com";
    const directories = await TestDirectories.of(1);
    const { mesh, directory, counters } = directories.server(0);
    const storage = openMemoryStorage();
    const secrets = digestSecrets("user", domain, "secret");
    storage.users.put({ aor: parseAor(`sip:user@${domain}`), username: "user", realm: domain, ...secrets });
    const listen = machine === undefined ? ANY_PORT : { ...ANY_PORT, address: "0.0.0.0" };
    const config = {
      sip: [listen],
      ws: [listen],
      authentication,
      digest: "md5",
      onConflict: "takeover",
      historyMs: 0,
      ...more,
    } as const;
    const shared = { domain, mesh, directory, storage, clock: systemClock, logger: silentLogger, counters };
    const side = createSipSide({ config, ...shared, ...(machine && { machine }) });
    await side.start();
    return new EdgeNode(side, directories);
  }

  get counters(): Counters {
    return this.directories.server(0).counters;
  }

  listener(transport: SocketTransport): ListenAddress {
    return this.side.stack.listening().find((each) => each.transport === transport) as ListenAddress;
  }

  async stop(): Promise<void> {
    await this.side.drain();
    await this.side.stop();
    await this.directories.stop();
  }
}
