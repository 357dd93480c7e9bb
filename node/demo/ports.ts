import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

const host = "127.0.0.1";
const highestPort = 65_535;
/** Linux gives connections that go out ports from 32,768 on, other systems from 49,152 on. */
const stretches = { from: 10_000, size: 64, count: 350 };
let given = 0;

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

/**
 * Free ports of loopback for servers that this process starts, restarts and stops: none that the system may give to a
 * connection going out while no server listens there, and none that was handed out here shortly before. Other
 * processes that ask have stretches of their own.
 * @throws {Error} when there are not enough
 */
export async function ownPorts(count: number): Promise<number[]> {
  const { from, size, count: processes } = stretches;
  if (given + count > size) given = 0;
  const first = from + (process.pid % processes) * size;
  const ports = await freePorts(first + given, count);
  given = Math.max(...ports) - first + 1;
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
