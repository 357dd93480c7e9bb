import type { Phone, Reporter, Stage } from "./stage.ts";
import { renderEncore, renderServers } from "./playbill.ts";
import { aortaCommand, type DemoServer, Servers, type Users } from "./servers.ts";
import { StoryFault } from "./sightings.ts";
import { hold, title as holdTitle } from "./story/1-hold.ts";
import { appear, title as appearTitle } from "./story/2-appear.ts";
import { talk, title as talkTitle } from "./story/3-talk.ts";
import { move, title as moveTitle } from "./story/4-move.ts";
import { race, type RaceRound, summarizeRace, title as raceTitle } from "./story/5-race.ts";
import { crash, title as crashTitle } from "./story/6-crash.ts";
import { paint, renderEvent, renderHeading, renderTable, renderVerdict, type Style } from "./timeline.ts";

const domain = "example.com";
const leaseMs = 3000;
const users: Users = { joe: "joe-secret", alice: "alice-secret", zeke: "zeke-secret", guest: "welcome" };

/** How the show is to go. */
export interface ShowOptions {
  /** Exists; the servers' data and logs go there. */
  readonly folder: string;
  /** Whether to end after the story. */
  readonly once: boolean;
  /** How many races step 5 has. */
  readonly rounds: number;
  /** Step before which server 2 is killed, which the story must notice. */
  readonly sabotagedStep?: number;
  readonly style: Style;
  /** Prints one or more lines. */
  readonly write: (text: string) => void;
}

/** The whole show: servers up, the six steps, the encore, goodbye. */
export class Show {
  readonly #options: ShowOptions;
  readonly #servers: Servers;
  readonly #phones: Phone[] = [];
  readonly #interruption = Promise.withResolvers<never>();
  readonly #report: Reporter;
  /** What the end of a server means: during the story, the end of it. */
  #onDeath = (fault: StoryFault): void => this.#interruption.reject(fault);
  #stopping = false;
  #stepStartMs = 0;

  constructor(options: ShowOptions) {
    this.#options = options;
    const { write, style } = options;
    this.#report = {
      event: (server, who, what, epoch) => {
        const event = { atMs: performance.now() - this.#stepStartMs, server: server?.title ?? "", who, what };
        write(renderEvent(epoch === undefined ? event : { ...event, epoch }, style));
      },
    };
    this.#interruption.promise.catch(() => {}); // nobody may be waiting when it comes
    this.#servers = new Servers({
      domain,
      leaseMs,
      folder: options.folder,
      users,
      onDeath: (fault) => this.#onDeath(fault),
    });
  }

  /** Ends the show early, or after the story. */
  stop(): "stopping" | "already-stopping" {
    if (this.#stopping) return "already-stopping";
    this.#stopping = true;
    this.#interruption.reject(new Interrupted());
    return "stopping";
  }

  /** Kills whatever still runs. */
  abandon(): void {
    this.#servers.abandon();
  }

  /** Resolves with the exit status. */
  async run(): Promise<number> {
    const { once, write, style } = this.#options;
    try {
      const servers = await this.#begin();
      const online = await this.#tell(servers);
      if (once) return await this.#farewell(0);
      for (const phone of online) this.#answer(phone, online);
      this.#onDeath = (fault) => write(renderVerdict(false, fault.message, style));
      write(renderEncore(aortaCommand, domain, servers, users, style));
      await this.#interruption.promise;
      return 0;
    } catch (error) {
      if (error instanceof Interrupted) return await this.#farewell(once ? 130 : 0);
      await this.#explain(error);
      return await this.#farewell(1);
    }
  }

  async #begin(): Promise<readonly [DemoServer, DemoServer, DemoServer]> {
    const { write, style } = this.#options;
    write(paint(style, "bold", "Aorta: one SIP domain on three servers, and no database between them\n"));
    this.#stepStartMs = performance.now();
    const told = (server: DemoServer, what: string): void => this.#report.event(server, "", what);
    const servers = await this.#uninterrupted(this.#servers.start(told));
    write(`\n${renderServers(servers, style)}`);
    write(`\n     A lease lasts ${leaseMs / 1000} s here, so that step 6 is short; 10 s is usual.`);
    return servers;
  }

  /** The story; those who are online after it. */
  async #tell(servers: readonly [DemoServer, DemoServer, DemoServer]): Promise<readonly Phone[]> {
    const stage = this.#stageOf(servers);
    const { joe, alicesPresence } = await this.#step(1, holdTitle, () => hold(stage), "held");
    const alice2 = await this.#step(
      2,
      appearTitle,
      () => appear(stage, alicesPresence),
      "no new subscription was needed",
    );
    await this.#step(3, talkTitle, () => talk(stage, joe, alice2), "delivered both ways");
    const alice3 = await this.#step(
      4,
      moveTitle,
      () => move(stage, joe, alice2, alicesPresence),
      "server 2 let go, joe's subscription followed, messages reach server 3",
    );
    await this.#step(
      5,
      raceTitle(this.#options.rounds),
      async () => this.#showRace(stage, await race(stage, this.#options.rounds)),
      "one owner, every time",
    );
    const alice1 = await this.#step(
      6,
      crashTitle,
      () => crash(stage, joe, alice3, alicesPresence),
      "reachable again, and joe saw it",
    );
    return [joe, alice1];
  }

  /** From now on, whoever writes to this person gets an answer, and the audience sees it. */
  #answer(phone: Phone, online: readonly Phone[]): void {
    this.#stepStartMs = performance.now();
    phone.softphone.onMessage(({ from, text }) => {
      const isAnswer = online.some(({ aor }) => aor === from); // or two of them would answer each other for ever
      this.#report.event(phone.server, phone.user, `reads “${text}” from ${from}`);
      if (isAnswer) return;
      const answer = `${phone.user} here. You wrote: “${text}”`;
      phone.softphone.sendMessage(from, answer).then(
        ({ status, reason }) => this.#report.event(phone.server, phone.user, `answers: ${status} ${reason}`),
        (error: Error) => this.#report.event(phone.server, phone.user, `cannot answer: ${error.message}`),
      );
    });
  }

  #showRace(stage: Stage, rounds: readonly RaceRound[]): void {
    const columns = [
      { title: "owner", align: "left" },
      { title: "rounds", align: "right" },
      { title: "all answered, p50", align: "right" },
      { title: "p99", align: "right" },
    ] as const;
    this.#options.write(renderTable(columns, summarizeRace(stage, rounds), this.#options.style));
  }

  #stageOf(servers: Stage["servers"]): Stage {
    const password = (user: string): string => users[user] ?? "";
    const opened = (phone: Phone): void => void this.#phones.push(phone);
    return { domain, leaseMs, servers, report: this.#report, password, opened };
  }

  /** @throws {StepFault} naming the step */
  async #step<T>(number: number, title: string, act: () => Promise<T>, shown: string): Promise<T> {
    const { write, style, sabotagedStep } = this.#options;
    write(renderHeading(number, title, style));
    this.#stepStartMs = performance.now();
    if (number === sabotagedStep) await this.#servers.all[1]?.process.sabotage();
    try {
      const result = await this.#uninterrupted(act());
      write(renderVerdict(true, shown, style));
      return result;
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      throw new StepFault(number, title, error);
    }
  }

  #uninterrupted<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#interruption.promise]);
  }

  async #explain(error: unknown): Promise<void> {
    const { write, style } = this.#options;
    const cause = error instanceof StepFault ? error.cause : error;
    const text = cause instanceof StoryFault ? cause.message : String((cause as Error)?.stack ?? cause);
    write(renderVerdict(false, text, style));
    for (const { title, process: server } of this.#servers.all) {
      const lines = await server.logTail(8);
      if (lines.join("") !== "") write(paint(style, "dim", [`     log of ${title}:`, ...lines].join("\n       ")));
    }
    write(`\n${error instanceof StepFault ? error.message : "The servers did not come up."}`);
  }

  async #farewell(status: number): Promise<number> {
    const { write, style } = this.#options;
    this.#stopping = true;
    write(paint(style, "dim", "\nClosing the phones; draining the servers …"));
    await Promise.all(this.#phones.map(({ softphone }) => softphone.close()));
    const bad = await this.#servers.drain();
    if (bad.length === 0) write(paint(style, "dim", "Goodbye."));
    else write(renderVerdict(false, `did not end well: ${bad.map(({ title }) => title).join(", ")}`, style));
    return status === 0 && bad.length > 0 ? 1 : status;
  }
}

/** Somebody pressed Ctrl-C. */
class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** A step did not come to its end. */
class StepFault extends Error {
  override readonly name = "StepFault";

  constructor(number: number, title: string, cause: unknown) {
    super(`Step ${number} failed: ${title}.`, { cause });
  }
}
