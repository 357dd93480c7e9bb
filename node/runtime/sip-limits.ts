/** The bounds of the SIP layer: the part `sip` of those in `limits.ts`. */
export const sipLimits = {
  /** One message, head and body: what a UDP datagram can hold. A larger one gets 513, or its connection is closed. */
  messageBytes: 64 * 1024,
  /** Header fields of a message: clients send 10 to 30, long proxy chains 100. More get 400. */
  headerCount: 256,
  /** One header field, folded lines included: large enough for digest credentials, tokens and long Route sets. More gets 400. */
  headerBytes: 8 * 1024,
  /** What an answer may have more in a field than its request had: a tag in To, in Via where the request came from. */
  answerAddsBytes: 256,
  /** A URI: user names and parameters are short; SIP gives no bound. A longer one gets 414. */
  uriBytes: 2048,
  /** Kernel buffers of a UDP listener: a burst of some thousand messages waits there. The kernel may give less. */
  udpBufferBytes: 4 * 1024 * 1024,
  /** How often the machine's addresses are looked at, for listeners on a wildcard: one that has appeared is served within this time. Looking takes 0.1 ms. */
  addressesMs: 5_000,
  /**
   * What one address (of IPv6, one /64 network) may do; this machine's own, and those of `--unlimited`, may do all. A company's whole staff can be behind one address, so these bounds
   * stop floods, not people. Connections beyond are closed, before TLS spends anything on them: a handshake takes a millisecond. Messages beyond: streams are read more slowly, datagrams get 503 with Retry-After, ten a second at
   * most, and nothing after that. A long message takes more time to read, and counts as several: most have a kilobyte, calls two. `remembered`: about 150 B each.
   */
  sources: {
    connections: 20_000,
    connectionsPerSource: 5_000,
    connectionsPerSecond: 100,
    burstConnections: 2_000,
    messagesPerSecond: 2_000,
    burstMessages: 10_000,
    octetsPerMessage: 2048,
    remembered: 50_000,
  },
  /** Where fewer files can be open than connections are allowed, so many are left for other servers, commands and the disk, or half of them: connections of clients beyond are closed. */
  otherFiles: 512,
  /** A message, once begun, arrives within this time, and the first one of a connection too; else the connection is closed. */
  partialMessageMs: 10_000,
  /** Of a header of the PROXY protocol, the addresses and what a proxy adds to them (TLVs): usually some hundred octets. */
  proxyHeaderBytes: 4096,
  /** Who connects has as long to show who they are, by a request with a password: time to type it. Else the connection is closed, whatever was said. */
  strangerMs: 2 * 60_000,
  /** A connection without any traffic is closed: longer than a registration of two hours, which is refreshed over it. */
  idleConnectionMs: 125 * 60_000,
  /** A WebSocket client that has said nothing since so many pings is gone: with one each 25 s, after 100 s. */
  unansweredPings: 3,
  /** After this silence the kernel probes whether the peer is still there. */
  keepAliveMs: 60_000,
  /** Establishing a TCP connection; then the requests that wait for it fail with 503. */
  connectMs: 5_000,
  /** What waits for a peer that does not read, and for all such peers: octets, and 256 more for each message. Beyond, its connection is closed; beyond the second, those for whom the most waits. */
  unread: { perConnection: 1024 * 1024, inAll: 512 * 1024 * 1024 },
  /** Messages that have been begun and not ended, octets in memory: one has at most twice its own, and 256 more. Beyond the second, those are closed of which there is the most. */
  unfinished: { perConnection: 1024 * 1024, inAll: 256 * 1024 * 1024 },
  /** Frames of one message over WebSocket: clients send one. Each is kept until the last has come, with 100 B beside its octets. More, and the connection is closed (1008). */
  messageFrames: 64,
  /** Requests being served at one time. Beyond, 503 with Retry-After. */
  pendingRequests: 10_000,
  /** Of these, for requests within a dialog only: who is being served already goes on being served. */
  reservedRequests: 1_000,
  /** An event loop that is so late, so often in a row, has more to do than it can: a growing share of the requests that begin something gets 503 with Retry-After. */
  overload: { sampleMs: 100, lateMs: 300, samples: 3 },
  /**
   * An INVITE of another server goes on ringing for as long after the link to it has broken, unless it is repeated: links are closed after two seconds of silence, and mostly soon made
   * again. A server that is there repeats it then, within `limits.session.awayMs`; one that is gone has callers who hear nothing any more.
   */
  repeatedWithinMs: 10_000,
  /** Server transactions in memory, the answered ones kept for retransmissions included, at about 1 KiB each. Beyond, 503 with Retry-After. */
  serverTransactions: 200_000,
  /** Octets of the answers among them, as many of the usual length; and of refusals of INVITEs until they are acknowledged. One is kept where a thousand of its length would find room; a retransmission of what was not is served as a new request. */
  answersBytes: 256 * 1024 * 1024,
  /** Requests sent, or waiting to be, and not yet answered. One destination may have as many as are free, so that a silent one takes nothing from the others; beyond, a local 503. */
  clientTransactions: 50_000,
  /** Octets of these requests, some 5 kB each, shared in the same way. */
  clientTransactionBytes: 256 * 1024 * 1024,
  /**
   * Requests to one UDP address that are on their way at once; the rest waits until they are answered. The usual socket buffer of Linux (212,992 octets, which counts
   * the kernel's own memory with each datagram) holds 90 NOTIFYs. What is not answered within `holdMs` makes room all the same, so 800 a second go to who answers nothing.
   */
  udpWindow: { requests: 40, holdMs: 50 },
  /** How long a client may use a challenge; then it is challenged again with `stale=true`, which no person notices. */
  nonceMs: 5 * 60_000,
  /** Used nonces that are remembered so that credentials cannot be replayed, about 150 bytes each. Beyond, older ones count as stale. */
  nonces: 50_000,
  /**
   * Wrong passwords for one user, or from one address, that cost nothing; after each further one no credentials of theirs are looked at for a time, which doubles up to five minutes: 503
   * with Retry-After. One is forgotten a minute. A user who has shown the right password from an address is not kept waiting there. About 200 B each.
   * Of whom that is known where, as much as `writtenBytes` is written every `writeMs`, for the next run.
   */
  guesses: {
    perUser: 5,
    perSource: 30,
    firstMs: 1000,
    longestMs: 5 * 60_000,
    forgetMs: 60_000,
    remembered: 20_000,
    writeMs: 10 * 60_000,
    writtenBytes: 1024 * 1024,
  },
  /** What the log says of wrong passwords: enough for five guesses of one address to be seen at once, which is what tools that ban addresses wait for, and no more than 2 kB a second. */
  failedLogins: { linesPerSecond: 10, userChars: 64 },
  /** How often it is looked whether a TLS certificate runs out, and how long before that it is said: the usual tools renew 30 days before, so a warning means that they did not, or that nobody told the node. */
  certificateLookMs: 24 * 3600_000,
  certificateWarningMs: 14 * 24 * 3600_000,
  /** Retry-After of a node that has too much to do: long enough to drain what it holds. */
  retryAfterSeconds: 5,
} as const;
