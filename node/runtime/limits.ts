import { AOR_MAX_BYTES } from "../../dht-schema/aor.ts";
import { FRAME_MAX_BYTES } from "../../dht-schema/link-frames.ts";
import { ROSTER_SERVERS_MAX } from "../../dht-schema/roster.ts";
import { fittingIntoHeap } from "./heap-share.ts";
import { sipLimits } from "./sip-limits.ts";

/**
 * Every bound of a node in one place (the SIP layer's, of which there are many, in `sip-limits.ts`), each with its reason and with what happens when it is reached.
 * A part adds its own group here, never a number of its own elsewhere.
 */
export const limits = {
  sip: sipLimits,
  mesh: {
    /** One frame between two servers. A larger one is a protocol error: the link is closed. A larger message of ours is not sent: `send` answers false. */
    frameBytes: FRAME_MAX_BYTES,
    /** Octets that wait for a slow peer, per channel: some seconds of the busiest traffic. Beyond, `send` answers false. */
    queueBytes: 8 * 1024 * 1024,
    /** Octets of one write to a stream: enough to fill packets, little enough that control frames overtake a queue. */
    batchBytes: 64 * 1024,
    /** How often timers of links and dials are looked at. */
    tickMs: 100,
    /** After this long without hearing anything a link is pinged. */
    pingIdleMs: 500,
    /** A busy link is pinged at least this often: it measures the round trip and compares rosters. */
    pingEveryMs: 5000,
    /** After this long without hearing anything, three pings' worth, a link is closed: silence is noticed within 2 s. */
    silentMs: 1500,
    /** Links that are pinged at that pace. A server with more pings each in proportion less often, down to this slowdown: then silence is noticed within 6 s, before a lease of 10 s runs out. */
    pingLinks: 250,
    pingSlowdown: 4,
    /** Longest step of the clock by which links are judged: what exceeds it, this process slept through, and nobody read the sockets. */
    awakeStepMs: 250,
    /** From opening a link's stream to both READYs; beyond, the link is closed. */
    greetMs: 2000,
    /** A server that stops waits for its last messages to leave and its peers to hang up, as long as something leaves in each such time and no longer than the second; then it hangs up itself. */
    goodbyeMs: 1000,
    goodbyeMaxMs: 5000,
    /** How long a connected server waits for the other side to open the streams; beyond, it hangs up and dials again. */
    waitMs: 3000,
    /** One dial with all its addresses, and one address of it, handshake included (an overloaded machine takes a second); beyond, it is retried. */
    dialMs: 8000,
    dialAddressMs: 3000,
    /** One search for a peer's addresses in kad-dht. */
    findPeerMs: 2000,
    /** First and longest wait before a dial is retried; each is spread by jitter over its upper half. Retries never end. */
    retryMinMs: 100,
    retryMaxMs: 3000,
    /** A second connection of a pair, left from dialling both ways at once, is closed after this long. */
    spareConnectionMs: 3000,
    /** Strangers connected at once while an invite is open, and of these those of one host that is another machine; further ones are refused. */
    strangers: 8,
    strangersPerSource: 3,
    /** How long a stranger may stay without having joined. */
    strangerMs: 2000,
    /** In the log, of strangers that were refused: anybody can be as many of them as they like. All are counted. */
    strangerLinesPerSecond: 5,
    /** A whole join, dial included; beyond, it fails with `JOIN_UNREACHABLE` and can be repeated. */
    joinMs: 10_000,
    /** Longest life of an invite. A longer one is refused when it is made. */
    inviteTtlMs: 30 * 24 * 3600 * 1000,
    /** Redeemed invites remembered until they expire, so that a repeated join gets the same answer; beyond, the one that expires first is forgotten. */
    redeemedInvites: 256,
    /** Peer ids of servers taken out of the roster that are remembered, to tell them when they come back; beyond, the first is forgotten. */
    formerServers: 256,
    /** How long the steward waits for a majority of voters to be in touch, or to have stored a roster, before it says that it cannot act. */
    voterContactMs: 1500,
    /** One question to another server about the roster, its answer included. */
    askRosterMs: 2000,
    /** Connections of all kinds: each server of the largest roster twice, for a moment. Beyond, new ones are refused. */
    connections: 2 * ROSTER_SERVERS_MAX + 64,
    /** New connections a second from one host, handshakes under way at once, and of these those of one host (of IPv6, one /64 network) that is another machine; beyond, refused before the handshake. */
    inboundPerSecond: 200,
    inboundPending: 256,
    inboundPendingPerSource: 32,
  },
  storage: {
    /** The database of a node, without the history: 4 GiB hold millions of contacts. A write beyond fails with `DISK_FULL`. */
    databaseBytes: 4 * 1024 ** 3,
    /** One setting; the largest is the signed roster of at most 2 MiB. A larger one is a programmer's error. */
    settingBytes: 4 * 1024 * 1024,
    /** How long a write waits for a backup tool that holds the database before it fails, and others after it without waiting, until one succeeds. The node stands still meanwhile: below the 2 s after which peers miss it. */
    busyMs: 500,
    /** In the log, that writes fail or succeed again. */
    problemLinesPerSecond: 2,
    /** In the log, of what could not be written, each part for itself: on a full disk every request brings some. */
    failureLinesPerSecond: 1,
    /** How often it is looked whether the wall clock was set, and by how much it has to be: what is less, or comes about slowly, waits until it is more. */
    clockLookMs: 1000,
    clockStepMs: 2000,
    /** How many times faster than the node runs what is kept grows old at most: a clock that is a year ahead for an hour costs a day. */
    ageingSpeed: 24,
    /** How often it is written how far that has come: each time waits for the disk. What it is behind after a start is made up for within minutes. */
    ageingWriteMs: 3600_000,
  },
  presence: {
    /** One published document; real ones are 0.5 to 4 KiB. Beyond: 413. */
    documentBytes: 16 * 1024,
    /** The same as it is written to disk: what is escaped takes up to six octets where it took one. */
    storedBytes: 100 * 1024,
    /** What is composed of a user's publications has to fit into one SIP message beside its headers. Beyond, those make room that have not been spoken of for longest. */
    composedBytes: 48 * 1024,
    /** A person has a handful of devices; a client that is started again and again leaves publications behind. For one more the one makes room that has not been spoken of for longest. */
    publicationsPerUser: 16,
    /** Users of whom devices are known that were told that another server has their user: what they publish by themselves brings nobody back. Above it the oldest are forgotten. */
    leftBehind: 50_000,
    /** Names of such devices of one user, two each, at 80 B. Above it the oldest are forgotten. */
    leftBehindNames: 32,
    /** PUBLISH requests that wait for a claim of their user to end. Beyond: 503 with Retry-After. */
    publishesWaiting: 4096,
    /**
     * Users being looked up at once for their watchers, and SUBSCRIBEs under way to owners; the rest waits. Where leases run out, or another server is started anew, it is all
     * users at once, of a directory or a server that has much to do itself. Most of them learn by their watch meanwhile.
     */
    lookups: 256,
    backendSubscribes: 256,
    /** Watchers of one user on this server. Beyond: 503 with Retry-After. */
    watchersPerUser: 20_000,
    /** Behind a proxy a watcher who registers anew is told by the new path where nothing has been heard of a NOTIFY for so long: T1 of RFC 3261, after which it is repeated over UDP. */
    answerMs: 500,
    /** How long a watcher is waited for to whom a NOTIFY could not be sent, as their connection is gone: networks change, phones sleep. Then the subscription ends. */
    awayMs: 2 * 60_000,
    /** What of a SUBSCRIBE is kept with its dialog: addresses, Call-ID, proxies on the way, some 300 octets. More: 400. */
    dialogBytes: 4 * 1024,
    /** All dialogs of this server, at under 1 KiB of heap each: a million where that may be 4 GiB. Beyond: 503 with Retry-After. */
    subscriptions: fittingIntoHeap(0.25, 1024),
    /** Of these, those of one user: a handful of devices, each with a few hundred buddies and no list. Beyond: 403 with a Warning. */
    subscriptionsPerUser: 1_000,
    /**
     * Buddy lists: their members, octets of these members' addresses, lists within lists, and octets of a list that a request brings. Beyond: 413.
     * The full state of a list has to fit into one NOTIFY with nothing but its members; documents that do not fit go with the next.
     */
    lists: {
      members: 200,
      uriBytes: 8 * 1024,
      depth: 8,
      documentBytes: 32 * 1024,
      notifyBytes: 56 * 1024,
      /** Lists of a domain, those that were removed with them: all are on every server. One more is refused. */
      stored: 10_000,
      /** What one server tells another at once, in a SIP message beside its headers. The rest is asked for again. */
      pageBytes: 48 * 1024,
      pageLists: 500,
      /** How long another server may take to answer, and after how long it is asked again. */
      askMs: 3000,
      retryMs: 10_000,
    },
    /** Members of all lists that are being watched, at some 300 bytes each: two millions. Beyond: 503 with Retry-After. */
    listMembers: fittingIntoHeap(0.15, 300),
    /** Of these, those of one user: fifty of the longest lists. Beyond: 403 with a Warning. */
    listMembersPerUser: 10_000,
    /** Watchers in one document of those who watch a user, at under 200 bytes each. Beyond, the newest. */
    watchersTold: 240,
    /** Watchers, or a user's contacts, in one document: it has to fit into one SIP message beside its headers, however long their addresses are. Beyond, the newest. */
    toldBytes: 48 * 1024,
    /** Changes of a state in parts (watchers, registrations) that are remembered: who has missed more gets all of it. */
    changesRemembered: 1000,
    /** Presence documents are flat; depth is how parsers are attacked. Beyond any of these: 400. */
    xml: { depth: 32, elements: 2000, attributesPerElement: 64 },
    /** A composed document from another server: all its publications and contacts in one, namespace declarations gathered at the root. Beyond: 413 or 400. */
    relayed: { bytes: 60 * 1024, xml: { depth: 32, elements: 16_000, attributesPerElement: 1100 } },
  },
  directory: {
    /** Registers of one replica, about 300 B each. One server may have as many as are free; beyond, it is refused as "full", and its claim is unavailable. */
    registers: 4_000_000,
    /** A register that is nobody's is forgotten when so many ballots have been seen since its own: later, and the floor that takes its place refuses nobody's next ballot. */
    forgetAfterBallots: 65_536,
    /** Watches of one server at one replica, and of all. One server may have as many as are free; beyond, it is refused as "full", and asks again. */
    watchesPerSession: 1_000_000,
    watches: 4_000_000,
    /** Epochs remembered of users served elsewhere, for fencing: those least recently used are forgotten. */
    observedEpochs: 100_000,
    /** Owners remembered that were just found, and for how long: short, for who asks one that is frozen waits for it, although its lease may be over. */
    recentOwners: 10_000,
    recentOwnerMs: 1_000,
    /** Messages kept from peers that are ahead in roster version until the roster comes, some 300 B each. One server may have as many as are free; a batch beyond is dropped, and asked again. */
    heldMessages: 16_384,
    /** Claims under way at once: a further one is unavailable. */
    claims: 20_000,
    /** Bindings being signed at once for servers that ask: a further question is answered with none. */
    signatures: 256,
    /** Catch-up messages to one replica, and own re-claims, under way at once: the rest waits. */
    catchUpWindow: 256,
    /** Messages to itself, as one of a user's replicas, that a server looks at in one turn, some 2 µs each: the rest waits for the next. */
    selfMessages: 4_096,
    /** Ownerships, and watches, that are moved to a new roster in one turn, at some 10 µs each; the rest, which may be a million, in later ones, with such a pause for others. */
    movedAtOnce: 2_048,
    movePauseMs: 1,
  },
  federation: {
    /**
     * Requests that wait for devices or another server, of all that are served at a time: what is left is for those that are answered here, such as REGISTER. One user may have as many as are free, and so may
     * another server within the sessions of its users. Beyond, 480 with Retry-After.
     */
    underWay: 8_000,
    /** Of these, within sessions, those that clients at one address send: a part only, as they go on to one other server maybe, where they are all of this one's. A proxy of many has as many as are free. */
    underWayOfSource: 1_000,
    /**
     * Time of the event loop, as it was taken within about `windowMs`: one user may have as much as is free, half of it where they are alone. Beyond, 480 with Retry-After, but for who has had less than
     * `littleMs`: a twentieth, more than a client takes to come with all its buddies; a list of 200 takes some 6 ms. `remembered`: users, about 100 B each.
     */
    time: { windowMs: 1_000, littleMs: 50, remembered: 10_000 },
    /** A device that has not answered after it counts as silent, so that the sender hears 480 before its own transaction gives up at 32 s. */
    deliveryMs: 20_000,
    /** Servers that one request is tried at while its user moves. After that it gets 480 with Retry-After. */
    ownerHops: 3,
    /** How long a message waits at its sender's server for a link to the owner that has just broken: as long as a lookup waits for a majority. Then it is held. */
    linkMs: 2_000,
    /** Branches that a request may have at one time, on all servers together, as RFC 5393 §5.3.1 recommends. Too few left for a user's devices: 440. */
    maxBreadth: 60,
    /** Challenges, and their octets, that are added to those of a fork's best answer: proxies and devices ask for one or two each. More are left out, or nobody could read the answer. */
    challenges: { fields: 32, bytes: 16 * 1024 },
    /** How long a server may take to say where its clients reach it; after that a client is refused without being told. */
    addressMs: 2000,
  },
  registrar: {
    /** How long a user is kept, and shown to watchers as they were, whose client has lost its connection: browsers make another within some seconds. As long as calls wait for it (`session.awayMs`). */
    reconnectMs: 8_000,
    /** Devices of one user where the operator says nothing; a client that makes a new Contact at each start fills it. One more gets 403. */
    contactsPerAor: 16,
    /** Proxies between a device and its registrar; each is repeated in every request to the device. More get 400. */
    pathHops: 10,
    /** Users with contacts on one server, 1.2 kB of heap each with one device: a million where that may be 4 GiB. One more gets 503 with Retry-After. */
    aors: fittingIntoHeap(0.3, 1200),
    /** Users whose registrations have expired that are looked at in one turn of the event loop, at some 50 µs each; the rest in the next ones. */
    expiredAtOnce: 500,
    /** Users who are found by one Contact: as many as an INVITE with Replaces goes to, one after the other. One phone with several lines is one device; two devices are there by accident. */
    usersAtContact: 4,
    /** REGISTERs of one user that wait while another is claiming. One more gets 503 with Retry-After. */
    pendingPerAor: 16,
    /** How long a request of another server for a user who is just registering here waits for that: a claim takes a round trip or two, unless its user's last server has died. */
    registeringMs: 1_000,
    /** Remembered registrations whose user went to another server, about 200 B each. Above it the oldest is forgotten. */
    shedRegistrations: 50_000,
    /** Claims at a time while contacts of an earlier run are taken back: as many as a loaded server ends in a tenth of a second or two, so that it is busy, and hears others in between. The rest waits. */
    reclaims: 256,
    /** How often it is looked at whose turn it is to be pinged behind a NAT, and how many users are pinged at once: 10,000 a second, at some 10 µs each. With more than 250,000, each waits longer. */
    natPings: { tickMs: 100, atOnce: 1000 },
    /** A claim that has not ended after it is answered 503, before the client's own transaction gives up at 32 s (RFC 3261 Timer F). */
    claimMs: 20_000,
  },
  messaging: {
    /** Body of one MESSAGE. RFC 3428 §8 allows 1,300 octets where congestion is not controlled; over streams and on a loopback more is of use. A larger one gets 413. */
    bodyBytes: 32 * 1024,
    /** How long a message waits for its recipient, where its sender does not want less: a holiday. Then it is dropped. */
    heldMs: 14 * 24 * 3600 * 1000,
    /** Messages that wait for one recipient, and their octets; of these one sender may have as many as are free. Beyond, the sender hears 480 as if none were held. */
    heldPerUser: 1000,
    heldBytesPerUser: 2 * 1024 * 1024,
    /** Octets of all that wait on one server, a quarter of its database: users and what they register have the rest. One sender may have as much as is free. Beyond, 480. */
    heldBytes: 1024 ** 3,
    /** Recipients that messages wait for on one server, each with a watch in the directory; and how many of them one sender may have been the first to write to. Beyond, 480 for another. */
    heldRecipients: 50_000,
    heldRecipientsPerSender: 500,
    /** Names of delivered messages kept in memory, 100 B each: at least half as many others may be delivered before one is sent again whose answer was lost with a link. */
    recentNames: 131_072,
    /** Of those of messages that were held, on disk for as long as their holder may ask, at some 100 B each: four a second. Beyond, the oldest are forgotten. */
    namesOnDisk: 5_000_000,
    /** An answer to another server that is older has arrived: the link would be known to be broken, which takes 6 s at most. */
    answerMs: 10_000,
    /** How long after its start a server is asked for what its last run was given and nobody holds: as long as a request waits for its answer. */
    askedAgainMs: 32_000,
    /** For that time the names on disk are in memory where they are no more: 50 ms to read, 10 MB. Where they are more each is looked up, 25 µs a message. */
    namesReadAtStart: 65_536,
    /** How often what has expired is removed; and how many messages, and names, in one turn, some 5 ms, with such a pause before the next: half of what a node can do. */
    sweepMs: 60_000,
    expiredAtOnce: 128,
    expirePauseMs: 5,
    /** After a delivery that failed it is tried again when the recipient appears, and at the latest after a pause that doubles from the first to the last. */
    heldRetryMinMs: 2_000,
    heldRetryMaxMs: 5 * 60_000,
    /** How long devices that are there may not take a message before others go past it; and how many such are tried in a row before the next pause. */
    heldBorneMs: 30_000,
    heldRefusedInRow: 16,
    /** A server that leaves for good gives what it holds to others: for so many recipients at once, waiting so long for each answer, so long before it asks all again where none took it, and no longer than that in all. */
    handOnAtOnce: 16,
    handOnAnswerMs: 5_000,
    handOnPauseMs: 1_000,
    handOnMs: 60_000,
    /** How long a node that stops waits for the answers to held messages that it has sent, and then for those to messages of clients; without them they are sent again. */
    stopMs: 2_000,
  },
  history: {
    /** The file of what users wrote, unless `--history-size` says otherwise: 4 GiB hold some ten million messages. */
    databaseBytes: 4 * 1024 ** 3,
    /** One user may take one part in so many, 40 MiB: some hundred thousand messages. Beyond, their oldest make room for their newest. */
    userPart: 100,
    /** One part in so many is kept free, for what the index of words needs while it is put in order. Beyond, the oldest make room. */
    sparePart: 4,
    /** Entries that one write, or one turn of clearing what is too old, removes at most: some milliseconds. The rest goes with the next. */
    removedAtOnce: 64,
    /** What an earlier release kept with the contacts is moved in steps of so many with such a pause: 2,000 entries a second, a million in ten minutes. */
    movedAtOnce: 100,
    movePauseMs: 50,
    /** A history that fails is told of in the log once in this time, with how much was lost. */
    tellMs: 60_000,
    /** Messages in one answer; more are asked for with another query. */
    entries: 1000,
    /** An answer to another server, in a SIP message beside its headers. What does not fit is asked for again, from where it ended. */
    answerBytes: 48 * 1024,
    /** Words and characters of a query. More are refused. */
    words: 32,
    queryChars: 1000,
    /** How long another server may take to answer; then its part is reported as missing. */
    askMs: 3000,
    /** How often what is too old is removed. */
    sweepMs: 10 * 60_000,
  },
  sidecar: {
    /** Users of trusted servers, with a subscription each to their presence. That of one more is not seen. */
    users: 100_000,
    /** Asked of trusted servers; refreshed at four fifths. */
    subscriptionSeconds: 3600,
    /** A subscription of this age is refreshed with the next REGISTER for its user, too: a server that has been started anew knows nothing of it. */
    renewMs: 5 * 60_000,
    /** After a subscription that failed: a pause that doubles from the first to the last. */
    retryMinMs: 1000,
    retryMaxMs: 5 * 60_000,
  },
  session: {
    /** Body of an INVITE, an SDP of some kilobytes, and of all else that goes on to devices but MESSAGE, within sessions too. A larger one gets 413; an ACK is dropped. */
    bodyBytes: 32 * 1024,
    /** INVITEs that wait for a person to answer, minutes each: fewer than requests at one time, so that these find room. One caller may have as many as are free; beyond, 480 with Retry-After. Where none is left, 503. */
    ringing: 5000,
    /** A device that rings in silence for this long is given up: Timer C of RFC 3261 §16.6 step 11, more than 3 minutes. */
    ringMs: 185_000,
    /**
     * Searches for a Contact of which all servers are asked, a small message each, in all and of one user: a person transfers one call at a time, a switchboard a few. Beyond, 480
     * with Retry-After. A server that has not answered within `askMs` does not say. One that finds nobody counts for `inVainMs` longer.
     */
    contactSearches: { atOnce: 256, perUser: 8, askMs: 2_000, inVainMs: 1_000 },
    /** How long the INVITE waits for a device whose connection broke while it rang to be there again: clients notice within a second or two, and register then. */
    awayMs: 8_000,
    /**
     * Requests within sessions that wait as long for whoever is away, with what they carry: in all, a server's and a source's share of that, and for one client, in one session or two. Beyond, what is said of who stays away.
     */
    waitingForAway: { atOnce: 2_000, perClient: 16 },
    /** A device that says nothing for this long after it was cancelled, and after three or four CANCELs over UDP, is taken for dead: others do not wait for it. */
    cancelMs: 2_500,
    /** How long a server that stops waits for devices that ring to say that they have stopped; then their callers are told all the same. */
    stopMs: 1_000,
  },
  admin: {
    /** A request to the admin API, where it does not bring users; the largest is a list of 200 with the longest addresses, which is then told why it is none. A larger one is answered 413. */
    bodyBytes: 64 * 1024,
    /** A user, server or list in a path: an address of the longest kind, all of it escaped. A longer one is answered 414. */
    pathChars: 3 * AOR_MAX_BYTES,
    /** How long a command waits for an answer: a node that stands still would keep it for ever. */
    answerMs: 60_000,
    /** Users in one request: written in one transaction, during which the node does nothing else. */
    usersPerImport: 500,
    /** A request that brings users; the largest has some 700 octets each. */
    usersBytes: 512 * 1024,
    /** Bindings in one answer; more are counted, not listed. */
    bindings: 100_000,
    /** `aorta watch` at once. Another is answered 503. */
    watches: 64,
    /** Octets that a watch may leave unread before it is closed. */
    watchBacklogBytes: 256 * 1024,
    /** Silence after which a watch gets a comment line, so that both ends notice a dead connection. */
    watchKeepaliveMs: 15_000,
  },
  node: {
    /** In the log, of each of the things that clients can bring about as often as they like. All are counted. */
    clientLinesPerSecond: 10,
    /** A node that was asked to stop has as long to let go of its users and say goodbye. Then it ends anyway, and exits with 1. */
    drainMs: 10_000,
    /** A node that is out of its domain stays for as long, so that whoever waits for that can see it. */
    farewellMs: 1000,
  },
  softphone: {
    /** One message on a stream, as the server's own limit. What announces or sends more cannot be trusted: the connection is closed. */
    messageBytes: 64 * 1024,
  },
} as const;
