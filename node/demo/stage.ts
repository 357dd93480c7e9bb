import { type ReceivedMessage, Softphone, type SoftphoneTransport } from "../softphone/softphone.ts";
import { isSuccess, type SipOutcome } from "../softphone/outcome.ts";
import { Sightings, StoryFault } from "./sightings.ts";

/** What a server says of a user. */
export interface OwnerView {
  /** Name of the server that owns the user, as far as the server asked can tell. */
  readonly owner?: string;
  readonly epoch?: string;
}

/** One server of the story, as its steps see it. */
export interface StageServer {
  /** From 1. */
  readonly number: number;
  /** `server 1` */
  readonly title: string;
  /** As the mesh knows it: `server-1`. */
  readonly name: string;
  readonly host: string;
  readonly sipPort: number;
  readonly wsPort: number;
  /** Looks a user up from this server. */
  lookup(aor: string): Promise<OwnerView>;
  /** The epoch under which this server itself owns the user now. */
  owns(aor: string): Promise<string | undefined>;
  /** Kills the process as a crash would: nothing is released. */
  kill(): Promise<void>;
}

/** Where the story is told: an event is something that has just happened. */
export interface Reporter {
  event(server: StageServer | undefined, who: string, what: string, epoch?: string): void;
}

/** What every step works with. */
export interface Stage {
  readonly domain: string;
  /** Of the domain: how long a dead server's users stay taken. */
  readonly leaseMs: number;
  readonly servers: readonly [StageServer, StageServer, StageServer];
  readonly report: Reporter;
  /** Password of everybody in the story, by user name. */
  password(user: string): string;
  /** Called with each phone opened, so that it is closed at the end. */
  opened(phone: Phone): void;
}

/** How long anything may take that ought to take milliseconds: enough for a busy machine, far below a lease. */
export const momentMs = 5000;

/** One of a person's devices: a softphone on one server, and the messages that it got. */
export class Phone {
  readonly user: string;
  readonly aor: string;
  readonly server: StageServer;
  readonly softphone: Softphone;
  readonly messages = new Sightings<ReceivedMessage>(({ from, text }) => `"${text}" from ${from}`);

  private constructor(user: string, server: StageServer, softphone: Softphone) {
    this.user = user;
    this.aor = softphone.aor;
    this.server = server;
    this.softphone = softphone;
    softphone.onMessage((message) => this.messages.see(message));
  }

  static async open(stage: Stage, user: string, server: StageServer, transport: SoftphoneTransport): Promise<Phone> {
    const softphone = await Softphone.open({
      aor: aorOf(stage, user),
      server: { transport, host: server.host, port: transport === "WS" ? server.wsPort : server.sipPort },
      credentials: { username: user, password: stage.password(user) },
    });
    const phone = new Phone(user, server, softphone);
    stage.opened(phone);
    return phone;
  }
}

/** `sip:alice@example.com` of a user's name. */
export function aorOf(stage: Stage, user: string): string {
  return `sip:${user}@${stage.domain}`;
}

/** @throws {StoryFault} when the request was refused */
export function expectSuccess(what: string, outcome: SipOutcome): void {
  if (!isSuccess(outcome)) throw new StoryFault(`${what} was answered ${outcome.status} ${outcome.reason}`);
}

/** @throws {StoryFault} saying what should be, when it is not */
export function expectThat(holds: boolean, whatShouldBe: () => string): void {
  if (!holds) throw new StoryFault(whatShouldBe());
}

/** What a server says of the owner of a user, asking all replicas; the epoch. @throws {StoryFault} when it names another */
export async function expectOwner(asked: StageServer, aor: string, owner: StageServer): Promise<string> {
  const view = await asked.lookup(aor);
  if (view.owner === owner.name && view.epoch !== undefined) return view.epoch;
  throw new StoryFault(`${asked.title} should say that ${owner.title} owns ${aor}, but says ${view.owner ?? "nobody"}`);
}

/** The epoch under which a server itself says that it owns a user. @throws {StoryFault} when it does not */
export async function expectOwns(server: StageServer, aor: string): Promise<string> {
  const epoch = await server.owns(aor);
  if (epoch === undefined) throw new StoryFault(`${server.title} should own ${aor}, but does not`);
  return epoch;
}
