import { createCounters } from "../../../../node/runtime/metrics.ts";
import { createRequest } from "../../../../node/sip/message/build.ts";
import type { SipRequest, SipResponse } from "../../../../node/sip/message/message.ts";
import { parseMessage } from "../../../../node/sip/message/parse-message.ts";
import { randomBranch } from "../../../../node/sip/message/tags.ts";
import { topVia } from "../../../../node/sip/message/validate-request.ts";
import type { Flow, IncomingRequest, SocketFlow } from "../../../../node/sip/stack.ts";
import { ClientTransactions } from "../../../../node/sip/transaction/client-transactions.ts";
import { Scheduler } from "../../../../node/runtime/scheduler.ts";
import { ServerTransactions } from "../../../../node/sip/transaction/server-transactions.ts";
import { RFC3261_TIMERS } from "../../../../node/sip/transaction/timer-settings.ts";
import { VirtualTime } from "../../../helpers/virtual-time.ts";

export const UDP: SocketFlow = { transport: "UDP", address: "127.0.0.1", port: 5060 };
export const TCP: SocketFlow = { transport: "TCP", address: "127.0.0.1", port: 5060 };

export const CAPACITY = { clients: 20, clientOctets: 100_000, pending: 10, reserved: 0, kept: 30, answers: 1_000_000 };

/** What happens to the n-th datagram: when its copies arrive; none is a loss. */
type Fate = readonly number[];

/** A client's and a server's transactions, joined by a network that does as it is told. */
export function pair(
  fates: readonly Fate[] = [],
  flow: Flow = UDP,
  serve: (incoming: IncomingRequest, time: VirtualTime) => void = () => {},
  isUp: () => boolean = () => true,
) {
  const time = new VirtualTime();
  const counters = createCounters();
  const scheduler = new Scheduler(time, time);
  const handled: IncomingRequest[] = [];
  const onWire: string[] = [];
  const refused: number[] = [];
  let sent = 0;
  const carry = (bytes: Uint8Array, arrive: (bytes: Uint8Array) => void): void => {
    onWire.push(Buffer.from(bytes).toString().split("\r\n", 1)[0] as string);
    for (const delayMs of fates[sent++] ?? [1]) time.after(delayMs, () => arrive(bytes));
  };
  const shared = { scheduler, counters, timers: RFC3261_TIMERS, isReliable: (each: Flow) => each.transport !== "UDP" };
  const clients = new ClientTransactions({
    ...shared,
    capacity: { requests: CAPACITY.clients, octets: CAPACITY.clientOctets },
    window: { requests: 100, holdMs: 20 },
    transmit: (_flow, bytes, failed) =>
      isUp()
        ? carry(bytes, (octets) => {
            const request = parseMessage(octets) as SipRequest;
            servers.receive(request, topVia(request), flow);
          })
        : failed("down"),
  });
  const servers = new ServerTransactions({
    ...shared,
    capacity: CAPACITY,
    transmit: (_path, bytes, failed) =>
      isUp()
        ? carry(bytes, (octets) => void clients.receive(parseMessage(octets) as SipResponse, flow))
        : failed("down"),
    sheds: () => false,
    deliver: (incoming) => {
      handled.push(incoming);
      serve(incoming, time);
    },
    answerStateless: (_request, _path, status) => void refused.push(status),
  });
  return { time, counters, clients, servers, handled, onWire, refused };
}

export function request(method = "MESSAGE"): SipRequest {
  return createRequest({
    method,
    uri: "sip:alice@example.com",
    from: "<sip:joe@example.com>;tag=1",
    to: "<sip:alice@example.com>",
    headers: [["Via", `SIP/2.0/UDP 127.0.0.1:5070;branch=${randomBranch()};rport`]],
  });
}
