import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

const host = "127.0.0.1";
const highestPort = 65_535;

/**
 * Ports of the loopback interface that are free for UDP and TCP: those from `preferred` on, as far as nobody has them.
 * @throws {Error} when there are not enough below 65,536
 */
export async function freePorts(preferred: number, count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let port = preferred; ports.length < count; port++) {
    if (port > highestPort) throw new Error(`There are no ${count} free ports from ${preferred} on.`);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const tcp = createServer();
  const udp = createSocket("udp4");
  try {
    tcp.listen(port, host);
    await once(tcp, "listening");
    udp.bind(port, host);
    await once(udp, "listening");
    return true;
  } catch {
    return false; // in use, or not ours to bind: either way another one will do
  } finally {
    tcp.close();
    udp.close();
  }
}
